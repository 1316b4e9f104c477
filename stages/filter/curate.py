"""
Keep or drop each example by its columns. No model is called and no text is analysed.

The columns come from earlier stages: `datagen.stages.confidence.measure`, which needs no model, and the
scoring stages. So changing a threshold re-filters a run without a model call. A row is dropped for the first
of these that applies:

* its **flaw**, which no row of any source may have;
* a **limit**: a number below the minimum or above the maximum for its kind.

Any numeric column can have limits, by kind or by ``kind/task``; the narrower one takes precedence, and there
is no limit by default. A row without the number passes. Refusals, and preferences for them, have no
confidence limits: a refusal is unlikely text by construction, and the probe supports it.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, ValidationInfo, field_validator

import datagen.stage
from datagen.errors import UserError
from datagen.schema import KINDS
from datagen.stage import Columns, Context, Outcome, Partitions, Read, WholeStage
from datagen.stages.confidence.calibrate import promised
from datagen.stages.filter.limits import (
    LEARNT,
    SHARE,
    Limits,
    Resolved,
    Scores,
    members_of,
    numbers_of,
    violations,
)
from datagen.stages.shared.checks import text_statistics

EXEMPT = ("refusal", "preference")  # from all confidence limits
CONFIDENCE = (
    *("logprob", "p_true", "confidence", "grounding", "consistency", "reflection", "bsdetector", "meta_rank"),
    *("ifd", "ifd_ppl", "v_info"),
)
DEFAULTS: dict[str, dict[str, Limits]] = {
    "min": {
        "words": {"instruction/summary": 6, "instruction/definition": 3, "refusal": 3, "reading": 20},
        "script": {"instruction": 0.05, "refusal": 0.05, "preference": 0.05},
    },
    "max": {
        "words": {"instruction": 400, "refusal": 80, "preference": 200, "reading": 6000},
        "loop": {"instruction": 5, "refusal": 5, "preference": 5, "reading": 30},
    },
}
HELD_BACK = "held back"
# Drop reasons other than "COLUMN too low" and "COLUMN too high".
REASONS = {
    ("min", "words"): "too short",
    ("max", "words"): "too long",
    ("max", "loop"): "repetition loop",
    ("min", "script"): "another script",
}


class Options(datagen.stage.Options):
    """
    Column -> kind or kind/task -> limit.

    A limit is a number; a share of the rows of that kind (``50%`` as the minimum keeps the upper half, as the
    maximum the lower); or a column with the limit of each row, such as ``threshold`` of the stage calibrate.
    Columns named here replace their defaults; `{}` removes the limits of a column.
    """

    min: dict[str, Limits] = Field(
        DEFAULTS["min"],
        validate_default=True,
        description="Minimums, such as {p_true: {instruction: 0.5, instruction/summary: 50%}}",
    )
    max: dict[str, Limits] = Field(
        DEFAULTS["max"],
        validate_default=True,
        description="Maximums, such as {leakage: {instruction/extractive_question: 0.9}}",
    )

    unknown: Literal["hold_back", "stop"] = Field(
        "hold_back",
        description="What to do if the limit of a row is unknown: drop the row, or stop the run",
    )

    @field_validator("min", "max", mode="before")
    @classmethod
    def _with_defaults(cls, limits: object, info: ValidationInfo) -> object:
        return DEFAULTS[str(info.field_name)] | limits if isinstance(limits, dict) else limits

    @field_validator("min", "max")
    @classmethod
    def _known_kinds(cls, columns: dict[str, Limits]) -> dict[str, Limits]:
        for column, limits in columns.items():
            for name in limits:
                kind = name.partition("/")[0]
                if kind not in KINDS:
                    raise ValueError(f"{name!r} is not a kind: use one of {', '.join(KINDS)}, or kind/task")
                if kind in EXEMPT and column in CONFIDENCE:
                    raise ValueError(
                        f"{column} cannot limit {name}: even correct refusals are unlikely text. Remove "
                        "the key; the shares of the stage refuse control the number of refusals"
                    )
        return columns


def run(partitions: Partitions, options: Options, context: Context) -> Iterator[Resolved]:
    """
    Convert shares to numbers over all rows; all partitions have the same limits.

    Raises
    ------
    UserError
        When a limit is unknown and the recipe sets ``unknown: stop``.
    """
    resolved: Resolved = {
        side: {column: dict(limits) for column, limits in getattr(options, side).items() if limits}
        for side in DEFAULTS
    }
    shares = [
        (side, column, name, float(match[1]) / 100)
        for side, columns in resolved.items()
        for column, limits in columns.items()
        for name, limit in limits.items()
        if isinstance(limit, str) and (match := SHARE.fullmatch(limit))
    ]
    values: list[list[Scores]] = [[] for _ in shares]
    if shares:
        for table in partitions.columns(["kind", "task", *{column for _, column, _, _ in shares}]):
            for parts, (_, column, name, _) in zip(values, shares, strict=True):
                numbers = numbers_of(table, column)
                parts.append(numbers[members_of(table, name) & ~np.isnan(numbers)])
    for parts, (side, column, name, share) in zip(values, shares, strict=True):
        pool = np.concatenate([np.zeros(0), *parts])
        # The value of an actual row, which is kept.
        method: Literal["higher", "lower"] = "higher" if side == "min" else "lower"
        resolved[side][column][name] = float(np.quantile(pool, share, method=method)) if len(pool) else np.nan
    _report_unknown(partitions, resolved, options, context)
    yield from [resolved] * len(partitions)


def _report_unknown(partitions: Partitions, resolved: Resolved, options: Options, context: Context) -> None:
    """Report how many rows are held back because a limit is unknown, and what is missing for it."""
    named = {"kind", "task", "flaw", *(name for columns in resolved.values() for name in _columns(columns))}
    held: Counter[str] = Counter()
    if any(
        _may_be_unknown(column, limits) for columns in resolved.values() for column, limits in columns.items()
    ):
        for table in partitions.columns(sorted(named)):
            if "flaw" in table.column_names:
                broken = violations(table, resolved)
                held.update({column: len(places) for _, column, places, limits in broken if limits is None})
    advice = promised.missing(context)
    lines = [
        f"{rows:,} rows are held back: no limit of {column} is known for them"
        + (f" ({advice})" if column == "confidence" and advice else "")
        for column, rows in held.items()
        if rows
    ]
    if lines and options.unknown == "stop":
        raise UserError(
            f"{context.stage}: {'; '.join(lines)}. The recipe sets `unknown: stop`; without it, such rows "
            "are dropped and the run continues"
        )
    context.notice(lines)


def _may_be_unknown(column: str, limits: Limits) -> bool:
    return column == LEARNT or any(isinstance(limit, str) or np.isnan(limit) for limit in limits.values())


def _columns(limits: dict[str, Limits]) -> set[str]:
    """List the columns that have limits, and those that contain limits."""
    named = (limit for by_kind in limits.values() for limit in by_kind.values() if isinstance(limit, str))
    return {*limits, *named}


def apply(rows: pa.Table, resolved: Resolved, options: Options, context: Context) -> Outcome:
    """
    Drop each row for its flaw, or for the first limit that it breaks.

    Raises
    ------
    UserError
        When a compared column is missing.
    """
    if not len(rows):
        return Outcome.all_kept(rows)
    if "flaw" not in rows.column_names:
        raise UserError("curate needs the columns of the stage measure; put measure before it")
    reasons, details = (np.array(rows[name].to_pylist(), object) for name in ("flaw", "flaw_detail"))
    for side, column, places, limits in violations(rows, resolved):
        if limits is None:
            reasons[places], details[places] = HELD_BACK, f"no limit of {column} is known for this row"
        else:
            direction = "low" if side == "min" else "high"
            reasons[places] = REASONS.get((side, column), f"{column} too {direction}")
            details[places] = _details(rows, places, side, column, numbers_of(rows, column), limits)
    return Outcome.split(rows, pa.array(reasons, pa.string()), pa.array(details, pa.string()))


def _details(
    rows: pa.Table, places: npt.NDArray[np.int64], side: str, column: str, numbers: Scores, bounds: Scores
) -> list[str]:
    """Describe how each row breaks a limit."""
    values = numbers[places].tolist()
    pairs = list(zip(values, bounds[places].tolist(), strict=True))
    if column == "words":
        comparison = "fewer" if side == "min" else "more"
        return [f"{number:g} words, {comparison} than {limit:g}" for number, limit in pairs]
    if (side, column) == ("max", "loop"):
        broken = rows.select(["kind", "answer", "text"]).take(places)
        texts = pc.if_else(pc.equal(broken["kind"], "reading"), broken["text"], broken["answer"]).to_pylist()
        return [f"{number:g} words in: {text[-160:]}" for number, text in zip(values, texts, strict=True)]
    if (side, column) == ("min", "script"):
        scripts = text_statistics.script_counts(rows["answer"].take(places)).argmax(axis=1).tolist()
        return [
            f"{text_statistics.SCRIPTS[script]}: {share:.0%} of the passage or question"
            for script, share in zip(scripts, values, strict=True)
        ]
    comparison = "under" if side == "min" else "over"
    return [f"{number:.2f} {comparison} {limit:g}" for number, limit in pairs]


def columns(options: Options) -> Columns:
    """Return the columns that are limited, and those that contain limits."""
    limits = [
        Read(limit, (side, column, name))
        for side in DEFAULTS
        for column, by_kind in getattr(options, side).items()
        for name, limit in by_kind.items()
        if isinstance(limit, str) and not SHARE.fullmatch(limit)
    ]
    limited = [
        Read(column, (side, column))
        for side in DEFAULTS
        for column, by_kind in getattr(options, side).items()
        if by_kind
    ]
    return Columns([Read("flaw", number=False), *limited, *limits])


stage = WholeStage(
    name="curate",
    summary="drop examples that have a flaw or break a limit",
    takes="examples",
    gives="examples",
    run=run,
    apply=apply,
    columns=columns,
    options=Options,
)
