"""
Compute each row's probability of being right, and the threshold per kind that guarantees a precision.

Both are learned from labels: verdicts of people (`datagen label`), planted facts, gold answers. A third of
the labels trains the combination of scores (`datagen.stages.confidence.calibrate.combination`). The others
are a random sample; they determine the confidence above which the share of right rows is at least the
recipe's target (`datagen.stages.confidence.calibrate.promises`). Columns:

* ``confidence``: the probability, for every row of a kind or task that has a target and enough labels;
* ``threshold``: the least confidence that the promise for the row's kind or task covers. Null where the
  labels support no promise, and for rows added after the promise was made.

No row is dropped here. The promise covers the rows that this stage reads, so the stage belongs after all
stages that drop rows for other reasons. It also writes ``report.json`` (the curves of each score, the
promises, and, where one is missing, the number of rows to judge for it), ``sample.parquet`` (the judged
rows) and ``population.parquet`` (`datagen.stages.confidence.calibrate.population`). Without labels, rows
pass through unchanged and the report notes it.

Memory holds the labelled rows, one number per row, and one partition. Scores are read twice, by all
workers.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated

import numpy as np
import pyarrow as pa
from pydantic import Field, field_validator

import datagen.stage
from datagen.errors import UserError
from datagen.schema import KINDS, content_id
from datagen.stage import Columns, Context, Outcome, Partitions, Read, WholeStage, scores
from datagen.stages.confidence.calibrate import population, report
from datagen.stages.confidence.calibrate.combination import Combination, Way, combine
from datagen.stages.confidence.calibrate.counts import add_up, count
from datagen.stages.confidence.calibrate.curves import Floats
from datagen.stages.confidence.calibrate.group_data import GroupData, promise_for
from datagen.stages.confidence.calibrate.labelled import Labelled, gather, join, later_than, numbers
from datagen.stages.confidence.calibrate.lost import lost
from datagen.stages.confidence.calibrate.population import Population
from datagen.stages.confidence.calibrate.promises import FEWEST
from datagen.stages.confidence.labels import file
from datagen.stages.confidence.labels.draw import drawn, group_of
from datagen.stages.confidence.labels.edits import is_on_original
from datagen.store import digests

COLUMNS = ("confidence", "threshold")

Precision = Annotated[float, Field(ge=0.5, lt=1)]


class Options(datagen.stage.Options):
    """Label files, and the precision to promise."""

    labels: list[str] = Field(
        [], description="Label files, as written by `datagen label`; paths are relative to the recipe"
    )
    promise: dict[str, Precision] = Field(
        {"instruction": 0.9},
        description="Minimum share of right rows among the rows kept, by kind or kind/task",
    )
    sure: float = Field(
        0.9,
        ge=0.75,
        lt=1,
        description="Probability, over the random sample of labels, that each promise holds",
    )
    scores: list[str] = Field(
        [], description="Score columns that confidence combines; default: all numeric columns"
    )
    combine: Way = Field(
        "logistic", description="isotonic fits any monotone shape but needs a few hundred labels"
    )

    @field_validator("promise")
    @classmethod
    def _known_kinds(cls, promise: dict[str, float]) -> dict[str, float]:
        for name in promise:
            if name.partition("/")[0] not in KINDS:
                raise ValueError(f"{name!r} is not a kind: use one of {', '.join(KINDS)}, or kind/task")
        return promise


@dataclass(frozen=True)
class Group:
    """Combination (None: too few labels), threshold and promised rows of a kind or task."""

    fit: Combination | None = None
    threshold: float | None = None
    only: Population | None = None  # the rows that the promise covers; None: all


Groups = dict[str, Group]


def run(partitions: Partitions, options: Options, context: Context) -> Iterator[Groups]:
    """Learn from the judged rows, count all rows by confidence, and test what can be promised."""
    names, scores, seed = list(options.promise), _scores(partitions, options), str(context.seed)
    labels = file.labels_in([context.folder / path for path in options.labels])
    verdicts = file.verdicts_among(labels)
    before_edit = {key: label.get("scores", {}) for key, label in labels.items() if is_on_original(label)}
    earlier = population.before(context)
    before = [earlier.get(name) for name in names]
    find_judged = partial(
        gather,
        verdicts=verdicts,
        before_edit=before_edit,
        scores=scores,
        groups=names,
        seed=seed,
        before=before,
    )
    matched = join([Labelled.none(len(scores)), *context.each(find_judged, partitions.readers)])
    judged_labels = {key: labels[key] for key in verdicts}
    unmatched = lost(judged_labels, matched.key.tolist(), context)
    judged = [matched.of(number) for number in range(len(names))]
    fits = [_learn(rows.teaching, scores, options) for rows in judged]
    count_rows = partial(
        count,
        fits=list(zip(names, fits, strict=True)),
        deepest=[max(rows.checking.draw, default=0.0) for rows in judged],
        verdicts=verdicts,
        seed=seed,
        before=before,
    )
    counts = add_up(context.each(count_rows, partitions.readers), len(names))
    facts = zip(judged, fits, counts, before, strict=True)
    data = {name: GroupData(*fields) for name, fields in zip(names, facts, strict=True)}
    promises = {
        name: promise_for(group, unmatched.of(name), options.promise[name], options.sure, options.combine)
        for name, group in data.items()
    }
    report.write(data, promises, unmatched, len(verdicts), _unapplied(labels, context), context)
    groups = {
        name: Group(group.fit, promises[name].threshold, group.before if promises[name].release else None)
        for name, group in data.items()
    }
    yield from [groups] * len(partitions)


def _unapplied(labels: Mapping[str, file.Label], context: Context) -> int:
    """Count the edits among the labels if no stage applies them."""
    stages = context.recipe.get("stages", {})
    if "apply_edits" in [(section or {}).get("use", name) for name, section in stages.items()]:
        return 0
    return sum(bool(label.get("edit")) for label in labels.values())


def digest(options: Options, context: Context) -> str:
    """Hash the promises of earlier runs, on which this run depends."""
    paths = {promised.path for promised in population.before(context).values()}
    return content_id(*(digests.digest(path) for path in sorted(paths)))


def _learn(rows: Labelled, scores: Sequence[str], options: Options) -> Combination | None:
    if len(rows) < FEWEST or not scores:
        return None
    return combine(scores, rows.values, rows.right, options.combine)


def confidences(rows: pa.Table, groups: Groups) -> Floats:
    """Return each row's probability of being right; nan where its kind or task has too few labels."""
    group_numbers, probabilities = group_of(rows, list(groups)), np.full(len(rows), np.nan)
    for number, group in enumerate(groups.values()):
        if group.fit is not None:
            members = group_numbers == number
            probabilities[members] = group.fit(numbers(rows.filter(pa.array(members)), group.fit.scores))
    return probabilities


def thresholds(rows: pa.Table, groups: Groups, seed: str) -> Floats:
    """Return the least confidence that a promise covers, per row; nan where no promise covers the row."""
    group_numbers = group_of(rows, list(groups))
    by_group = np.array([*(group.threshold for group in groups.values()), None], np.float64)
    thresholds = by_group[group_numbers]  # -1, no group, selects the last
    only = [group.only for group in groups.values()]
    if any(only):
        later = later_than(only, group_numbers, drawn(rows["id"].to_pylist(), seed))
        restricted = [number for number, population in enumerate(only) if population]
        thresholds[later & np.isin(group_numbers, restricted)] = np.nan
    return thresholds


def _scores(partitions: Partitions, options: Options) -> list[str]:
    """List the score columns that confidence combines."""
    if not len(partitions):
        return []
    schema = next(iter(partitions)).schema
    if missing := [name for name in options.scores if name not in schema.names]:
        raise UserError(
            f"calibrate.scores: no column {missing[0]}; the numeric columns are "
            f"{', '.join(field.name for field in schema if pa.types.is_floating(field.type))}"
        )
    numeric = [field.name for field in schema if pa.types.is_floating(field.type)]
    return options.scores or [name for name in numeric if name not in COLUMNS]


def apply(rows: pa.Table, groups: Groups, options: Options, context: Context) -> Outcome:
    """Add both columns; no row is dropped."""
    columns = confidences(rows, groups), thresholds(rows, groups, str(context.seed))
    rows = rows.drop_columns([name for name in COLUMNS if name in rows.column_names])
    for name, values in zip(COLUMNS, columns, strict=True):
        rows = rows.append_column(name, pa.array(values, pa.float64(), from_pandas=True))
    return Outcome.all_kept(rows)


def columns(options: Options) -> Columns:
    """Return the combined scores, and the columns that are added."""
    return Columns([Read(name, ("scores",)) for name in options.scores], scores(*COLUMNS))


stage = WholeStage(
    name="calibrate",
    summary="learn each row's probability of being right from labels, and the thresholds that keep promises",
    takes="examples",
    gives="examples",
    run=run,
    apply=apply,
    columns=columns,
    options=Options,
    digest=digest,
)
