"""
Find candidate pairs of near duplicates, in tasks for workers.

`datagen.stages.shared.similarity.verified` verifies them.

Each function is a task: it maps the sketches of all partitions into memory, reads the part that it needs,
and writes its pairs to a file or returns a few. A part is a *share* of the keys (the rows whose keys have
the same remainder), a band, or a range of pairs, so that no task holds all rows.

A pair of rows is stored as one number: the lower row times the number of rows plus the higher row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rapidfuzz import process
from rapidfuzz.distance import Indel

from datagen.stages.shared.ranking import SCORES
from datagen.stages.shared.similarity.criteria import Criteria
from datagen.stages.shared.similarity.minhash import in_buckets, repeated
from datagen.stages.shared.similarity.ngrams import Hashes, Numbers
from datagen.stages.shared.similarity.sketch import Mask, Sketches

SHARE = 4_000_000  # keys per task
TILE = 1_000  # short texts per task, each compared with those after it
LETTERS = 0xD800  # code points below the surrogates


@dataclass(frozen=True)
class Work:
    """
    The parameters shared by all tasks.

    Parameters
    ----------
    paths
        The sketches, those of earlier releases first.
    earlier
        Number of rows of earlier releases, which are never dropped.
    folder
        Folder for files of pairs.
    criteria
        Criteria of near duplicates.
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
    Order rows best first: by scores, then by `before`, by length, and by a hash of their ids.

    Rows of earlier releases come first. Rows without a score come after rows with one.
    """
    scores = [-sketches.take(name, rows) for name in reversed(SCORES)]
    ties = (sketches.take("tie", rows), -sketches.take("length", rows))
    result: Numbers = np.lexsort((*ties, *before, *scores, rows >= earlier))
    return result


def find_copies(work: Work, shares: int, share: int) -> tuple[Numbers, Numbers]:
    """Find the rows that equal a better row in normal form; return them and the best row of each."""
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
    return rows[~first], best[~first]


def find_questions(work: Work, shares: int, share: int) -> tuple[Numbers, Hashes]:
    """Find the rows with the same question as another row; return them and the hashes of the questions."""
    sketches = work.sketches
    rows, asked = _share(sketches, ("asked",), share, shares)
    single = (asked > 0) & ~_are_copies(work, rows)
    rows, asked = rows[single], asked[single]
    again = repeated(asked)
    return rows[again], asked[again]


def _in_band(sketches: Sketches, band: int, bands: int, share: int, shares: int) -> list[np.ndarray]:
    """Read the rows of a share with their keys in a band and the next; rows near the limit come twice."""
    band_columns, near_columns = (
        _share(sketches, (f"{kind} {band}", f"{kind} {(band + 1) % bands}"), share, shares)
        for kind in ("band", "near")
    )
    sketched = near_columns[1] > 0
    return [
        np.concatenate([column, near[sketched]])
        for column, near in zip(band_columns, near_columns, strict=True)
    ]


def _share(sketches: Sketches, names: Sequence[str], share: int, shares: int) -> list[np.ndarray]:
    """Read the rows whose first column is in this share: their numbers, then the columns."""
    parts: list[list[np.ndarray]] = [[np.empty(0, np.int64), *(np.empty(0, np.uint64) for _ in names)]]
    for start, columns in sketches.parts(*names):
        selected = np.flatnonzero(columns[0] % np.uint64(shares) == share)
        parts.append([start + selected, *(column[selected] for column in columns)])
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


def write_copies(work: Work, copies: Numbers) -> None:
    """Write the rows that the following tasks skip."""
    np.save(work.folder / "copies.npy", np.sort(copies))


def _are_copies(work: Work, rows: Numbers) -> Mask:
    copies = np.load(work.folder / "copies.npy", mmap_mode="r")
    at = np.searchsorted(copies, rows).clip(max=max(len(copies) - 1, 0))
    return copies[at] == rows if len(copies) else np.zeros(len(rows), bool)


def pair_in_band(work: Work, task: tuple[int, int, int]) -> Path:
    """Pair the rows in the buckets of a band; return the file of the pairs."""
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
    return _write_pairs(work, sketches, rows[left], rows[right], f"band-{band}-{share}")


def write_short(work: Work) -> int:
    """
    Write the short questions in the order in which `pair_short` compares them; return their number.

    Only questions of one scope with the same critical words can be duplicates
    (`datagen.stages.shared.similarity.alike`).
    """
    sketches = work.sketches
    parts = []
    for start, (short, scope, telling) in sketches.parts("short", "scope", "telling question"):
        selected = np.flatnonzero(short)
        parts.append((start + selected, scope[selected], telling[selected]))
    rows, scope, telling = (np.concatenate(column) for column in zip(*parts, strict=True))
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
        letters=(letters % LETTERS).astype(np.uint32),  # one letter per word; matches are verified
    )
    return len(rows)


def pair_short(work: Work, tile: int) -> Path:
    """Pair a tile of short questions with those after it, by ROUGE-L over words."""
    stored = np.load(work.folder / "short.npz")
    rows, group, lengths = stored["rows"], stored["group"], stored["lengths"]
    ends = np.cumsum(lengths)
    letters = stored["letters"].tobytes().decode("utf-32-le")
    stop = min(tile + TILE, len(rows))
    least = work.criteria.short_threshold
    pairs = [(np.empty(0, np.int64), np.empty(0, np.int64))]
    for number in np.unique(group[tile:stop]):
        members = np.flatnonzero(group == number)
        begin, end = max(tile, members[0]), min(stop, members[-1] + 1)
        # ROUGE-L F1 is at most 2 min / (m + n), and texts are sorted by length: those too long come last.
        longest = lengths[end - 1] * (2 - least) / least
        last = members[0] + np.searchsorted(lengths[members], longest, side="right")
        texts = [letters[e - n : e] for e, n in zip(ends[begin:last], lengths[begin:last], strict=True)]
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
    return _write_pairs(work, work.sketches, rows[left], rows[right], f"short-{tile}")


def _write_pairs(work: Work, sketches: Sketches, left: Numbers, right: Numbers, name: str) -> Path:
    """Write distinct pairs, without those of two rows of earlier releases."""
    lower, higher = np.minimum(left, right), np.maximum(left, right)
    kept = (higher >= work.earlier) & (lower < higher)
    path = work.folder / f"pairs-{name}.npy"
    np.save(path, np.unique(lower[kept] * len(sketches) + higher[kept]))
    return path
