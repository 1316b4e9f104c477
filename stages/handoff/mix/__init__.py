"""
Build the training mixture: splits, a knowledge test, shares of the parts, and the order of training.

* All rows of a document are in training or all in validation (`.splits`). Documents with the same content are
  handled earlier, by `datagen.stages.filter.dedup`.
* Some questions about training passages are held out as a test, and some pairs lose their passage
  (`.questions`).
* Refusals and instructions are trained together, and too many refusals teach a model to refuse. So refusals
  are capped at a share of both, in each domain.
* Parts of the mixture get their shares of rows or tokens, in phases (`.shares`).
* Rows of a partition are shuffled, so that a trainer that reads them in order does not get all rows of one
  document together; or ordered by phase and difficulty.

``mixture.json``, stored with the table, holds the requested shares; the hand-off adds the actual ones.
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

CHAT = ("instruction", "refusal")  # trained together; the cap is a share of their sum
LEVELS = 10  # number of difficulty levels
Share = Annotated[float, Field(ge=0, le=1)]


class Options(datagen.stage.Options):
    """Splits, shares and order."""

    validation: float = Field(
        0.05, ge=0, lt=1, description="Share of the rows for validation, by whole documents"
    )
    knowledge_test: float = Field(
        0.1,
        ge=0,
        lt=1,
        description="Share of the self-contained questions, about documents with reading texts, that are "
        "held out as a closed-book knowledge test",
    )
    closed_book: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Share of the pairs with a self-contained question that lose their passage",
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
        description="Maximum share of refusals among instructions and refusals, in each domain",
    )
    domains: dict[str, list[str]] = Field(
        {}, description="Domains by patterns of sources, such as law: ['*/statutes/*']; default: one domain"
    )
    by: Literal["rows", "tokens", "trained_tokens"] = Field("rows", description="Unit of the shares")
    parts: dict[str, Part] = Field({}, description="Parts of the mixture by name; default: all rows")
    phases: list[Phase] = Field([], description="Instead of parts: phases of training, in order")
    total: int | None = Field(
        None, ge=1, description="Size of the training mixture; default: what the scarcest part allows"
    )
    shortage: Literal["error", "fill"] = Field(
        "error",
        description="If a part has less than its share of the total: stop, or fill up with other parts",
    )
    order: Literal["draw", "difficulty"] = Field(
        "draw", description="Order within a phase: random, or easiest first"
    )
    difficulty: str = Field("ifd", description="Column with the difficulty of a row, for order")

    @model_validator(mode="after")
    def _parts_or_phases(self) -> "Options":
        if self.closed_book + self.both_forms > 1:
            raise ValueError("closed_book and both_forms are shares of the same pairs: at most 1 together")
        if self.parts and self.phases:
            raise ValueError("set parts or phases, not both; parts are a single phase")
        if self.phases and abs(sum(phase.share for phase in self.phases) - 1) > 1e-6:
            raise ValueError("the shares of the phases do not add up to 1")
        if self.shortage == "fill" and self.total is None:
            raise ValueError("shortage: fill requires total")
        if self.parts:
            Phase(share=1, parts=self.parts)  # its checks
        return self

    @property
    def asked(self) -> list[Phase]:
        """The requested phases; empty if there are none."""
        return self.phases or ([Phase(share=1, parts=self.parts)] if self.parts else [])


def run(partitions: Partitions, options: Options, context: Context) -> Iterator[Outcome]:
    """Decide on every row, then read the partitions again and apply the decisions."""
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
    _cap(ledger, options, ~tested & _undecided(reasons), reasons, details)  # now that there are fewer others
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
    """Flag the rows with one of these ids."""
    wanted = pa.array(sorted(ids), pa.string())
    flags = [pc.is_in(table["id"], value_set=wanted).to_numpy() for table in partitions.columns(["id"])]
    return np.concatenate([np.zeros(0, bool), *flags])


def _drop(reasons: np.ndarray, details: np.ndarray, which: Flags, reason: str, detail: str | None) -> None:
    new = which & _undecided(reasons)
    reasons[new], details[new] = reason, detail


def _undecided(reasons: np.ndarray) -> Flags:
    return np.array([reason is None for reason in reasons], bool)


def _kinds(ledger: Ledger) -> np.ndarray:
    return np.array([known["kind"] for known in ledger.combinations] or [""], object)[ledger.traits]


def _cap(ledger: Ledger, options: Options, free: Flags, reasons: np.ndarray, details: np.ndarray) -> None:
    """Drop the rows of a kind that exceed its share of the chats in their domain."""
    domains = ledger.domains
    for kind, share in options.max_share.items():
        for domain in np.unique(domains):
            here = free & (domains == domain)
            mine = np.flatnonzero(here & ledger.of_kind(kind))
            others = int((here & ledger.of_kind(*CHAT)).sum()) - len(mine)
            room = floor(share / (1 - share) * others + 1e-9) if share < 1 else len(mine)
            place = f" in {domain}" if domain else ""
            detail = f"{len(mine)} rows{place}; with {others} others a share of {share:g} allows {room}"
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
    """Drop the rows that exceed the shares, after the rows that no trainer can use."""
    weights = np.ones(len(ledger), np.float64)
    measure = _hand_off_ruler(context, options)
    work = partial(_check, measure, asked.closed | asked.held.keys(), asked.both)
    for number, (checked, twins) in enumerate(context.each(work, partitions.readers)):
        mine = ledger.partition(number)
        bad = np.array([reason is not None for reason in checked.reasons.to_pylist()], bool)
        for reason in set(checked.reasons.drop_null().to_pylist()):
            which = np.zeros(len(ledger), bool)
            which[mine] = np.array([other == reason for other in checked.reasons.to_pylist()], bool)
            _drop(reasons, details, which, reason, "found before the mixture was built")
        if options.by != "rows":
            counts = checked.tokens if options.by == "tokens" else checked.trained
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
    """Return the ruler of this recipe's hand-off; a mixture by tokens needs a tokenizer."""
    stages = stages_of(context.recipe, context.folder)
    chosen = next((given for _, stage, given in stages if stage.name == "handoff"), None)
    tokenizer, longest = getattr(chosen, "tokenizer", ""), getattr(chosen, "max_tokens", None)
    measure = ruler(tokenizer, longest, context)
    if options.by != "rows" and not measure.model:
        raise UserError(
            f"{context.stage}.by: tokens of {measure.name!r} cannot be counted here: name a tokenizer in "
            "handoff.tokenizer, or set by: rows"
        )
    return measure


def _levels(partitions: Partitions, options: Options) -> np.ndarray:
    """Return each row's decile of difficulty, from 0; rows without difficulty, such as texts, get 0."""
    if options.order == "draw":
        return np.zeros(sum(len(table) for table in partitions.columns(["id"])), np.int64)
    values, named = [], False
    for table in partitions.columns(["id", options.difficulty]):
        if options.difficulty not in table.column_names:
            values.append(np.full(len(table), np.nan))  # replayed rows have no scores
            continue
        named = True
        values.append(pc.fill_null(table[options.difficulty].cast(pa.float64()), np.nan).to_numpy())
    if values and not named:
        raise UserError(
            f"mix.difficulty: the rows have no column {options.difficulty!r}; add the stage difficulty, or "
            "name another column"
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
    summary="split the rows, hold out a knowledge test, and give each part of the mixture its share",
    takes="examples",
    gives="examples",
    run=run,
    options=Options,
)
