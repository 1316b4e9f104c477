"""
Find the examples to try with each row, for `datagen.stages.select.delift.pairwise_utility`.

A utility is that of one row as an example for another, so the number of pairs is quadratic. A row is
therefore tried only with its nearest `neighbours`: that many other rows of this run, that many of earlier
releases, and that many wanted examples. Other pairs count as useless. ``stage.json`` reports the number of
tried pairs and of all pairs. No row is tried with itself: the effect of its own answer measures its
difficulty, and would outweigh a few other examples.

Rows with equal vectors are one example, the row drawn first; if an earlier release has it, it is an example
of that release only. All rows are compared with all examples, on all workers: the choice depends neither on
the order of rows nor on partitions.
"""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
from pydantic import Field

import datagen.stage
from datagen.schema import MESSAGES, fraction
from datagen.stage import Columns, Context, Outcome, Partitions, WholeStage
from datagen.stages.confidence.score_columns import KINDS
from datagen.stages.select import references
from datagen.stages.select.delift import EARLIER, ROWS, WANTED
from datagen.stages.select.greedy import Floats, Numbers, Vectors
from datagen.stages.select.space import TILE, Space, embed_all, gather, of_kinds
from datagen.stages.shared.similarity.sketch import Reader
from datagen.stages.shared.similarity.vectors import STEPS

EXAMPLE = pa.schema(
    [
        ("of", pa.string()),  # rows, earlier or wanted
        ("id", pa.string()),
        ("prompt", MESSAGES),
        ("answer", pa.string()),
    ]
)
NEAREST = pa.list_(pa.struct(list(EXAMPLE)))
NONE = np.iinfo(np.int64).min
BATCH = 1024  # rows per comparison task


class Options(datagen.stage.Options):
    """The examples to try with each row."""

    neighbours: int = Field(8, ge=1, description="Examples to try with each row, per source of examples")
    earlier: list[str] = Field(
        [], description="Run folders of earlier releases whose rows are also tried; relative to the recipe"
    )
    wanted: list[str] = Field(
        [],
        description="Wanted examples, also tried: .jsonl, .jsonl.gz, .parquet or .arrow files or folders of "
        "them, items with the fields question and answer; relative to the recipe",
    )
    embedding: str = Field(
        "",
        description="Embedding model: encoder, bundled or a folder; default: none, shared words",
    )


@dataclass(frozen=True)
class Tried:
    """
    The examples to try with the rows of a partition.

    Parameters
    ----------
    numbers
        Per row, the numbers of its examples; -1: none.
    starts
        Per file of examples, the number of its first one; finally, the number of all examples.
    """

    numbers: Numbers
    starts: Numbers


def run(partitions: Partitions, options: Options, context: Context) -> Iterator[Tried]:
    """Embed all rows and examples, and find the nearest examples of each row."""
    if not len(partitions):
        return
    shutil.rmtree(context.scratch, ignore_errors=True)
    context.scratch.mkdir(parents=True)
    groups: dict[str, Sequence[Reader]] = {ROWS: partitions.readers}
    if options.earlier:
        groups[EARLIER] = references.earlier(options.earlier, context)
    if options.wanted:
        groups[WANTED] = references.wanted_pairs(options.wanted, context)
    files = embed_all(groups, KINDS, options.embedding, context)
    vectors = [path for name in groups for kind in KINDS for path in files[name][kind]]
    readers = [(name, reader) for name, group in groups.items() for reader in group]
    write = partial(_write, context.scratch, str(context.seed))
    draws = context.each(write, [(number, *reader) for number, reader in enumerate(readers)])
    starts = np.cumsum([0, *map(len, draws)])
    bounds = list(pairwise(starts[np.cumsum([0, *map(len, groups.values())])].tolist()))
    drawn = np.concatenate(draws)
    order = np.concatenate([low + np.argsort(drawn[low:high], kind="stable") for low, high in bounds])
    space = gather(vectors, order, context.scratch / "all.npy")
    neighbours = find(space, dict(zip(groups, bounds, strict=True)), options.neighbours, context)
    numbers = np.empty_like(neighbours)
    numbers[order[: len(neighbours)]] = np.where(neighbours < 0, -1, order[neighbours])
    for low, high in pairwise(starts[: len(partitions) + 1].tolist()):
        yield Tried(numbers[low:high], starts)


def _write(folder: Path, seed: str, task: tuple[int, str, Reader]) -> Floats:
    """Write the rows of a partition as examples; draw a number for each."""
    number, name, reader = task
    rows = of_kinds(reader(["kind", *EXAMPLE.names]), KINDS)
    columns = {"of": pa.array([name] * len(rows), pa.string())}
    table = pa.table(columns | {column: rows[column] for column in EXAMPLE.names[1:]}, schema=EXAMPLE)
    with pa.ipc.new_file(folder / _file(number), EXAMPLE) as file:
        file.write(table.combine_chunks())
    return np.array([fraction("pair", seed, row) for row in rows["id"].to_pylist()], np.float64)


def _file(number: int) -> str:
    return f"examples-{number:05d}.arrow"


def find(space: Space, groups: dict[str, tuple[int, int]], neighbours: int, context: Context) -> Numbers:
    """
    Find the examples to try with each row.

    Parameters
    ----------
    space
        The vectors of all groups, those of `ROWS` first.
    groups
        Name -> start and end of its vectors.
    neighbours
        Examples from each group.
    context
        The running stage.

    Returns
    -------
    For each row of `ROWS`, the places in the space of the nearest examples of each group; -1 where a group
    has no more.
    """
    paths = [context.scratch / f"{name}.npy" for name in groups]
    in_earlier = np.unique(space.equals[slice(*groups.get(EARLIER, (0, 0)))])
    for path, (name, (low, high)) in zip(paths, groups.items(), strict=True):
        sets, first = np.unique(space.equals[low:high], return_index=True)
        places = low + first
        np.save(path, np.sort(places[~np.isin(sets, in_earlier)] if name == ROWS else places))
    own = space.first[space.equals[slice(*groups[ROWS])]]  # the groups begin with the rows
    tasks = [(start, own[start : start + BATCH]) for start in range(0, len(own), BATCH)]
    batches = context.each(partial(_find, space.path, paths, neighbours), tasks)
    return np.concatenate([np.empty((0, neighbours * len(paths)), np.int64), *batches])


def _find(path: Path, groups: Sequence[Path], neighbours: int, task: tuple[int, Numbers]) -> Numbers:
    start, own = task
    vectors = np.load(path, mmap_mode="r")
    rows = vectors[start : start + len(own)]
    return np.hstack([nearest(rows, own, vectors, np.load(group), neighbours) for group in groups])


def nearest(rows: Vectors, own: Numbers, vectors: Vectors, among: Numbers, count: int) -> Numbers:
    """
    Find the places whose vectors are nearest to each row; of equally near ones the first.

    Parameters
    ----------
    rows, own
        Vectors of the rows, and for each the place to exclude.
    vectors, among
        All vectors, and the places to search.
    count
        Places per row.

    Returns
    -------
    Rows by `count`, the nearest first; -1 where there are no more.
    """
    best = np.full((len(rows), count), NONE)
    for low in range(0, len(among), TILE):
        places = among[low : low + TILE]
        # Products are multiples of 1 / STEPS**2. Combined with the place, each key is unique.
        products = np.rint(rows @ vectors[places].T * np.float32(STEPS**2)).astype(np.int64)
        keys = products * len(among) + (len(among) - 1 - low - np.arange(len(places)))
        keys[own[:, None] == places] = NONE
        best = np.partition(np.hstack([best, keys]), -count, axis=1)[:, -count:]
    best = np.sort(best, axis=1)[:, ::-1]
    nearest_places = among[len(among) - 1 - best % len(among)] if len(among) else best
    return np.where(best == NONE, -1, nearest_places)


def apply(rows: pa.Table, tried: Tried, options: Options, context: Context) -> Outcome:
    """Add the examples of each row as the column ``nearest``; no row is dropped."""
    valid = tried.numbers >= 0
    numbers, place = np.unique(tried.numbers[valid], return_inverse=True)
    examples = _read(context.scratch, numbers, tried.starts).take(pa.array(place))
    offsets = np.cumsum([0, *valid.sum(axis=1)])
    column = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), examples)
    figures = {"pairs": len(examples), "all_pairs": len(rows) * int(tried.starts[-1])}
    return replace(Outcome.all_kept(rows.append_column("nearest", column)), figures=figures)


def _read(folder: Path, numbers: Numbers, starts: Numbers) -> pa.StructArray:
    """Read the examples with these numbers, in ascending order, from memory-mapped files."""
    tables = [EXAMPLE.empty_table()]
    file_of = np.searchsorted(starts, numbers, side="right") - 1
    for file in np.unique(file_of).tolist():
        with pa.memory_map(str(folder / _file(file))) as mapped:
            tables.append(
                pa.ipc.open_file(mapped).read_all().take(pa.array(numbers[file_of == file] - starts[file]))
            )
    return pa.concat_tables(tables).combine_chunks().to_struct_array().combine_chunks()


def columns(options: Options) -> Columns:
    """Return the examples to try."""
    return Columns(makes=pa.schema([("nearest", NEAREST)]))


stage = WholeStage(
    name="delift_neighbours",
    summary="find the nearest rows of each row, as examples to try",
    takes="examples",
    gives="examples",
    run=run,
    apply=apply,
    columns=columns,
    options=Options,
    kinds=KINDS,
)
