"""
The rows of a kind as vectors, and the blocks within which they are compared.

Vectors are stored in files: a worker writes those of a partition, and all vectors of a kind are gathered into
one memory-mapped file, in the order in which rows are drawn. So neither partitions nor their order matter.

If there are more rows than a block holds, they are split at the median of their first principal component,
recursively. Rows of different blocks count as unrelated. Equal rows are one row with more weight, so they are
never separated.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from datagen.stage import Context
from datagen.stages.select.greedy import Numbers, Ranking, Vectors, cover, vote
from datagen.stages.shared.similarity.ngrams import FACTOR, mix
from datagen.stages.shared.similarity.sketch import Reader
from datagen.stages.shared.similarity.vectors import Embedder, learn, text_of

READ = ("kind", "question", "answer", "text")
TILE = 4096  # rows per block of a matrix product
SAMPLE = 2048  # rows from which a principal component is computed
ITERATIONS = 20  # of power iteration


@dataclass(frozen=True)
class Space:
    """
    The vectors of the rows of a kind.

    Parameters
    ----------
    path
        Their file, a NumPy array in the order in which the rows are drawn.
    first
        The first row of each set of equal rows, ascending.
    equals
        For each row, the number of its set of equal rows.
    """

    path: Path
    first: Numbers
    equals: Numbers

    @property
    def vectors(self) -> Vectors:
        """All vectors, mapped into memory."""
        vectors: Vectors = np.load(self.path, mmap_mode="r")
        return vectors


def embed_all(
    groups: Mapping[str, Sequence[Reader]], kinds: Sequence[str], model: str, context: Context
) -> dict[str, dict[str, list[Path]]]:
    """
    Embed the rows of some kinds on all workers, one file per kind and partition.

    The embedder is fitted to all `groups`: name -> partitions. A table without kinds counts as every kind.
    For `model`, see `datagen.stages.shared.similarity.vectors.learn`.

    Returns
    -------
    Name -> kind -> files, one per partition.
    """
    readers = [reader for group in groups.values() for reader in group]
    columns = [partial(_texts, reader, kinds) for reader in readers]
    embedder = learn(model, columns, context.scratch / "learned.npy", context.each)
    files = {
        name: {
            kind: [context.scratch / f"{name}-{kind}-{part:05d}.npy" for part in range(len(group))]
            for kind in kinds
        }
        for name, group in groups.items()
    }
    tasks = [
        (reader, {kind: files[name][kind][part] for kind in kinds})
        for name, group in groups.items()
        for part, reader in enumerate(group)
    ]
    context.each(partial(_embed, embedder), tasks)
    return files


def _texts(reader: Reader, kinds: Sequence[str]) -> pa.ChunkedArray:
    return text_of(of_kinds(reader(READ), kinds))


def of_kinds(rows: pa.Table, kinds: Sequence[str]) -> pa.Table:
    """Select the rows of some kinds; all rows of a table without kinds."""
    if "kind" not in rows.column_names:
        return rows
    return rows.filter(pc.is_in(rows["kind"], value_set=pa.array(kinds, pa.string())))


def _embed(embedder: Embedder, task: tuple[Reader, Mapping[str, Path]]) -> None:
    reader, paths = task
    rows = reader(READ)
    for kind, path in paths.items():
        np.save(path, embedder.embed(text_of(of_kinds(rows, [kind]))))


def gather(files: Sequence[Path], order: Numbers, path: Path) -> Space:
    """
    Gather the vectors of a kind into one file.

    Parameters
    ----------
    files
        Its vectors, by partition.
    order
        The rows, numbered across the partitions, in the order in which they are drawn.
    path
        The file to write.
    """
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    keys = np.empty(len(order), np.uint64)
    width = np.load(files[0], mmap_mode="r").shape[1]
    gathered = np.lib.format.open_memmap(path, "w+", np.float32, (len(order), width))
    start = 0
    for file in files:
        vectors = np.load(file)
        targets = place[start : start + len(vectors)]
        gathered[targets] = vectors
        keys[targets] = _hash_rows(vectors)
        start += len(vectors)
    gathered.flush()
    _, first, equals = np.unique(keys, return_index=True, return_inverse=True)
    by_first = np.argsort(first)
    number = np.empty(len(first), np.int64)
    number[by_first] = np.arange(len(first))
    return Space(path, first[by_first], number[equals])


def _hash_rows(vectors: Vectors) -> npt.NDArray[np.uint64]:
    bits = (vectors + np.float32(0)).view(np.uint32).astype(np.uint64)  # -0 and 0 are equal
    factors = mix(np.arange(1, vectors.shape[1] + 1, dtype=np.uint64) * FACTOR)
    return mix((bits * factors).sum(axis=1, dtype=np.uint64))


def nearest(space: Space, others: Sequence[Path], context: Context) -> Vectors:
    """Compute the similarity of each set of equal rows to the nearest of other vectors; at least 0."""
    tasks = [space.first[low : low + TILE] for low in range(0, len(space.first), TILE)]
    similarities = context.each(partial(_nearest, space.path, others), tasks)
    return np.concatenate([np.empty(0, np.float32), *similarities])


def _nearest(path: Path, others: Sequence[Path], rows: Numbers) -> Vectors:
    queries = np.load(path, mmap_mode="r")[rows]
    best = np.zeros(len(rows), np.float32)
    for file in others:
        vectors = np.load(file)
        for low in range(0, len(vectors), TILE):
            np.maximum(best, (queries @ vectors[low : low + TILE].T).max(axis=1), out=best)
    return best


def divide(vectors: Vectors, rows: Numbers, size: int) -> list[Numbers]:
    """Divide rows, in ascending order, into blocks of at most `size`, keeping near rows together."""
    if len(rows) <= size:
        return [rows]
    sample = vectors[rows[:: -(-len(rows) // SAMPLE)]]
    axis = _principal(sample - sample.mean(axis=0))
    parts = [vectors[rows[low : low + TILE]] @ axis for low in range(0, len(rows), TILE)]
    order = np.argsort(np.concatenate(parts), kind="stable")
    halves = np.split(order, [len(rows) // 2])
    return [block for half in halves for block in divide(vectors, rows[np.sort(half)], size)]


def _principal(centred: Vectors) -> Vectors:
    """Approximate the first principal component by power iteration from the outermost row."""
    axis = centred[np.linalg.norm(centred, axis=1).argmax()]
    for _ in range(ITERATIONS):
        axis = centred.T @ (centred @ axis)
        axis = axis / np.linalg.norm(axis)
    return np.asarray(axis)


def by_cover(
    space: Space, block: int, context: Context, covered: Vectors | None, wanted: Vectors | None, floor: float
) -> Ranking:
    """Rank all rows by `datagen.stages.select.greedy.cover`; similarities are per set of equal rows."""
    return _in_blocks(space, block, context, partial(cover, floor=floor), covered, wanted)


def by_vote(space: Space, block: int, context: Context, neighbours: int, discount: float) -> Ranking:
    """Rank all rows by `datagen.stages.select.greedy.vote`."""
    return _in_blocks(space, block, context, partial(vote, neighbours=neighbours, discount=discount))


def _in_blocks(
    space: Space, size: int, context: Context, choose: Callable[..., Ranking], *columns: Vectors | None
) -> Ranking:
    """
    Rank the rows of each block on a worker and merge the blocks by gain.

    The gains of a block never increase, and rows of different blocks do not affect each other's gains: the
    merged order is that of the greedy choice among all rows. Copies of a row gain nothing and come last.
    """
    vectors = space.vectors
    weights = np.bincount(space.equals).astype(np.float64)
    blocks = divide(vectors, space.first, size)
    sets = [np.searchsorted(space.first, rows) for rows in blocks]
    tasks = [
        (space.path, rows, [None if column is None else column[members] for column in (weights, *columns)])
        for rows, members in zip(blocks, sets, strict=True)
    ]
    orders, gains = zip(*context.each(partial(_choose, choose), tasks), strict=True)
    step = np.concatenate([np.arange(len(order)) for order in orders])
    order, gain = np.concatenate(orders), np.concatenate(gains)
    merged = np.lexsort((order, step, -gain))
    copies = np.setdiff1d(np.arange(len(space.equals)), space.first)
    return np.concatenate([order[merged], copies]), np.concatenate([gain[merged], np.zeros(len(copies))])


def _choose(choose: Callable[..., Ranking], task: tuple[Path, Numbers, Sequence[object]]) -> Ranking:
    path, rows, columns = task
    order, gains = choose(np.load(path, mmap_mode="r")[rows], *columns)
    return rows[order], gains
