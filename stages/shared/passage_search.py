"""
Lexical search over all passages: find the best passages for each question.

BM25 over words of any script (Robertson and Zaragoza 2009). Each task indexes one partition of passages and
scores the questions of all partitions against it; only document frequencies are kept for the whole corpus.
Memory is therefore bounded by a partition, and results do not depend on the partitioning.
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
COMMON = 5_000  # words in more passages than this are ignored
BLOCK = 256  # questions scored at once
BEST, NEIGHBOURS = 8, 4  # passages kept per partition: the best, and the nearest in the same document

# A hit: question, partition and row of the passage, score, distance in code points to the question's own
# passage (-1 in another document), and whether it is that passage.
HITS = np.dtype(
    [("query", "i8"), ("part", "i8"), ("row", "i8"), ("score", "f8"), ("gap", "i8"), ("own", "?")]
)
Hits = npt.NDArray[np.void]


@dataclass(frozen=True)
class Queries:
    """
    The queries of a partition of questions.

    Parameters
    ----------
    owners, hashes
        Index of the question of each distinct word, and the word's hash.
    document, passage, start, end
        Each question's own document, passage and span; null and 0 if it has none.
    """

    owners: Numbers
    hashes: Hashes
    document: pa.Array
    passage: pa.Array
    start: Numbers
    end: Numbers

    @classmethod
    def of(cls, texts: Sequence[str], lineage: pa.StructArray | None = None) -> "Queries":
        """Build queries from texts, "" for none, and the lineages of their rows."""
        owners, hashes, _ = _counted(pa.array(texts, pa.string()))
        lineages = pa.nulls(len(texts), LINEAGE) if lineage is None else lineage
        fields = [pc.struct_field(lineages, name) for name in ("document_id", "passage_id", "start", "end")]
        span = [pc.fill_null(field, 0).to_numpy(zero_copy_only=False) for field in fields[2:]]
        return cls(owners, hashes, fields[0], fields[1], *span)


def passage_files(context: Context) -> list[Path]:
    """
    List the partitions of all passages that exist when the stage starts.

    Raises
    ------
    UserError
        If no earlier stage gives passages.
    """
    if "passages" not in context.tables:
        raise UserError(
            f"stages.{context.stage} searches passages, but no earlier stage gives any; add chunk"
        )
    return [path for folder in context.tables["passages"] for path in parts(folder)]


def search(paths: Sequence[Path], queries: Iterable[Queries], context: Context) -> None:
    """Search all passages for the questions of all partitions, and write the hits to the scratch folder."""
    scratch, partitions = context.scratch, 0
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    for part_queries in queries:
        (scratch / f"queries-{partitions:05d}.pickle").write_bytes(pickle.dumps(part_queries))
        partitions += 1
    counts = context.each(_count, paths)
    _write_statistics(counts, scratch)
    context.each(partial(_search_partition, scratch, partitions), list(enumerate(paths)))


def read_hits(scratch: Path, number: int) -> Hits:
    """Read the hits for a partition of questions."""
    files = sorted(scratch.glob(f"found-{number:05d}-*.npy"))
    return np.concatenate([np.empty(0, HITS), *(np.load(path) for path in files)])


def _counted(texts: pa.Array | pa.ChunkedArray) -> tuple[Numbers, Hashes, Numbers]:
    """List the distinct words of each text: index of the text, hash of the word, occurrences."""
    tokens = words(texts, symbols=False)
    pairs = np.stack([tokens.owners().astype(np.uint64), tokens.hashes])
    (owners, hashes), times = np.unique(pairs, axis=1, return_counts=True)
    return owners.astype(np.int64), hashes, times


def _count(path: Path) -> tuple[Hashes, Numbers, int, int]:
    """Return a partition's words and their document frequencies, and count its passages and words."""
    texts = read_part(path, ["text"])["text"]
    _, hashes, times = _counted(texts)
    distinct, frequencies = np.unique(hashes, return_counts=True)
    return distinct, frequencies, len(texts), int(times.sum())


def _write_statistics(counts: Sequence[tuple[Hashes, Numbers, int, int]], scratch: Path) -> None:
    """Write the inverse document frequency of each word and the mean length of a passage."""
    hashes, positions = np.unique(
        np.concatenate([np.empty(0, np.uint64), *(count[0] for count in counts)]), return_inverse=True
    )
    frequencies = np.bincount(
        positions, np.concatenate([np.empty(0), *(count[1] for count in counts)]), len(hashes)
    )
    passages, length = sum(count[2] for count in counts), sum(count[3] for count in counts)
    idf = np.log1p((passages - frequencies + 0.5) / (frequencies + 0.5))
    idf[frequencies > COMMON] = 0
    np.savez(scratch / "words.npz", hashes=hashes, idf=idf, length=length / max(passages, 1))


def _search_partition(scratch: Path, partitions: int, indexed_path: tuple[int, Path]) -> None:
    """Search one partition of passages for the questions of all partitions."""
    part, path = indexed_path
    passages = read_part(path, ["id", "document_id", "text", "start", "end"])
    index = _Index(passages, np.load(scratch / "words.npz"))
    for number in range(partitions):
        queries: Queries = pickle.loads((scratch / f"queries-{number:05d}.pickle").read_bytes())
        rows = np.concatenate([np.empty(0, HITS), *_find(index, passages, queries)])
        rows["part"] = part
        np.save(scratch / f"found-{number:05d}-{part:05d}.npy", rows)


class _Index:
    """The words of a partition's passages in hash order: passage and BM25 weight."""

    def __init__(self, passages: pa.Table, statistics: np.lib.npyio.NpzFile) -> None:
        owners, hashes, times = _counted(passages["text"])
        lengths = np.bincount(owners, times, len(passages))
        idf = statistics["idf"][np.searchsorted(statistics["hashes"], hashes)]
        damped = times + K1 * (1 - B + B * lengths[owners] / statistics["length"])
        weights = idf * times * (K1 + 1) / damped
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


def _find(index: _Index, passages: pa.Table, queries: Queries) -> list[Hits]:
    """Return for each question the best passages, the nearest in its document, and its own."""
    documents = passages["document_id"].combine_chunks()
    ids = passages["id"].combine_chunks()
    own_rows = pc.index_in(queries.passage, value_set=ids)
    starts, ends = (passages[name].to_numpy() for name in ("start", "end"))
    rows_of: dict[str, list[int]] = {}
    for row, document in enumerate(documents.to_pylist()):
        rows_of.setdefault(document, []).append(row)
    kept = []
    for first in range(0, len(queries.start), BLOCK):
        count = min(BLOCK, len(queries.start) - first)
        block = slice(*np.searchsorted(queries.owners, [first, first + count]))
        scores = index.scores(queries.hashes[block], queries.owners[block] - first, count)
        for query in np.unique(queries.owners[block]).tolist():
            same_document = np.array(rows_of.get(queries.document[query].as_py(), []), np.int64)
            gaps = np.maximum(
                starts[same_document] - queries.end[query], queries.start[query] - ends[same_document]
            )
            neighbours = same_document[gaps >= 0][np.argsort(gaps[gaps >= 0], kind="stable")][:NEIGHBOURS]
            score = scores[query - first]
            best = np.argsort(-score, kind="stable")[:BEST]
            own = [] if (row_index := own_rows[query].as_py()) is None else [row_index]
            rows = np.unique(np.concatenate([neighbours, best[score[best] > 0], np.array(own, np.int64)]))
            hits = np.zeros(len(rows), HITS)
            hits["query"], hits["row"], hits["score"] = query, rows, score[rows]
            hits["own"] = np.isin(rows, own)
            gap_of = dict(zip(same_document.tolist(), gaps.tolist(), strict=True))
            # A passage that overlaps the question's own does not count as another one.
            hits["gap"] = [gap_of.get(row, -1) if gap_of.get(row, 0) >= 0 else -2 for row in rows.tolist()]
            kept.append(hits[(hits["gap"] > -2) | hits["own"]])
    return kept
