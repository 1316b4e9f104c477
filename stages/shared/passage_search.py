"""
Lexical search over all passages: the best ones for each question.

BM25 over words of any script (Robertson and Zaragoza 2009). Each task indexes one partition of passages and
scores the questions of all partitions against it; only the number of passages that contain each word is held
for the whole corpus. So memory is bounded by a partition, and results do not depend on the partitions.
"""

import pickle
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from datagen.errors import UserError
from datagen.schema import LINEAGE
from datagen.stage import Context
from datagen.stages.shared.language.columns import words
from datagen.stages.shared.similarity.ngrams import Hashes, Numbers
from datagen.store.parquet import parts, read_part

K1, B = 1.2, 0.75
COMMON = 5_000  # a word in more passages than this identifies none
BLOCK = 256  # questions scored at once
BEST, NEIGHBOURS = 8, 4  # passages kept of each partition: the best, and the nearest of the same document

# A hit: question, partition and row of the passage, score, code points between it and the question's own
# passage in their document (-1 in another document), and whether it is that passage.
FOUND = np.dtype(
    [("query", "i8"), ("part", "i8"), ("row", "i8"), ("score", "f8"), ("gap", "i8"), ("own", "?")]
)
Found = npt.NDArray[np.void]


@dataclass(frozen=True)
class Queries:
    """
    The queries of a partition of questions.

    Parameters
    ----------
    owners, hashes
        Their words, each once, and the question that each belongs to.
    document, passage, start, end
        Each question's own document, passage and span; null and 0 where it has none.
    """

    owners: Numbers
    hashes: Hashes
    document: pa.Array
    passage: pa.Array
    start: Numbers
    end: Numbers

    @classmethod
    def of(cls, texts: Sequence[str], lineage: pa.StructArray | None = None) -> "Queries":
        """Take the texts to search for, "" for none, and the lineages of their rows."""
        owners, hashes, _ = _counted(pa.array(texts, pa.string()))
        known = pa.nulls(len(texts), LINEAGE) if lineage is None else lineage
        fields = [pc.struct_field(known, name) for name in ("document_id", "passage_id", "start", "end")]
        span = [pc.fill_null(field, 0).to_numpy(zero_copy_only=False) for field in fields[2:]]
        return cls(owners, hashes, fields[0], fields[1], *span)


def shelves(context: Context) -> list[Path]:
    """
    List the partitions of all passages that exist when the stage starts.

    Raises
    ------
    UserError
        When no earlier stage gives any.
    """
    if "passages" not in context.tables:
        raise UserError(
            f"stages.{context.stage} searches passages, but no stage before it gives any; add chunk"
        )
    return [path for folder in context.tables["passages"] for path in parts(folder)]


def search(shelves: Sequence[Path], queries: Iterable[Queries], context: Context) -> None:
    """Search all passages for the questions of all partitions; the hits are written to the scratch folder."""
    scratch, partitions = context.scratch, 0
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    for asked in queries:
        (scratch / f"queries-{partitions:05d}.pickle").write_bytes(pickle.dumps(asked))
        partitions += 1
    counts = context.each(_count, shelves)
    _note_words(counts, scratch)
    context.each(partial(_look_through, scratch, partitions), list(enumerate(shelves)))


def found(scratch: Path, number: int) -> Found:
    """Read the hits for a partition of questions."""
    files = sorted(scratch.glob(f"found-{number:05d}-*.npy"))
    return np.concatenate([np.empty(0, FOUND), *(np.load(path) for path in files)])


def _counted(texts: pa.Array | pa.ChunkedArray) -> tuple[Numbers, Hashes, Numbers]:
    """List the distinct words of each text: text, hash of the word, number of occurrences."""
    cut = words(texts, symbols=False)
    pairs = np.stack([cut.owners().astype(np.uint64), cut.hashes])
    (owners, hashes), times = np.unique(pairs, axis=1, return_counts=True)
    return owners.astype(np.int64), hashes, times


def _count(shelf: Path) -> tuple[Hashes, Numbers, int, int]:
    """Count the passages of a partition that contain each word, the passages, and their words."""
    texts = read_part(shelf, ["text"])["text"]
    _, hashes, times = _counted(texts)
    each, standing = np.unique(hashes, return_counts=True)
    return each, standing, len(texts), int(times.sum())


def _note_words(counts: Sequence[tuple[Hashes, Numbers, int, int]], scratch: Path) -> None:
    """Write the inverse document frequency of each word and the mean length of a passage."""
    hashes, places = np.unique(
        np.concatenate([np.empty(0, np.uint64), *(c[0] for c in counts)]), return_inverse=True
    )
    standing = np.bincount(places, np.concatenate([np.empty(0), *(c[1] for c in counts)]), len(hashes))
    passages, length = sum(c[2] for c in counts), sum(c[3] for c in counts)
    telling = np.log1p((passages - standing + 0.5) / (standing + 0.5))
    telling[standing > COMMON] = 0
    np.savez(scratch / "words.npz", hashes=hashes, telling=telling, length=length / max(passages, 1))


def _look_through(scratch: Path, partitions: int, shelf: tuple[int, Path]) -> None:
    """Search one partition of passages for the questions of all partitions."""
    part, path = shelf
    passages = read_part(path, ["id", "document_id", "text", "start", "end"])
    index = _Index(passages, np.load(scratch / "words.npz"))
    for number in range(partitions):
        queries: Queries = pickle.loads((scratch / f"queries-{number:05d}.pickle").read_bytes())
        rows = np.concatenate([np.empty(0, FOUND), *_find(index, passages, queries)])
        rows["part"] = part
        np.save(scratch / f"found-{number:05d}-{part:05d}.npy", rows)


class _Index:
    """The words of a partition's passages in the order of their hashes: passage and BM25 weight."""

    def __init__(self, passages: pa.Table, known: np.lib.npyio.NpzFile) -> None:
        owners, hashes, times = _counted(passages["text"])
        lengths = np.bincount(owners, times, len(passages))
        telling = known["telling"][np.searchsorted(known["hashes"], hashes)]
        damped = times + K1 * (1 - B + B * lengths[owners] / known["length"])
        weights = telling * times * (K1 + 1) / damped
        order = np.argsort(hashes, kind="stable")
        order = order[weights[order] > 0]
        self.hashes, self.owners, self.weights = hashes[order], owners[order], weights[order]
        self.size = len(passages)

    def scores(self, hashes: Hashes, owners: Numbers, count: int) -> npt.NDArray[np.float64]:
        """Return the scores of all passages for `count` questions: questions by passages."""
        low, high = (np.searchsorted(self.hashes, hashes, side=side) for side in ("left", "right"))
        counts = high - low
        at = np.repeat(low - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
        cells = np.repeat(owners, counts) * self.size + self.owners[at]
        sums = np.bincount(cells, self.weights[at], count * self.size).astype(np.float64)
        return sums.reshape(count, self.size)


def _find(index: _Index, passages: pa.Table, queries: Queries) -> list[Found]:
    """Return for each question the best passages, the nearest ones of its document, and its own."""
    documents = passages["document_id"].combine_chunks()
    ids = passages["id"].combine_chunks()
    here = pc.index_in(queries.passage, value_set=ids)
    starts, ends = (passages[name].to_numpy() for name in ("start", "end"))
    lines: dict[str, list[int]] = {}
    for row, document in enumerate(documents.to_pylist()):
        lines.setdefault(document, []).append(row)
    kept = []
    for first in range(0, len(queries.start), BLOCK):
        count = min(BLOCK, len(queries.start) - first)
        mine = slice(*np.searchsorted(queries.owners, [first, first + count]))
        scores = index.scores(queries.hashes[mine], queries.owners[mine] - first, count)
        for query in np.unique(queries.owners[mine]).tolist():
            line = np.array(lines.get(queries.document[query].as_py(), []), np.int64)
            gaps = np.maximum(starts[line] - queries.end[query], queries.start[query] - ends[line])
            apart = line[gaps >= 0][np.argsort(gaps[gaps >= 0], kind="stable")][:NEIGHBOURS]
            score = scores[query - first]
            best = np.argsort(-score, kind="stable")[:BEST]
            own = [] if (place := here[query].as_py()) is None else [place]
            rows = np.unique(np.concatenate([apart, best[score[best] > 0], np.array(own, np.int64)]))
            told = np.zeros(len(rows), FOUND)
            told["query"], told["row"], told["score"] = query, rows, score[rows]
            told["own"] = np.isin(rows, own)
            same = dict(zip(line.tolist(), gaps.tolist(), strict=True))
            # A passage that overlaps the question's own is not another one.
            told["gap"] = [same.get(row, -1) if same.get(row, 0) >= 0 else -2 for row in rows.tolist()]
            kept.append(told[(told["gap"] > -2) | told["own"]])
    return kept
