"""
Keep or drop each example by its columns; no model is asked and no text is judged.

What is compared was measured before: by `datagen.stages.confidence.measure` without a model, by the stages
that score with one. So new thresholds re-decide a run without one model call. A row is dropped for the first
that holds of it:

* its **flaw**: what no row may be, whoever made it;
* a **limit**: a number under the least or over the most that its kind allows.

Any column of numbers can have limits, named by kind or by ``kind/task``; the narrower one wins, and without
one there is no limit. A row without the number passes. Refusals, and preferences for them, have no limits
of confidence at all: a refusal is unlikely text by construction, and its evidence is the probe.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import AfterValidator, Field, ValidationInfo, field_validator

import datagen.stage
from datagen.errors import UserError
from datagen.schema import KINDS
from datagen.stage import Context, Outcome, Partitions, WholeStage
from datagen.stages.confidence.calibrate import promised
from datagen.stages.shared.checks import text_statistics

EXEMPT = ("refusal", "preference")  # from every limit of confidence
CONFIDENCE = (
    *("logprob", "p_true", "confidence", "grounding", "consistency", "reflection", "bsdetector", "meta_rank"),
    *("ifd", "ifd_ppl", "v_info"),
)

SHARE = re.compile(r"(\d+(?:\.\d+)?)%")


def _share_or_column(limit: str) -> str:
    if not (SHARE.fullmatch(limit) or limit.isidentifier()):
        raise ValueError("write a number, a share of the rows such as 50%, or the name of a column")
    return limit


Limit: TypeAlias = float | Annotated[str, AfterValidator(_share_or_column)]
Limits: TypeAlias = dict[str, Limit]  # by kind or kind/task
Scores = npt.NDArray[np.float64]

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
LEARNT = "confidence"  # without labels no row has it: then not a row passes for want of it, but none

# What is said of a row beyond a limit, where it is not that its column is too low or too high.
REASONS = {
    ("min", "words"): "too short",
    ("max", "words"): "too long",
    ("max", "loop"): "repetition loop",
    ("min", "script"): "another script",
}


class Options(datagen.stage.Options):
    """
    Column -> kind or kind/task -> limit.

    A limit is a number; a share of the rows of that kind: ``50%`` as the least keeps the upper half, as the
    most the lower; or a column that has the limit of each row, as ``threshold`` of the stage calibrate. The
    columns that are given here take the place of their defaults; `{}` leaves a column without limits.
    """

    min: dict[str, Limits] = Field(
        DEFAULTS["min"],
        validate_default=True,
        description="Least numbers, such as {p_true: {instruction: 0.5, instruction/summary: 50%}}",
    )
    max: dict[str, Limits] = Field(
        DEFAULTS["max"],
        validate_default=True,
        description="Most, such as {leakage: {instruction/extractive_question: 0.9}}",
    )

    unknown: Literal["hold_back", "stop"] = Field(
        "hold_back", description="What becomes of rows whose named limit is not known; stop: of the run"
    )

    @field_validator("min", "max", mode="before")
    @classmethod
    def _besides_defaults(cls, given: Any, info: ValidationInfo) -> Any:
        return DEFAULTS[str(info.field_name)] | given if isinstance(given, dict) else given

    @field_validator("min", "max")
    @classmethod
    def _known_kinds(cls, given: dict[str, Limits]) -> dict[str, Limits]:
        for column, limits in given.items():
            for name in limits:
                kind = name.partition("/")[0]
                if kind not in KINDS:
                    raise ValueError(f"{name!r} is no kind: write one of {', '.join(KINDS)}, or kind/task")
                if kind in EXEMPT and column in CONFIDENCE:
                    raise ValueError(
                        f"no limit of {column} for {name}: the truest refusal is unlikely text. Leave "
                        "the key out; the shares of the stage refuse say how many there are"
                    )
        return given


Known = dict[str, dict[str, Limits]]  # side -> column -> limits, without shares


def run(partitions: Partitions, options: Options, context: Context) -> Iterator[Known]:
    """
    Find the numbers that shares stand for, with all rows in view; all partitions have the same limits.

    Raises
    ------
    UserError
        When a limit is not known and the recipe says to stop then.
    """
    known: Known = {
        side: {column: dict(limits) for column, limits in getattr(options, side).items() if limits}
        for side in DEFAULTS
    }
    shares = [
        (side, column, name, float(found[1]) / 100)
        for side, columns in known.items()
        for column, limits in columns.items()
        for name, limit in limits.items()
        if isinstance(limit, str) and (found := SHARE.fullmatch(limit))
    ]
    seen: list[list[Scores]] = [[] for _ in shares]
    if shares:
        for table in partitions.columns(["kind", "task", *{column for _, column, _, _ in shares}]):
            for values, (_, column, name, _) in zip(seen, shares, strict=True):
                numbers = _numbers(table, column)
                values.append(numbers[_of(table, name) & ~np.isnan(numbers)])
    for values, (side, column, name, share) in zip(seen, shares, strict=True):
        pool = np.concatenate([np.zeros(0), *values])
        method: Any = "higher" if side == "min" else "lower"  # a number that a row has, and that row stays
        known[side][column][name] = float(np.quantile(pool, share, method=method)) if len(pool) else np.nan
    _tell(partitions, known, options, context)
    yield from [known] * len(partitions)


def _tell(partitions: Partitions, known: Known, options: Options, context: Context) -> None:
    """Say how many rows are held back because a limit is not known, and what is missing for it."""
    named = {"kind", "task", "flaw", *(name for columns in known.values() for name in _columns(columns))}
    held: Counter[str] = Counter()
    if any(
        _may_be_unknown(column, limits) for columns in known.values() for column, limits in columns.items()
    ):
        for table in partitions.columns(sorted(named)):
            if "flaw" in table.column_names:
                broken = _broken(table, known)
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
            f"{context.stage}: {'; '.join(lines)}. The recipe says to stop then; without `unknown: stop` "
            "such rows are dropped and the run goes on"
        )
    context.notice(lines)


def _may_be_unknown(column: str, limits: Limits) -> bool:
    return column == LEARNT or any(isinstance(limit, str) or np.isnan(limit) for limit in limits.values())


def _columns(limits: dict[str, Limits]) -> set[str]:
    """Name the columns that limits are about, and those that hold limits."""
    named = (limit for each in limits.values() for limit in each.values() if isinstance(limit, str))
    return {*limits, *named}


def apply(rows: pa.Table, known: Known, options: Options, context: Context) -> Outcome:
    """
    Drop each row for its flaw, or for the first limit that it breaks.

    Raises
    ------
    UserError
        When what is compared was not measured.
    """
    if not len(rows):
        return Outcome.all_kept(rows)
    if "flaw" not in rows.column_names:
        raise UserError("curate compares what the stage measure measures; put measure before it")
    reasons, details = (np.array(rows[name].to_pylist(), object) for name in ("flaw", "flaw_detail"))
    for side, column, places, limits in _broken(rows, known):
        if limits is None:
            reasons[places], details[places] = HELD_BACK, f"no limit of {column} is known for this row"
        else:
            too = "low" if side == "min" else "high"
            reasons[places] = REASONS.get((side, column), f"{column} too {too}")
            details[places] = _details(rows, places, side, column, _numbers(rows, column), limits)
    return Outcome.split(rows, pa.array(reasons, pa.string()), pa.array(details, pa.string()))


Broken = tuple[str, str, npt.NDArray[np.int64], Scores | None]


def _broken(rows: pa.Table, known: Known) -> Iterator[Broken]:
    """
    Go through the limits in their order.

    Yields
    ------
    Side, column, places of the rows that break this limit and none before it, and the limit of each row; None
    for rows whose limit is not known.
    """
    sound = pc.is_null(rows["flaw"]).to_numpy().copy()
    for side, columns in known.items():
        for column, limits in columns.items():
            numbers, (bounds, named) = _numbers(rows, column), _bounds(rows, limits)
            unknown = named & (np.isnan(bounds) | (np.isnan(numbers) if column == LEARNT else False))
            beyond = (numbers < bounds if side == "min" else numbers > bounds) & ~unknown
            for places, of in ((unknown, None), (beyond, bounds)):
                yield side, column, np.flatnonzero(places & sound), of
                sound &= ~places


def _numbers(rows: pa.Table, column: str) -> Scores:
    """Give a column of numbers, nan for null."""
    kinds = {name: rows.schema.field(name).type for name in rows.column_names}
    if column not in kinds or not (pa.types.is_floating(kinds[column]) or pa.types.is_integer(kinds[column])):
        numbers = (name for name, kind in kinds.items() if pa.types.is_floating(kind))
        raise UserError(
            f"curate: there is no column of numbers {column!r}; there are {', '.join(numbers)}. "
            "Put the stage that gives it before curate, or leave the limit out"
        )
    result: Scores = pc.cast(rows[column], pa.float64()).to_numpy()
    return result


def _of(rows: pa.Table, name: str) -> npt.NDArray[np.bool_]:
    """Tell which rows are of a kind, or a kind/task."""
    kind, _, task = name.partition("/")
    mine = pc.equal(rows["kind"], kind)
    result: npt.NDArray[np.bool_] = pc.fill_null(
        pc.and_(mine, pc.equal(rows["task"], task)) if task else mine, False
    ).to_numpy()
    return result


def _bounds(rows: pa.Table, limits: Limits) -> tuple[Scores, npt.NDArray[np.bool_]]:
    """Give each row its limit, nan where it has or is known none; and tell which rows should have one."""
    found, named = np.full(len(rows), np.nan), np.zeros(len(rows), np.bool_)
    for name in sorted(limits, key=lambda name: "/" in name):
        mine, limit = _of(rows, name), limits[name]
        found[mine] = _numbers(rows, limit)[mine] if isinstance(limit, str) else limit
        named |= mine
    return found, named


def _details(
    rows: pa.Table, places: npt.NDArray[np.int64], side: str, column: str, numbers: Scores, bounds: Scores
) -> list[str]:
    """Say what is seen in the rows beyond a limit."""
    seen = numbers[places].tolist()
    pairs = list(zip(seen, bounds[places].tolist(), strict=True))
    if column == "words":
        than = "fewer" if side == "min" else "more"
        return [f"{number:g} words, {than} than {limit:g}" for number, limit in pairs]
    if (side, column) == ("max", "loop"):
        broken = rows.select(["kind", "answer", "text"]).take(places)
        said = pc.if_else(pc.equal(broken["kind"], "reading"), broken["text"], broken["answer"]).to_pylist()
        return [f"{number:g} words in: {text[-160:]}" for number, text in zip(seen, said, strict=True)]
    if (side, column) == ("min", "script"):
        main = text_statistics.script_counts(rows["answer"].take(places)).argmax(axis=1).tolist()
        return [
            f"{text_statistics.SCRIPTS[at]}: {share:.0%} there" for at, share in zip(main, seen, strict=True)
        ]
    beyond = "under" if side == "min" else "over"
    return [f"{number:.2f} {beyond} {limit:g}" for number, limit in pairs]


stage = WholeStage(
    name="curate",
    summary="drop what no example may be, and what its scores speak against",
    takes="examples",
    gives="examples",
    run=run,
    apply=apply,
    options=Options,
)
