"""
The pairs of rows that are likely alike, found in parts, and verified.

Each function here is a task for a worker: it opens the sketches of all partitions, which are mapped and
not read, takes what its part of the work needs, and leaves its pairs in a file or returns few. A part
is a *share* of the keys (all rows whose key leaves the same remainder), a band, or a range of pairs, so
that no task holds all rows.

A pair of rows is written as one number, the lower row times the number of rows plus the higher.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rapidfuzz import process
from rapidfuzz.distance import Indel

from datagen.stages.shared.ranking import SCORES
from datagen.stages.shared.similarity.alike import compare
from datagen.stages.shared.similarity.criteria import Criteria
from datagen.stages.shared.similarity.minhash import in_buckets, repeated
from datagen.stages.shared.similarity.ngrams import Hashes, Numbers
from datagen.stages.shared.similarity.sketch import FIELDS, Mask, Sketches

SHARE = 4_000_000  # keys looked at by one task
BLOCK = 20_000  # pairs verified at once
RANGE = 200_000  # pairs verified by one task, about
TILE = 1_000  # short texts compared with those that follow them, by one task
LETTERS = 0xD800  # code points below the surrogates


@dataclass(frozen=True)
class Work:
    """
    What all tasks know.

    Parameters
    ----------
    paths
        The sketches, those of earlier releases first.
    earlier
        How many rows are of earlier releases: they stay.
    folder
        Where files of pairs go.
    criteria
        When rows are alike.
    """

    paths: tuple[Path, ...]
    earlier: int
    folder: Path
    criteria: Criteria

    @property
    def sketches(self) -> Sketches:
        """Open the sketches."""
        return Sketches(self.paths)


def order_by_quality(sketches: Sketches, rows: Numbers, earlier: int, *before: Numbers) -> Numbers:
    """
    Order rows from the best: by scores, then by `before`, then by length, then by a draw with their ids.

    Those of earlier releases come first. A row without a score comes after those that have one.
    """
    scores = [-sketches.take(name, rows) for name in reversed(SCORES)]
    ties = (sketches.take("tie", rows), -sketches.take("length", rows))
    result: Numbers = np.lexsort((*ties, *before, *scores, rows >= earlier))
    return result


def find_copies(work: Work, shares: int, share: int) -> tuple[Numbers, Numbers]:
    """Find the rows that are equal to a better one in normal form; return them, and the best one of each."""
    sketches = work.sketches
    rows, key, check = _share(sketches, ("key", "check"), share, shares)
    again = repeated(key)
    rows, key, check = rows[again], key[again], check[again]
    order = order_by_quality(sketches, rows, work.earlier)
    order = order[np.lexsort((check[order], key[order]))]  # stable: the best of each first
    rows, key, check = rows[order], key[order], check[order]
    same = (key[1:] == key[:-1]) & (check[1:] == check[:-1])
    first = np.concatenate([[True], ~same])[: len(rows)]
    best = rows[np.maximum.accumulate(np.where(first, np.arange(len(rows)), 0))]
    copies = ~first & (rows >= work.earlier)
    return rows[copies], best[copies]


def find_questions(work: Work, shares: int, share: int) -> tuple[Numbers, Hashes]:
    """Find the rows that ask what another one asks, with other answers; return them, and their questions."""
    sketches = work.sketches
    rows, asked = _share(sketches, ("asked",), share, shares)
    single = (asked > 0) & ~_are_copies(work, rows)
    rows, asked = rows[single], asked[single]
    again = repeated(asked)
    return rows[again], asked[again]


def _in_band(sketches: Sketches, band: int, bands: int, share: int, shares: int) -> list[np.ndarray]:
    """Read the rows of a share with their keys in a band and the next; those near the limit come twice."""
    found = [
        _share(sketches, (f"{kind} {band}", f"{kind} {(band + 1) % bands}"), share, shares)
        for kind in ("band", "near")
    ]
    sketched = found[1][1] > 0
    return [np.concatenate([one, other[sketched]]) for one, other in zip(*found, strict=True)]


def _share(sketches: Sketches, names: Sequence[str], share: int, shares: int) -> list[np.ndarray]:
    """Read some columns of the rows whose first column belongs to this share, and their numbers."""
    found: list[list[np.ndarray]] = [[np.empty(0, np.int64), *(np.empty(0, np.uint64) for _ in names)]]
    for start, columns in sketches.parts(*names):
        mine = np.flatnonzero(columns[0] % np.uint64(shares) == share)
        found.append([start + mine, *(column[mine] for column in columns)])
    return [np.concatenate(column) for column in zip(*found, strict=True)]


def note_copies(work: Work, copies: Numbers) -> None:
    """Leave word which rows need not be looked at again."""
    np.save(work.folder / "copies.npy", np.sort(copies))


def _are_copies(work: Work, rows: Numbers) -> Mask:
    copies = np.load(work.folder / "copies.npy", mmap_mode="r")
    at = np.searchsorted(copies, rows).clip(max=max(len(copies) - 1, 0))
    return copies[at] == rows if len(copies) else np.zeros(len(rows), bool)


def pair_in_band(work: Work, task: tuple[int, int, int]) -> Path:
    """Pair the rows that share a bucket of a band."""
    band, share, shares = task
    sketches = work.sketches
    bands, _ = work.criteria.shape
    rows, key, following = _in_band(sketches, band, bands, share, shares)
    single = ~_are_copies(work, rows)
    rows, key, following = rows[single], key[single], following[single]
    again = repeated(key)
    rows = rows[again]
    order = order_by_quality(sketches, rows, work.earlier)
    rank = np.empty(len(rows), np.int64)
    rank[order] = np.arange(len(rows))
    left, right = in_buckets(key[again], following[again], rank, work.criteria.neighbours)
    return _leave(work, sketches, rows[left], rows[right], f"band-{band}-{share}")


def note_short(work: Work) -> int:
    """
    Order the short questions for comparing all with all; return how many there are.

    Only questions of one scope that say the same of what tells can be alike
    (`datagen.stages.shared.similarity.alike`).
    """
    sketches = work.sketches
    found = []
    for start, (short, scope, telling) in sketches.parts("short", "scope", "telling question"):
        mine = np.flatnonzero(short)
        found.append((start + mine, scope[mine], telling[mine]))
    rows, scope, telling = (np.concatenate(column) for column in zip(*found, strict=True))
    single = ~_are_copies(work, rows)
    rows, scope, telling = rows[single], scope[single], telling[single]
    if not 1 < len(rows) <= work.criteria.all_pairs:
        return 0
    texts = sketches.words("question", rows)
    order = np.lexsort((texts.lengths, telling, scope))
    _, group = np.unique(np.stack([scope, telling]), axis=1, return_inverse=True)
    _, letters = np.unique(texts.take(order).values, return_inverse=True)
    np.savez(
        work.folder / "short.npz",
        rows=rows[order],
        group=group.reshape(-1)[order],
        lengths=texts.lengths[order],
        letters=(letters % LETTERS).astype(np.uint32),  # a word a letter; what is found is verified
    )
    return len(rows)


def pair_short(work: Work, tile: int) -> Path:
    """Pair a tile of short questions with those that follow, by ROUGE-L over words."""
    noted = np.load(work.folder / "short.npz")
    rows, group, lengths = noted["rows"], noted["group"], noted["lengths"]
    ends = np.cumsum(lengths)
    said = noted["letters"].tobytes().decode("utf-32-le")
    stop = min(tile + TILE, len(rows))
    least = work.criteria.short_threshold
    pairs = [(np.empty(0, np.int64), np.empty(0, np.int64))]
    for one in np.unique(group[tile:stop]):
        mine = np.flatnonzero(group == one)
        begin, end = max(tile, mine[0]), min(stop, mine[-1] + 1)
        # ROUGE-L F1 is at most 2 min / (m + n): those that are too long come last.
        longest = lengths[end - 1] * (2 - least) / least
        last = mine[0] + np.searchsorted(lengths[mine], longest, side="right")
        texts = [said[e - n : e] for e, n in zip(ends[begin:last], lengths[begin:last], strict=True)]
        for start in range(0, len(texts), 10 * TILE):
            scores = process.cdist(
                texts[: end - begin],
                texts[start : start + 10 * TILE],
                scorer=Indel.normalized_similarity,
                score_cutoff=least,
                dtype=np.float32,
            )
            left, right = np.nonzero(scores)
            pairs.append((begin + left, begin + start + right))
    left, right = (np.concatenate(side) for side in zip(*pairs, strict=True))
    return _leave(work, work.sketches, rows[left], rows[right], f"short-{tile}")


def _leave(work: Work, sketches: Sketches, left: Numbers, right: Numbers, name: str) -> Path:
    """Write pairs down, each once; two rows of earlier releases are none."""
    lower, higher = np.minimum(left, right), np.maximum(left, right)
    ours = (higher >= work.earlier) & (lower < higher)
    path = work.folder / f"pairs-{name}.npy"
    np.save(path, np.unique(lower[ours] * len(sketches) + higher[ours]))
    return path


def ranges(found: Sequence[Path]) -> list[tuple[int, int]]:
    """Cut the pairs of all files into ranges of about the same size."""
    files = [np.load(path, mmap_mode="r") for path in found]
    total = sum(map(len, files))
    sample = np.sort(np.concatenate([file[:: max(1, total // 100_000)] for file in files]))
    if not len(sample):
        return []
    parts = -(-total // RANGE)
    edges = sample[np.arange(1, parts) * len(sample) // parts].tolist()
    return [(low, high) for low, high in zip([0, *edges], [*edges, 2**63 - 1], strict=True) if low < high]


@dataclass(frozen=True)
class Likenesses:
    """Pairs that were found alike: two rows, how much, in which field, and whether the answers differ."""

    left: Numbers
    right: Numbers
    similarity: np.ndarray
    measure: np.ndarray  # twice the number of the field in which they are least alike, and one if it is long
    conflict: Mask

    @classmethod
    def together(cls, some: Sequence["Likenesses"]) -> "Likenesses":
        """Put several into one."""
        parts = [[one.left, one.right, one.similarity, one.measure, one.conflict] for one in some]
        parts.append([np.empty(0, kind) for kind in (np.int64, np.int64, float, np.int64, bool)])
        return cls(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def verify(work: Work, task: tuple[int, int, Sequence[Path]]) -> Likenesses:
    """Compare the pairs of a range, field by field, on all their words."""
    low, high, found = task
    files = [np.load(path, mmap_mode="r") for path in found]
    pairs = np.unique(np.concatenate([file[slice(*np.searchsorted(file, [low, high]))] for file in files]))
    sketches = work.sketches
    left, right = pairs // len(sketches), pairs % len(sketches)
    blocks = (slice(start, start + BLOCK) for start in range(0, len(pairs), BLOCK))
    return Likenesses.together(
        [one for block in blocks for one in _verify(sketches, left[block], right[block], work.criteria)]
    )


def _verify(sketches: Sketches, left: Numbers, right: Numbers, criteria: Criteria) -> Iterator[Likenesses]:
    """Yield the pairs that are alike in all fields, and those that are in all but their answers."""
    rows, places = np.unique(np.concatenate([left, right]), return_inverse=True)
    first, second = places.reshape(2, -1)
    least, measure = np.full(len(left), 2.0), np.zeros(len(left), np.int64)
    for number, name in enumerate(FIELDS):
        similarity, long = compare(
            sketches.texts(name, rows),
            first,
            second,
            criteria.long_from,
            criteria.threshold,
            criteria.short_threshold,
        )
        unlike = similarity == 0
        if name == "answer":
            clash = unlike & (sketches.take("asked", rows)[first] > 0)
            yield _some(rows, first, second, least, measure, clash, True)
        lower = similarity < least
        measure[lower] = (2 * number + long)[lower]
        least = np.minimum(least, similarity)
        first, second, least, measure = first[~unlike], second[~unlike], least[~unlike], measure[~unlike]
    yield _some(rows, first, second, least, measure, np.ones(len(first), bool), False)


def _some(
    rows: Numbers,
    first: Numbers,
    second: Numbers,
    least: np.ndarray,
    measure: Numbers,
    which: Mask,
    clash: bool,
) -> Likenesses:
    pairs = rows[first[which]], rows[second[which]]
    return Likenesses(*pairs, least[which], measure[which], np.full(int(which.sum()), clash))
