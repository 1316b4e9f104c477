"""
Give each row the probability that it is right, and each kind the threshold that keeps what was promised.

Both come from labels: verdicts of people (`datagen label`), planted truths, gold answers. A third of them
teach how the scores combine (`datagen.stages.confidence.calibrate.combination`); the others, drawn at random,
say above which confidence the share of right rows is at least the recipe's target
(`datagen.stages.confidence.calibrate.promises`). Columns:

* ``confidence``: the probability, for every row of a kind or task that has a target and enough labels;
* ``threshold``: the confidence from which rows of this one's kind or task are under the promise. Null
  where the labels cannot carry one.

Nothing is dropped here. ``report.json`` beside the table has the curves of each score, what is promised,
and where nothing is, how many rows must be judged for it. Without labels the rows pass through and it says
so.

Labelled rows are all that memory holds besides a partition; scores are read twice, and all workers do it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated

import numpy as np
import pyarrow as pa
from pydantic import Field, field_validator

import datagen.stage
from datagen.errors import UserError
from datagen.schema import KINDS
from datagen.stage import Context, Outcome, Partitions, WholeStage
from datagen.stages.confidence.calibrate import report
from datagen.stages.confidence.calibrate.combination import Combination, Way, combine, held_out
from datagen.stages.confidence.calibrate.curves import Floats
from datagen.stages.confidence.calibrate.labelled import Labelled, Reader, gather, join, numbers
from datagen.stages.confidence.calibrate.promises import (
    BINS,
    FEWEST,
    Counted,
    Promise,
    bin_of,
    promise,
    steps,
)
from datagen.stages.confidence.labels import file
from datagen.stages.confidence.labels.draw import group_of
from datagen.store.parquet import write_json

COLUMNS = ("confidence", "threshold")

Precision = Annotated[float, Field(ge=0.5, lt=1)]


class Options(datagen.stage.Options):
    """What was judged, and what is to be promised."""

    labels: list[str] = Field(
        [], description="Files of labels, as `datagen label` writes them; relative to the recipe"
    )
    promise: dict[str, Precision] = Field(
        {"instruction": 0.9},
        description="Least share of right rows among those kept, by kind or kind/task",
    )
    sure: float = Field(
        0.9,
        ge=0.75,
        lt=1,
        description="Probability, over the draw of the labels, with which each promise is kept",
    )
    scores: list[str] = Field(
        [], description="Columns that confidence is made of; left out: all columns of numbers"
    )
    combine: Way = Field("logistic", description="isotonic bends to any shape and needs some hundred labels")

    @field_validator("promise")
    @classmethod
    def _known_kinds(cls, promise: dict[str, float]) -> dict[str, float]:
        for name in promise:
            if name.partition("/")[0] not in KINDS:
                raise ValueError(f"{name!r} is no kind: write one of {', '.join(KINDS)}, or kind/task")
        return promise


@dataclass(frozen=True)
class Group:
    """What the labels taught of a kind or task; None where there were too few, and without a promise."""

    fit: Combination | None = None
    threshold: float | None = None


Groups = dict[str, Group]


def run(partitions: Partitions, options: Options, context: Context) -> Iterator[Groups]:
    """Learn from the judged rows, count all rows by their confidence, and see what can be promised."""
    names, scores = list(options.promise), _scores(partitions, options)
    seen = partial(
        gather,
        verdicts=file.verdicts_in([context.folder / path for path in options.labels]),
        scores=scores,
        groups=names,
        seed=str(context.seed),
    )
    found = join([Labelled.none(len(names), len(scores)), *context.each(seen, partitions.readers)])
    judged = {name: found.of(number) for number, name in enumerate(names)}
    groups = {name: Group(_learn(rows.teaching, scores, options)) for name, rows in judged.items()}
    none = np.zeros((len(names), BINS), np.int64)
    counts = sum(context.each(partial(count, groups=groups), partitions.readers), start=none)
    promises = {
        name: _promise(judged[name], group.fit, counts[number], options.promise[name], options)
        for number, (name, group) in enumerate(groups.items())
    }
    described = {name: report.describe(judged[name], groups[name].fit, promises[name]) for name in names}
    write_json(described, context.output / "report.json")
    groups = {name: replace(group, threshold=promises[name].threshold) for name, group in groups.items()}
    yield from [groups] * len(partitions)


def _learn(rows: Labelled, scores: Sequence[str], options: Options) -> Combination | None:
    if len(rows) < FEWEST or not scores:
        return None
    return combine(scores, rows.values, rows.right, options.combine)


def _promise(
    rows: Labelled, fit: Combination | None, counts: Counted, target: float, options: Options
) -> Promise:
    teaching, checking = rows.teaching, rows.checking
    if fit is None:
        return Promise.impossible(target, options.sure, len(checking))
    learnt = held_out(teaching.values, teaching.right, options.combine), teaching.right
    judged = fit(checking.values), checking.right
    return promise(target, options.sure, *steps(counts), learnt, judged)


def confidences(rows: pa.Table, groups: Groups) -> Floats:
    """Give each row's probability of being right; nan where nothing was learnt of its kind or task."""
    group, given = group_of(rows, list(groups)), np.full(len(rows), np.nan)
    for number, one in enumerate(groups.values()):
        if one.fit is not None:
            mine = group == number
            given[mine] = one.fit(numbers(rows.filter(pa.array(mine)), one.fit.scores))
    return given


def count(reader: Reader, groups: Groups) -> Counted:
    """Count the rows of a partition: groups by bins of confidence."""
    scores = {name for group in groups.values() if group.fit for name in group.fit.scores}
    rows = reader(["id", "kind", "task", *scores])
    confidence, group = confidences(rows, groups), group_of(rows, list(groups))
    mine = ~np.isnan(confidence)
    counts = np.bincount(group[mine] * BINS + bin_of(confidence[mine]), minlength=len(groups) * BINS)
    return counts.reshape(len(groups), BINS)


def _scores(partitions: Partitions, options: Options) -> list[str]:
    """The columns that confidence is made of."""
    if not len(partitions):
        return []
    schema = next(iter(partitions)).schema
    if missing := [name for name in options.scores if name not in schema.names]:
        raise UserError(
            f"calibrate.scores: there is no column {missing[0]}; there are "
            f"{', '.join(part.name for part in schema if pa.types.is_floating(part.type))}"
        )
    every = [part.name for part in schema if pa.types.is_floating(part.type) and part.name not in COLUMNS]
    return options.scores or every


def apply(rows: pa.Table, groups: Groups, options: Options, context: Context) -> Outcome:
    """Add both columns; every row stays."""
    thresholds = np.array([*(group.threshold for group in groups.values()), None], np.float64)
    given = (confidences(rows, groups), thresholds[group_of(rows, list(groups))])  # the last: of no group
    rows = rows.drop_columns([name for name in COLUMNS if name in rows.column_names])
    for name, values in zip(COLUMNS, given, strict=True):
        rows = rows.append_column(name, pa.array(values, pa.float64(), from_pandas=True))
    return Outcome.all_kept(rows)


stage = WholeStage(
    name="calibrate",
    summary="learn from labels how sure to be of each row, and above what precision is promised",
    takes="examples",
    gives="examples",
    run=run,
    apply=apply,
    options=Options,
)
