"""
Give each row the probability that it is right, and each kind the threshold that keeps what was promised.

Both come from labels: verdicts of people (`datagen label`), planted truths, gold answers. A third of them
teach how the scores combine (`datagen.stages.confidence.calibrate.combination`); the others, drawn at random,
say above which confidence the share of right rows is at least the recipe's target
(`datagen.stages.confidence.calibrate.promises`). Columns:

* ``confidence``: the probability, for every row of a kind or task that has a target and enough labels;
* ``threshold``: the confidence from which rows of this one's kind or task are under the promise. Null
  where the labels cannot carry one, and in rows that came after those that a promise is about.

Nothing is dropped here. The promise is about the rows that this stage sees: it stands behind all stages
that drop rows for another reason. Beside the table stand ``report.json``, with the curves of each score,
what is promised, and where nothing is, how many rows must be judged for it; ``sample.parquet``, the judged
rows; and ``population.parquet`` (`datagen.stages.confidence.calibrate.population`). Without labels the rows
pass through and the report says so.

Labelled rows, and a number for each row, are all that memory holds besides a partition; scores are read
twice, and all workers do it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
from pydantic import Field, field_validator

import datagen.stage
from datagen.errors import UserError
from datagen.schema import KINDS, content_id
from datagen.stage import Context, Outcome, Partitions, WholeStage
from datagen.stages.confidence.calibrate import population, report
from datagen.stages.confidence.calibrate.combination import Combination, Way, combine
from datagen.stages.confidence.calibrate.counts import Rows, add_up, count
from datagen.stages.confidence.calibrate.curves import Floats
from datagen.stages.confidence.calibrate.known import Known, promise_for
from datagen.stages.confidence.calibrate.labelled import Labelled, Reader, gather, join, later_than, numbers
from datagen.stages.confidence.calibrate.lost import lost
from datagen.stages.confidence.calibrate.population import Population
from datagen.stages.confidence.calibrate.promises import FEWEST
from datagen.stages.confidence.labels import file
from datagen.stages.confidence.labels.draw import drawn, group_of
from datagen.store import digests

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
    """What was learnt of a kind or task, None from too few labels; what is promised, and of which rows."""

    fit: Combination | None = None
    threshold: float | None = None
    only: Population | None = None  # the rows that the promise is about; None: all


Groups = dict[str, Group]


def run(partitions: Partitions, options: Options, context: Context) -> Iterator[Groups]:
    """Learn from the judged rows, count all rows by their confidence, and see what can be promised."""
    names, scores, seed = list(options.promise), _scores(partitions, options), str(context.seed)
    labels = file.labels_in([context.folder / path for path in options.labels])
    verdicts = {key: label["verdict"] for key, label in labels.items()}
    earlier = population.before(context)
    before = [earlier.get(name) for name in names]
    seen = partial(gather, verdicts=verdicts, scores=scores, groups=names, seed=seed, before=before)
    found = join([Labelled.none(len(scores)), *context.each(seen, partitions.readers)])
    gone = lost(labels, found.key.tolist(), context)
    judged = [found.of(number) for number in range(len(names))]
    fits = [_learn(rows.teaching, scores, options) for rows in judged]
    deepest = [max(rows.checking.draw, default=0.0) for rows in judged]
    given = (list(zip(names, fits, strict=True)), deepest, verdicts, seed, before)
    rows = add_up(context.each(partial(_count, given=given), partitions.readers), len(names))
    facts = zip(judged, fits, rows, before, strict=True)
    known = {name: Known(*each) for name, each in zip(names, facts, strict=True)}
    promises = {
        name: promise_for(one, gone.of(name), options.promise[name], options.sure, options.combine)
        for name, one in known.items()
    }
    report.write(known, promises, gone, len(labels), context)
    groups = {
        name: Group(one.fit, promises[name].threshold, one.before if promises[name].release else None)
        for name, one in known.items()
    }
    yield from [groups] * len(partitions)


def digest(options: Options, context: Context) -> str:
    """Hash what earlier runs promised, which this one goes by."""
    paths = {known.path for known in population.before(context).values()}
    return content_id(*(digests.digest(path) for path in sorted(paths)))


def _count(reader: Reader, given: tuple[Any, ...]) -> list[Rows]:
    return count(reader, *given)


def _learn(rows: Labelled, scores: Sequence[str], options: Options) -> Combination | None:
    if len(rows) < FEWEST or not scores:
        return None
    return combine(scores, rows.values, rows.right, options.combine)


def confidences(rows: pa.Table, groups: Groups) -> Floats:
    """Give each row's probability of being right; nan where nothing was learnt of its kind or task."""
    group, given = group_of(rows, list(groups)), np.full(len(rows), np.nan)
    for number, one in enumerate(groups.values()):
        if one.fit is not None:
            mine = group == number
            given[mine] = one.fit(numbers(rows.filter(pa.array(mine)), one.fit.scores))
    return given


def thresholds(rows: pa.Table, groups: Groups, seed: str) -> Floats:
    """Give each row the confidence from which it is under a promise; nan where there is none about it."""
    group = group_of(rows, list(groups))
    given = np.array([*(one.threshold for one in groups.values()), None], np.float64)[
        group
    ]  # the last: of none
    only = [one.only for one in groups.values()]
    if any(only):
        later = later_than(only, group, drawn(rows["id"].to_pylist(), seed))
        given[later & np.isin(group, [number for number, one in enumerate(only) if one])] = np.nan
    return given


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
    given = confidences(rows, groups), thresholds(rows, groups, str(context.seed))
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
    digest=digest,
)
