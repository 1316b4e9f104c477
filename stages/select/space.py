"""
The rows of a kind as vectors, and the blocks in which they are compared with each other.

Vectors stand in files: a worker writes those of a partition, and all of a kind are gathered into one that is
mapped into memory, in the order in which rows are drawn. So neither partitions nor their order count.

More rows than a block holds are cut in two at the median of their first principal component, again and
again. Rows of different blocks count as wholly unlike. Equal rows are one row, of more weight: they are never
parted.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from datagen.stage import Context
from datagen.stages.select.greedy import Numbers, Ranking, Vectors, cover, vote
from datagen.stages.shared.similarity.ngrams import FACTOR, mix
from datagen.stages.shared.similarity.vectors import Embedder, learn, text_of

Reader = Callable[[Sequence[str] | None], pa.Table]

READ = ("kind", "question", "answer", "text")
TILE = 4096  # rows whose products with as many others are held at once
SAMPLE = 2048  # rows that a principal component is taken from
ITERATIONS = 20  # of the search for it


@dataclass(frozen=True)
class Space:
    """
    The vectors of the rows of a kind.

    Parameters
    ----------
    path
        Their file, a NumPy array, in the order in which the rows are drawn.
    first
        Of equal rows the first, for each set of equals, ascending.
    equals
        For each row the number of its set of equals.
    """

    path: Path
    first: Numbers
    equals: Numbers

    @property
    def vectors(self) -> Vectors:
        """All vectors, mapped into memory."""
        result: Vectors = np.load(self.path, mmap_mode="r")
        return result


def embed_all(
    groups: Mapping[str, Sequence[Reader]], kinds: Sequence[str], model: str, context: Context
) -> dict[str, dict[str, list[Path]]]:
    """
    Embed the rows of some kinds on all workers, each kind of a partition into a file of its own.

    What the embedder learns, it learns from all `groups`: name -> partitions. A table that does not say kinds
    is of each. The `model` is as in `datagen.stages.shared.similarity.vectors.learn`.

    Returns
    -------
    Name -> kind -> files, a partition each.
    """
    readers = [reader for group in groups.values() for reader in group]
    columns = [partial(_texts, reader, kinds) for reader in readers]
    embedder = learn(model, columns, context.scratch / "learnt.npy", context.each)
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
    """Take the rows of some kinds; all rows of a table that does not say kinds."""
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
    Bring the vectors of a kind into one file.

    Parameters
    ----------
    files
        Its vectors, by partition.
    order
        The rows, counted through the partitions, in the order in which they are drawn.
    path
        The file to be.
    """
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    keys = np.empty(len(order), np.uint64)
    width = np.load(files[0], mmap_mode="r").shape[1]
    together = np.lib.format.open_memmap(path, "w+", np.float32, (len(order), width))
    start = 0
    for file in files:
        vectors = np.load(file)
        mine = place[start : start + len(vectors)]
        together[mine] = vectors
        keys[mine] = _hash_rows(vectors)
        start += len(vectors)
    together.flush()
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
    """Find for the first of each set of equals its similarity to the nearest of other vectors; 0 at least."""
    tasks = [space.first[low : low + TILE] for low in range(0, len(space.first), TILE)]
    found = context.each(partial(_nearest, space.path, others), tasks)
    return np.concatenate([np.empty(0, np.float32), *found])


def _nearest(path: Path, others: Sequence[Path], rows: Numbers) -> Vectors:
    mine = np.load(path, mmap_mode="r")[rows]
    best = np.zeros(len(rows), np.float32)
    for file in others:
        vectors = np.load(file)
        for low in range(0, len(vectors), TILE):
            np.maximum(best, (mine @ vectors[low : low + TILE].T).max(axis=1), out=best)
    return best


def divide(vectors: Vectors, rows: Numbers, most: int) -> list[Numbers]:
    """Cut some rows, given in ascending order, into blocks of at most so many, near ones together."""
    if len(rows) <= most:
        return [rows]
    sample = vectors[rows[:: -(-len(rows) // SAMPLE)]]
    axis = _principal(sample - sample.mean(axis=0))
    parts = [vectors[rows[low : low + TILE]] @ axis for low in range(0, len(rows), TILE)]
    order = np.argsort(np.concatenate(parts), kind="stable")
    halves = np.split(order, [len(rows) // 2])
    return [block for half in halves for block in divide(vectors, rows[np.sort(half)], most)]


def _principal(centred: Vectors) -> Vectors:
    """Find about the direction in which rows differ most, by power iteration from the row farthest out."""
    axis = centred[np.linalg.norm(centred, axis=1).argmax()]
    for _ in range(ITERATIONS):
        axis = centred.T @ (centred @ axis)
        axis = axis / np.linalg.norm(axis)
    result: Vectors = axis
    return result


def by_cover(
    space: Space, block: int, context: Context, covered: Vectors | None, wanted: Vectors | None, floor: float
) -> Ranking:
    """Order all rows by `datagen.stages.select.greedy.cover`; what is known by sets of equals."""
    return _in_blocks(space, block, context, partial(cover, floor=floor), covered, wanted)


def by_vote(space: Space, block: int, context: Context, neighbours: int, discount: float) -> Ranking:
    """Order all rows by `datagen.stages.select.greedy.vote`."""
    return _in_blocks(space, block, context, partial(vote, neighbours=neighbours, discount=discount))


def _in_blocks(
    space: Space, most: int, context: Context, choose: Callable[..., Ranking], *known: Vectors | None
) -> Ranking:
    """
    Order the rows of each block on a worker and merge the blocks by gain.

    The gains of a block never grow, and rows of different blocks do not touch each other's gains: the merged
    order is that of the greedy choice among all rows. Copies of a row gain nothing and come last.
    """
    vectors = space.vectors
    weights = np.bincount(space.equals).astype(np.float64)
    blocks = divide(vectors, space.first, most)
    sets = [np.searchsorted(space.first, rows) for rows in blocks]
    tasks = [
        (space.path, rows, [weights[mine], *(None if of is None else of[mine] for of in known)])
        for rows, mine in zip(blocks, sets, strict=True)
    ]
    orders, gains = zip(*context.each(partial(_choose, choose), tasks), strict=True)
    step = np.concatenate([np.arange(len(order)) for order in orders])
    order, gain = np.concatenate(orders), np.concatenate(gains)
    merged = np.lexsort((order, step, -gain))
    copies = np.setdiff1d(np.arange(len(space.equals)), space.first)
    return np.concatenate([order[merged], copies]), np.concatenate([gain[merged], np.zeros(len(copies))])


def _choose(choose: Callable[..., Ranking], task: tuple[Path, Numbers, Sequence[Any]]) -> Ranking:
    path, rows, known = task
    order, gains = choose(np.load(path, mmap_mode="r")[rows], *known)
    return rows[order], gains
