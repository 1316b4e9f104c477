"""
Give each row the examples that it is tried with, for `datagen.stages.select.delift.pairwise_utility`.

A utility is that of one row as an example for another, and all pairs of rows are their square. So a row is
tried with its nearest `neighbours`: that many other rows of this run, that many of earlier releases, that
many of what is wanted. What is not tried counts as of no use. ``stage.json`` says how many pairs there are,
of how many. No row is tried with itself: what its own answer helps says how hard it is, and would decide
alone beside a few others.

Rows of equal vectors are one example, that of the row drawn first; where an earlier release has it, it is an
example of the earlier release and none of this one. All rows are compared with all examples, on all workers:
the choice depends neither on the order of rows nor on partitions.
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
from datagen.stage import Context, Outcome, Partitions, WholeStage
from datagen.stages.confidence.score_columns import KINDS
from datagen.stages.select import references
from datagen.stages.select.delift import EARLIER, ROWS, WANTED
from datagen.stages.select.greedy import Floats, Numbers, Vectors
from datagen.stages.select.space import TILE, Reader, Space, embed_all, gather, of_kinds
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
SOME = 1024  # rows that are compared with others at once


class Options(datagen.stage.Options):
    """Which pairs are tried."""

    neighbours: int = Field(8, ge=1, description="Rows that a row is tried with")
    earlier: list[str] = Field(
        [], description="Run folders of earlier releases, whose rows are tried, too; relative to the recipe"
    )
    wanted: list[str] = Field(
        [],
        description="Examples of what is wanted, tried, too: .jsonl, .jsonl.gz, .parquet or .arrow files or "
        "folders of them, items with the fields question and answer; relative to the recipe",
    )
    embedding: str = Field(
        "",
        description="Model of the vectors: encoder, bundled or a folder; left out: none, shared words",
    )


@dataclass(frozen=True)
class Tried:
    """
    What the rows of a partition are tried with.

    Parameters
    ----------
    numbers
        Of each row the numbers of its examples; -1: none.
    starts
        Of each file of examples the number of its first one, and behind the last how many there are.
    """

    numbers: Numbers
    starts: Numbers


def run(partitions: Partitions, options: Options, context: Context) -> Iterator[Tried]:
    """Embed all rows and what they are tried with, and find the nearest."""
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
    draws = context.each(write, [(number, *one) for number, one in enumerate(readers)])
    starts = np.cumsum([0, *map(len, draws)])
    bounds = list(pairwise(starts[np.cumsum([0, *map(len, groups.values())])].tolist()))
    drawn = np.concatenate(draws)
    order = np.concatenate([low + np.argsort(drawn[low:high], kind="stable") for low, high in bounds])
    space = gather(vectors, order, context.scratch / "all.npy")
    found = find(space, dict(zip(groups, bounds, strict=True)), options.neighbours, context)
    numbers = np.empty_like(found)
    numbers[order[: len(found)]] = np.where(found < 0, -1, order[found])
    for low, high in pairwise(starts[: len(partitions) + 1].tolist()):
        yield Tried(numbers[low:high], starts)


def _write(folder: Path, seed: str, task: tuple[int, str, Reader]) -> Floats:
    """Write what the rows of a partition are as examples; draw a number for each."""
    number, name, reader = task
    rows = of_kinds(reader(["kind", *EXAMPLE.names]), KINDS)
    columns = {"of": pa.array([name] * len(rows), pa.string())}
    table = pa.table(columns | {one: rows[one] for one in EXAMPLE.names[1:]}, schema=EXAMPLE)
    with pa.ipc.new_file(folder / _file(number), EXAMPLE) as file:
        file.write(table.combine_chunks())
    return np.array([fraction("pair", seed, row) for row in rows["id"].to_pylist()], np.float64)


def _file(number: int) -> str:
    return f"examples-{number:05d}.arrow"


def find(space: Space, groups: dict[str, tuple[int, int]], neighbours: int, context: Context) -> Numbers:
    """
    Find what each row is tried with.

    Parameters
    ----------
    space
        The vectors of all groups, those of `ROWS` first.
    groups
        Name -> where its vectors begin and end.
    neighbours
        How many of each group.
    context
        The running stage.

    Returns
    -------
    Of each row of `ROWS` places in the space, of the nearest examples of each group; -1 where a group has no
    more.
    """
    paths = [context.scratch / f"{name}.npy" for name in groups]
    had = np.unique(space.equals[slice(*groups.get(EARLIER, (0, 0)))])
    for path, (name, (low, high)) in zip(paths, groups.items(), strict=True):
        sets, first = np.unique(space.equals[low:high], return_index=True)
        places = low + first
        np.save(path, np.sort(places[~np.isin(sets, had)] if name == ROWS else places))
    own = space.first[space.equals[slice(*groups[ROWS])]]  # the groups begin with the rows
    tasks = [(start, own[start : start + SOME]) for start in range(0, len(own), SOME)]
    found = context.each(partial(_find, space.path, paths, neighbours), tasks)
    return np.concatenate([np.empty((0, neighbours * len(paths)), np.int64), *found])


def _find(path: Path, groups: Sequence[Path], neighbours: int, task: tuple[int, Numbers]) -> Numbers:
    start, own = task
    vectors = np.load(path, mmap_mode="r")
    rows = vectors[start : start + len(own)]
    return np.hstack([nearest(rows, own, vectors, np.load(of), neighbours) for of in groups])


def nearest(rows: Vectors, own: Numbers, vectors: Vectors, among: Numbers, most: int) -> Numbers:
    """
    Find of some places those whose vectors are nearest to each of a few rows; of equally near ones the first.

    Parameters
    ----------
    rows, own
        Vectors of the rows, and the place of each that is left out.
    vectors, among
        Vectors of all, and the places among which is searched.
    most
        How many are found of each row.

    Returns
    -------
    Rows by `most`, the nearest first; -1 where there are no more.
    """
    best = np.full((len(rows), most), NONE)
    for low in range(0, len(among), TILE):
        places = among[low : low + TILE]
        # Products are multiples of 1 / STEPS**2. Each makes one number with its place, and no two are equal.
        alike = np.rint(rows @ vectors[places].T * np.float32(STEPS**2)).astype(np.int64)
        keys = alike * len(among) + (len(among) - 1 - low - np.arange(len(places)))
        keys[own[:, None] == places] = NONE
        best = np.partition(np.hstack([best, keys]), -most, axis=1)[:, -most:]
    best = np.sort(best, axis=1)[:, ::-1]
    found = among[len(among) - 1 - best % len(among)] if len(among) else best
    return np.where(best == NONE, -1, found)


def apply(rows: pa.Table, tried: Tried, options: Options, context: Context) -> Outcome:
    """Add what each row is tried with; every row stays."""
    there = tried.numbers >= 0
    numbers, place = np.unique(tried.numbers[there], return_inverse=True)
    examples = _read(context.scratch, numbers, tried.starts).take(pa.array(place))
    offsets = np.cumsum([0, *there.sum(axis=1)])
    column = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), examples)
    figures = {"pairs": len(examples), "all_pairs": len(rows) * int(tried.starts[-1])}
    return replace(Outcome.all_kept(rows.append_column("nearest", column)), figures=figures)


def _read(folder: Path, numbers: Numbers, starts: Numbers) -> pa.StructArray:
    """Read the examples of some numbers, which ascend; their files are mapped, not read."""
    tables = [EXAMPLE.empty_table()]
    of = np.searchsorted(starts, numbers, side="right") - 1
    for file in np.unique(of).tolist():
        with pa.memory_map(str(folder / _file(file))) as mapped:
            tables.append(
                pa.ipc.open_file(mapped).read_all().take(pa.array(numbers[of == file] - starts[file]))
            )
    return pa.concat_tables(tables).combine_chunks().to_struct_array().combine_chunks()


stage = WholeStage(
    name="delift_neighbours",
    summary="give each row the rows nearest to it, as examples to try",
    takes="examples",
    gives="examples",
    run=run,
    apply=apply,
    options=Options,
    kinds=KINDS,
)
