"""
Put the kinds together: splits, a test of what was learnt, shares of the parts, and the order of training.

* A document's rows are all in training or all in validation (`.splits`). That two documents say the same is
  left to `datagen.stages.filter.dedup`, which comes before.
* Some questions about training passages are held back as a test, and some pairs lose their passage
  (`.questions`).
* Refusals and instructions train the same chat; a model that is shown too many refusals learns to refuse. So
  refusals are cut to a share of both, in each domain.
* Parts of the mixture get their shares of rows or tokens, in phases (`.shares`).
* Rows of a partition are ordered by a draw, so that a trainer that reads them as they come does not get one
  document's rows in a row; or by phase and difficulty.

``mixture.json`` beside the table says what was asked for; the hand-off sets what it wrote beside it.
"""

from collections.abc import Collection, Iterator
from functools import partial
from math import floor
from typing import Annotated, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, model_validator

import datagen.stage
from datagen.errors import UserError
from datagen.recipe.registry import stages_of
from datagen.schema import fraction
from datagen.stage import Context, Outcome, Partitions, WholeStage
from datagen.stages.handoff.forms import BOTH, closed_forms, without_passage
from datagen.stages.handoff.handoff.configurations import KNOWLEDGE, KNOWLEDGE_TEST
from datagen.stages.handoff.handoff.mixture import FILE
from datagen.stages.handoff.mix import ledger as ledgers
from datagen.stages.handoff.mix import questions, splits
from datagen.stages.handoff.mix.ledger import Draws, Flags, Ledger
from datagen.stages.handoff.mix.shares import Allotment, Part, Phase, allot
from datagen.stages.handoff.row_check import Checked, check
from datagen.stages.handoff.tokenizer import Ruler, ruler
from datagen.store.parquet import write_json

CHAT = ("instruction", "refusal")  # trained together: a share is a share of these
LEVELS = 10  # of difficulty
Share = Annotated[float, Field(ge=0, le=1)]


class Options(datagen.stage.Options):
    """Splits, shares and order."""

    validation: float = Field(
        0.05, ge=0, lt=1, description="Share of the rows that go to validation, by whole documents"
    )
    knowledge_test: float = Field(
        0.1,
        ge=0,
        lt=1,
        description="Share of the questions that stand alone, about documents with reading texts, that are "
        "held back to test closed-book what was learnt",
    )
    closed_book: float = Field(
        0.5, ge=0, le=1, description="Share of the pairs whose question stands alone that lose their passage"
    )
    both_forms: float = Field(
        0,
        ge=0,
        le=1,
        description="Share of the pairs whose question stands alone that are handed off twice: with their "
        "passage and without it",
    )
    max_share: dict[Literal["refusal"], Share] = Field(
        {"refusal": 0.2},
        description="Share of instructions and refusals together that a kind has at most, in each domain",
    )
    domains: dict[str, list[str]] = Field(
        {}, description="Domains by patterns of sources, such as law: ['*/statutes/*']; left out: one"
    )
    by: Literal["rows", "tokens", "trained_tokens"] = Field("rows", description="What shares are shares of")
    parts: dict[str, Part] = Field({}, description="Parts of the mixture by name; left out: all rows")
    phases: list[Phase] = Field([], description="Instead of parts: stretches of training, in their order")
    total: int | None = Field(
        None, ge=1, description="Size of the training mixture; left out: what the scarcest part allows"
    )
    shortage: Literal["error", "fill"] = Field(
        "error",
        description="Where a part has less than its share of the total: stop, or others fill its place",
    )
    order: Literal["draw", "difficulty"] = Field(
        "draw", description="Order within a phase: drawn, or the easiest first"
    )
    difficulty: str = Field("ifd", description="Column that says how difficult a row is, for order")

    @model_validator(mode="after")
    def _parts_or_phases(self) -> "Options":
        if self.closed_book + self.both_forms > 1:
            raise ValueError("closed_book and both_forms are shares of the same pairs: at most 1 together")
        if self.parts and self.phases:
            raise ValueError("give parts or phases; parts are one phase")
        if self.phases and abs(sum(phase.share for phase in self.phases) - 1) > 1e-6:
            raise ValueError("the shares of the phases do not add up to 1")
        if self.shortage == "fill" and self.total is None:
            raise ValueError("shortage: fill needs total, which says what is short")
        if self.parts:
            Phase(share=1, parts=self.parts)  # its checks
        return self

    @property
    def asked(self) -> list[Phase]:
        """The phases; none where no shares are asked for."""
        return self.phases or ([Phase(share=1, parts=self.parts)] if self.parts else [])


def run(partitions: Partitions, options: Options, context: Context) -> Iterator[Outcome]:
    """Decide what becomes of every row, then go through them again."""
    seed = str(context.seed)
    ledger = ledgers.read(partitions, options.domains, seed)
    held = splits.validation(ledger, options.validation, seed)
    numbers = range(len(partitions))
    reasons, details = np.full(len(ledger), None, object), np.full(len(ledger), None, object)
    _cap(ledger, options, np.full(len(ledger), True), reasons, details)
    if options.closed_book or options.both_forms or options.knowledge_test:
        kept = _undecided(reasons)
        train = [~held[mine] & kept[mine] for mine in map(ledger.partition, numbers)]
        shares = options.closed_book, options.both_forms, options.knowledge_test
        asked = questions.plan(partitions, train, *shares, context)
    else:
        asked = questions.Plan()
    tested, spent = (_flags(partitions, ids) for ids in (asked.held.keys(), asked.spent))
    _drop(reasons, details, spent, "asks what the knowledge test asks", None)
    _cap(ledger, options, ~tested & _undecided(reasons), reasons, details)  # with fewer others
    if options.asked:
        allotted = _allot(partitions, ledger, options, asked, ~held & ~tested, reasons, details, context)
    else:
        allotted = Allotment(np.zeros(len(ledger), np.int64), _kinds(ledger), float(len(ledger)))
    warnings = splits.warnings(ledger, held, options.validation)
    _write(options, allotted, asked, warnings, context)
    levels = _levels(partitions, options)
    for number, table in enumerate(partitions):
        mine = ledger.partition(number)
        ids = table["id"].to_pylist()
        split = np.where(tested[mine], KNOWLEDGE_TEST, np.where(held[mine], "validation", "train"))
        closed = [name in asked.closed or name in asked.held for name in ids]
        rows = without_passage(table, closed)
        order = np.maximum(allotted.phases[mine], 0) * LEVELS + levels[mine]
        added = {
            "split": pa.array(split.tolist(), pa.string()),
            "phase": pa.array(np.maximum(allotted.phases[mine], 0) + 1),
            "part": pa.array(allotted.parts[mine].tolist(), pa.string()),
            "order": pa.array(order),
            BOTH: pa.array([name in asked.both for name in ids], pa.bool_()),
            "knowledge": pa.array([asked.held.get(name) for name in ids], KNOWLEDGE),
        }
        for name, column in added.items():
            rows = rows.append_column(name, column)
        draws = np.array([fraction("order", seed, name) for name in ids], np.float64)
        sequence = np.lexsort([draws, order])
        yield Outcome.split(
            rows.take(pa.array(sequence)),
            reasons[mine][sequence].tolist(),
            details[mine][sequence].tolist(),
        )


def _flags(partitions: Partitions, ids: Any) -> Flags:
    """Say which rows have one of these ids."""
    wanted = pa.array(sorted(ids), pa.string())
    found = [pc.is_in(table["id"], value_set=wanted).to_numpy() for table in partitions.columns(["id"])]
    return np.concatenate([np.zeros(0, bool), *found])


def _drop(reasons: np.ndarray, details: np.ndarray, which: Flags, reason: str, detail: str | None) -> None:
    new = which & _undecided(reasons)
    reasons[new], details[new] = reason, detail


def _undecided(reasons: np.ndarray) -> Flags:
    return np.array([reason is None for reason in reasons], bool)


def _kinds(ledger: Ledger) -> np.ndarray:
    return np.array([known["kind"] for known in ledger.combinations] or [""], object)[ledger.traits]


def _cap(ledger: Ledger, options: Options, free: Flags, reasons: np.ndarray, details: np.ndarray) -> None:
    """Drop the rows of a kind that are over its share of the chats of their domain."""
    domains = ledger.domains
    for kind, share in options.max_share.items():
        for domain in np.unique(domains):
            here = free & (domains == domain)
            mine = np.flatnonzero(here & ledger.of_kind(kind))
            others = int((here & ledger.of_kind(*CHAT)).sum()) - len(mine)
            room = floor(share / (1 - share) * others + 1e-9) if share < 1 else len(mine)
            place = f" in {domain}" if domain else ""
            detail = f"{len(mine)} rows{place}; with {others} others a share of {share:g} has room for {room}"
            over = mine[np.argsort(ledger.draws[mine], kind="stable")][room:]
            _drop(reasons, details, np.isin(np.arange(len(ledger)), over), "over the share", detail)


def _allot(
    partitions: Partitions,
    ledger: Ledger,
    options: Options,
    asked: questions.Plan,
    training: Flags,
    reasons: np.ndarray,
    details: np.ndarray,
    context: Context,
) -> Allotment:
    """Drop what the shares have no room for; rows that no trainer could use are told first."""
    weights = np.ones(len(ledger), np.float64)
    measure = _hand_off_ruler(context, options)
    work = partial(_check, measure, asked.closed | asked.held.keys(), asked.both)
    for number, (found, twins) in enumerate(context.each(work, partitions.readers)):
        mine = ledger.partition(number)
        bad = np.array([reason is not None for reason in found.reasons.to_pylist()], bool)
        for reason in set(found.reasons.drop_null().to_pylist()):
            which = np.zeros(len(ledger), bool)
            which[mine] = np.array([one == reason for one in found.reasons.to_pylist()], bool)
            _drop(reasons, details, which, reason, "told before the mixture was made")
        if options.by != "rows":
            counts = found.tokens if options.by == "tokens" else found.trained
            weights[mine] = np.where(bad, 0, pc.fill_null(counts, 0).to_numpy(zero_copy_only=False))
        weights[mine] += np.where(bad, 0, twins[options.by])
    free = training & _undecided(reasons)
    allotted = allot(ledger, free, weights, options.asked, options.total, options.shortage)
    left = free & (allotted.phases < 0)
    named = np.array(
        [any(phase.part_of(known) for phase in options.asked) for known in ledger.combinations] or [False]
    )[ledger.traits]
    _drop(reasons, details, left & ~named, "in no part of the mixture", None)
    size = f"a mixture of {allotted.total:,.0f} {options.by.replace('_', ' ')} has no room for it"
    _drop(reasons, details, left, "over the share", size)
    return allotted


def _check(
    measure: Ruler, closed: Collection[str], both: Collection[str], reader: Any
) -> tuple[Checked, dict[str, Draws]]:
    """
    Check the rows of a partition in the form in which they are handed off.

    Returns
    -------
    checked, second forms
        And of each row the size of its closed-book form, where it has both: rows, tokens, trained_tokens.
    """
    table = reader(None)
    ids = table["id"].to_pylist()
    twice = np.array([name in both for name in ids], bool)
    sizes = {name: np.zeros(len(table), np.float64) for name in ("rows", "tokens", "trained_tokens")}
    if twice.any():
        second = check(closed_forms(table.filter(pa.array(twice))), measure)
        sizes["rows"][twice] = 1
        for name, counts in (("tokens", second.tokens), ("trained_tokens", second.trained)):
            sizes[name][twice] = pc.fill_null(counts, 0).to_numpy(zero_copy_only=False)
    return check(without_passage(table, [name in closed for name in ids]), measure), sizes


def _hand_off_ruler(context: Context, options: Options) -> Ruler:
    """Count as the hand-off of this recipe will; a mixture by tokens needs a tokenizer."""
    line = stages_of(context.recipe, context.folder)
    chosen = next((given for _, stage, given in line if stage.name == "handoff"), None)
    tokenizer, longest = getattr(chosen, "tokenizer", ""), getattr(chosen, "max_tokens", None)
    measure = ruler(tokenizer, longest, context)
    if options.by != "rows" and not measure.model:
        raise UserError(
            f"{context.stage}.by: tokens of {measure.name!r} cannot be counted here: name a tokenizer in "
            "handoff.tokenizer, or take shares by rows"
        )
    return measure


def _levels(partitions: Partitions, options: Options) -> np.ndarray:
    """Give each row its tenth of difficulty, from 0; rows without one, such as texts, are in the first."""
    if options.order == "draw":
        return np.zeros(sum(len(table) for table in partitions.columns(["id"])), np.int64)
    values, named = [], False
    for table in partitions.columns(["id", options.difficulty]):
        if options.difficulty not in table.column_names:
            values.append(np.full(len(table), np.nan))  # replayed rows, which no stage measured
            continue
        named = True
        values.append(pc.fill_null(table[options.difficulty].cast(pa.float64()), np.nan).to_numpy())
    if values and not named:
        raise UserError(
            f"mix.difficulty: the rows have no column {options.difficulty!r}; the stage difficulty adds it, "
            "or name another"
        )
    difficulty = np.concatenate([np.zeros(0), *values])
    known = difficulty[~np.isnan(difficulty)]
    bounds = np.quantile(known, np.arange(1, LEVELS) / LEVELS) if len(known) else []
    return np.where(np.isnan(difficulty), 0, np.searchsorted(bounds, difficulty))


def _write(
    options: Options, allotted: Allotment, asked: questions.Plan, warnings: list[str], context: Context
) -> None:
    requested = {
        f"{number}/{name}": round(share, 6)
        for number, phase in enumerate(options.asked, 1)
        for name, share in phase.shares().items()
    }
    plan = {
        "by": options.by,
        "requested": requested,
        "phases": [phase.share for phase in options.asked],
        "total": allotted.total if options.asked else None,
        "ordered": len(options.asked) > 1 or options.order != "draw",
        "stand_alone": asked.alone,
        "closed_book": len(asked.closed),
        "both_forms": len(asked.both),
        "knowledge_test": len(asked.held),
        "warnings": warnings,
    }
    write_json(plan, context.output / FILE)


stage = WholeStage(
    name="mix",
    summary="draw the splits, hold back a knowledge test, and give each part of the mixture its share",
    takes="examples",
    gives="examples",
    run=run,
    options=Options,
)
