"""
The tasks of a worker on one partition: read it, run the stage, check the account, write the result.

The functions here are the tasks of the Dask graph. They take paths, never rows, and return small reports; a
task that runs twice writes the same files again.
"""

import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
from typing_extensions import TypeVar

from datagen.cluster.workers import WorkerPool
from datagen.errors import UserError
from datagen.recipe.roles import Model
from datagen.recipe.sections import Budget
from datagen.request import Usage
from datagen.run.account import AccountError, PartReport, by_product, check_made, check_refined
from datagen.run.units import Unit
from datagen.schema import TABLES
from datagen.stage import (
    Context,
    MapStage,
    ModelStage,
    Options,
    Outcome,
    Partitions,
    SourceStage,
    Stage,
    WholeStage,
)
from datagen.store.parquet import UNFINISHED, part_name, read_part, write_table

T = TypeVar("T")
R = TypeVar("R")
StageT = TypeVar("StageT", bound=Stage, default=Stage, covariant=True)


@dataclass(frozen=True)
class Job(Generic[StageT]):
    """
    A running stage: its name, its functions, its options, and the folder it writes to.

    `spent` is the run's known spending when the work is submitted, `budget` its limit. Workers report what
    they spend under `topic`, which is shared by the stages that run at the same time and unique to the
    attempt. A model stage sends its requests to `model`.
    """

    name: str
    stage: StageT
    options: Options
    context: Context
    folder: Path
    topic: str = ""
    spent: Usage = field(default_factory=Usage)
    budget: Budget = field(default_factory=Budget)
    model: Model | None = None
    retry_errors: bool = False  # retry all rejected requests


WholeJob: TypeAlias = Job[WholeStage[Options, Any]]  # the type of its verdicts depends on the stage


def read_source(job: Job[SourceStage[Options, object]], source: object, number: int) -> PartReport:
    """Run one task of a source stage; it may write several partitions."""
    total = PartReport()
    for index, outcome in enumerate(job.stage.read(source, job.options, job.context)):
        read = len(outcome.kept) + len(outcome.dropped)
        total += _write(job, outcome, part_name(number, index), rows_in=read)
    return total


def apply_map(job: Job[MapStage], unit: Unit, number: int) -> PartReport:
    """Run a map stage on one unit of partitions."""
    rows, others = rows_of(job, unit)
    outcome = job.stage.apply(rows, job.options, job.context)
    return finish(job, rows, others, outcome, part_name(number))


def run_whole(job: WholeJob, units: Sequence[Unit]) -> PartReport:
    """Run a stage that sees all partitions."""
    stage = job.stage
    context, partitions = _whole(job, units)
    results = _one_each(job, stage.run(partitions, job.options, context), len(units))
    tasks = ((number, unit, result) for number, (result, unit) in enumerate(zip(results, units, strict=True)))
    if stage.apply is None:
        reports = [
            finish(job, *rows_of(job, unit), outcome, part_name(number)) for number, unit, outcome in tasks
        ]
    else:
        reports = context.each(partial(_apply_whole, replace(job, context=context)), list(tasks))
    shutil.rmtree(context.scratch, ignore_errors=True)
    return sum(reports, start=PartReport())


def prepare(job: Job[ModelStage], units: Sequence[Unit]) -> Options:
    """Show a model stage all partitions; return its final options."""
    context, partitions = _whole(job, units)
    assert job.stage.prepare is not None  # a stage without it needs no preparation
    options = job.stage.prepare(partitions, job.options, context)
    shutil.rmtree(context.scratch, ignore_errors=True)
    return options


def _whole(job: Job, units: Sequence[Unit]) -> tuple[Context, Partitions]:
    """Return all partitions, and a context in which `each` uses all workers."""
    context = replace(job.context, output=job.folder, each=_on_all_workers)
    return context, Partitions([partial(_columns, job, unit) for unit in units])


def _one_each(job: Job, results: Iterable[T], count: int) -> Iterator[T]:
    """Pass on a stage's results, and check that there is one per partition."""
    number = 0
    for number, result in enumerate(results, 1):
        if number > count:
            raise AccountError(f"{job.name} returned more outcomes than the {count} partitions that it took")
        yield result
    if number < count:
        raise AccountError(f"{job.name} returned {number} outcomes for {count} partitions")


def _apply_whole(job: WholeJob, task: tuple[int, Unit, object]) -> PartReport:
    assert job.stage.apply is not None
    number, unit, result = task
    rows, others = rows_of(job, unit)
    outcome = job.stage.apply(rows, result, job.options, job.context)
    return finish(job, rows, others, outcome, part_name(number))


def _columns(job: Job, unit: Unit, names: Sequence[str] | None) -> pa.Table:
    """Read columns of the rows of the stage's kinds; all columns for None."""
    if names is None:
        return rows_of(job, unit)[0]
    rows = _read(unit, list(dict.fromkeys([*names, "kind"])))
    return _of_kinds(rows, job.stage.kinds)[0].select([name for name in names if name in rows.column_names])


def _on_all_workers(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """
    Call a function for each item from within a task, on all workers for CPU stages.

    The task leaves its worker's threads to the calls, and does not wait for a free one afterwards: the worker
    of an engine may have none for as long as its model generates.
    """
    from distributed import get_client, secede

    with suppress(KeyError):  # it has left them before
        secede()
    return WorkerPool(get_client()).each(function, items)


def rows_of(job: Job, unit: Unit) -> tuple[pa.Table, pa.Table]:
    """Read the rows of the stage's kinds, and the other rows, which bypass it."""
    return _of_kinds(_read(unit), job.stage.kinds)


def _read(unit: Unit, columns: Sequence[str] | None = None) -> pa.Table:
    """Read partitions; columns that only some of them have are null in the others."""
    tables = [_read_part(path, columns) for path in unit]
    return pa.concat_tables(tables, promote_options="permissive") if len(tables) > 1 else tables[0]


def _read_part(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a partition from its table; while the table's stage is running, from the unfinished folder."""
    early = path.parent.with_name(UNFINISHED + path.parent.name) / path.name
    if not path.exists() and early.exists():
        with suppress(UserError):  # the stage was completed, and its folder renamed, in the meantime
            return read_part(early, columns)
    return read_part(path, columns)


def _of_kinds(rows: pa.Table, kinds: Sequence[str]) -> tuple[pa.Table, pa.Table]:
    if not kinds:
        return rows, rows.slice(0, 0)
    mine = pc.is_in(rows["kind"], value_set=pa.array(kinds, pa.string()))
    return rows.filter(mine), rows.filter(pc.invert(mine))


def finish(job: Job, rows: pa.Table, others: pa.Table, outcome: Outcome, name: str) -> PartReport:
    """Check the account of a partition, add the rows that bypass a refining stage, and write."""
    stage = job.stage
    if stage.takes == stage.gives:
        check_refined(job.name, rows, outcome)
        kept = pa.concat_tables([outcome.kept, others], promote_options="default")
        outcome = replace(outcome, kept=kept)
    else:
        check_made(job.name, rows, outcome)
        others = others.slice(0, 0)
    report = _write(job, outcome, name, rows_in=len(rows))
    report.rows_out -= len(others)
    report.passed_by = len(others)
    return report


def _write(job: Job, outcome: Outcome, name: str, rows_in: int) -> PartReport:
    stage = pa.array([job.name] * len(outcome.dropped), pa.string())
    dropped = outcome.dropped
    dropped = dropped.append_column("stage", stage) if "stage" not in dropped.column_names else dropped
    write_table(outcome.kept, job.folder / name)
    write_table(dropped, job.folder / "dropped" / name)
    report = PartReport(
        rows_in=rows_in,
        rows_out=len(outcome.kept),
        dropped=Counter(dropped["reason"].to_pylist()),
        figures=Counter(outcome.figures),
    )
    if job.stage.gives == "examples":
        if job.stage.takes == "examples":
            report.lost = by_product(dropped)
        else:
            report.made = by_product(outcome.kept)
    return report


def empty_part(job: Job) -> None:
    """Write a partition without rows, so that every table has a schema."""
    schema = TABLES[job.stage.gives]
    dropped = pa.schema([*schema, ("reason", pa.string()), ("detail", pa.string())])
    _write(job, Outcome(schema.empty_table(), dropped.empty_table()), part_name(0), rows_in=0)
