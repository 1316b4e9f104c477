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

from collections import Counter
from collections.abc import Collection, Iterator
from functools import partial
from math import ceil, floor
from typing import Annotated, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, model_validator

import datagen.stage
from datagen.errors import UserError
from datagen.rows import Row
from datagen.schema import KINDS, fraction
from datagen.stage import Columns, Context, Outcome, Partitions, Read, WholeStage
from datagen.stages.handoff import contrasts
from datagen.stages.handoff.forms import BOTH, without_passage
from datagen.stages.handoff.handoff.configurations import KNOWLEDGE, KNOWLEDGE_TEST
from datagen.stages.handoff.handoff.mixture import FILE
from datagen.stages.handoff.handoff.support import FEW_CHOICES, UNTRAINED
from datagen.stages.handoff.mix import choices, difficulty, questions, splits
from datagen.stages.handoff.mix import ledger as ledgers
from datagen.stages.handoff.mix.ledger import Draws, Flags, Ledger
from datagen.stages.handoff.mix.shares import Allotment, Part, Phase, allot
from datagen.stages.handoff.mix.sizes import hand_off_ruler, sizes_of
from datagen.stages.handoff.tokenizer import target_length
from datagen.store.parquet import write_json

CHAT = ("instruction", "refusal")  # trained together; the cap is a share of their sum
CONTRADICTION = 0.05  # of a mixture; if max_share drops more, the parts request more of a kind than it allows
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
        description="Share of the pairs with a self-contained question that are handed off twice: with "
        "their passage and without it",
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
        description="If a part has less than its share of the total: stop, or use other parts",
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
    def requested(self) -> list[Phase]:
        """The requested phases; empty if there are none."""
        parts = self.parts or ({"all": Part(share=1)} if self.total else {})
        return self.phases or ([Phase(share=1, parts=parts)] if parts else [])


def run(partitions: Partitions, options: Options, context: Context) -> Iterator[Outcome]:
    """Decide on every row, then read the partitions again and apply the decisions."""
    seed = str(context.seed)
    ledger = ledgers.read(partitions, options.domains, seed)
    reasons, details = np.full(len(ledger), None, object), np.full(len(ledger), None, object)
    pairs = contrasts.read(partitions)
    _limit_refusals(ledger, options, pairs, np.full(len(ledger), True), reasons, details)
    validation = splits.validation(ledger, _undecided(reasons), options.validation, seed)
    plan = _plan(partitions, ledger, ~validation & _undecided(reasons), options, context)
    weights, untrainable = _check(partitions, ledger, options, plan, reasons, details, context)
    tested, spent = (_flags(partitions, ids) for ids in (plan.held, plan.spent))
    _drop(reasons, details, spent, "question of the knowledge test", None)
    # Again, among the remaining rows.
    _limit_refusals(ledger, options, pairs, ~tested & _undecided(reasons), reasons, details)
    training = ~validation & ~tested
    if options.requested:
        allotted = _allot(ledger, options, weights, pairs, training, reasons, details)
    else:
        allotted = Allotment(np.zeros(len(ledger), np.int64), _kinds(ledger), len(ledger), len(ledger))
    known = _test(partitions, ledger, training, tested, plan, seed, reasons, details)
    warnings = splits.warnings(ledger, ~tested & _undecided(reasons), validation, options.validation)
    if allotted.reached < allotted.total - 0.5:
        unit = options.by.replace("_", " ")
        have = f"{allotted.reached:,.0f} of the {allotted.total:,.0f} {unit} requested"
        warnings.append(f"the mixture has {have}: no part has more")
    context.notice(warnings)
    forms = {
        name: int((_flags(partitions, ids) & _undecided(reasons)).sum())
        for name, ids in (("closed_book", plan.closed), ("both_forms", plan.both))
    }
    untested = Counter(reason for reason in reasons if reason in (UNTRAINED[0], FEW_CHOICES[0]))
    dropped = dict((untrainable + untested).most_common())
    counts = {"stand_alone": plan.alone} | forms | {"knowledge_test": len(known), "dropped": dropped}
    _write(options, allotted, counts, warnings, context)
    if options.order == "difficulty":
        level_of = difficulty.levels(partitions, options.difficulty)
    else:
        level_of = np.zeros(len(ledger), np.int64)
    split_of = np.where(tested, KNOWLEDGE_TEST, np.where(validation, "validation", "train"))
    for number, table in enumerate(partitions):
        part = ledger.partition(number)
        phases = np.maximum(allotted.phases[part], 0)
        order = phases * difficulty.LEVELS + level_of[part]
        ids = table["id"].to_pylist()
        columns = {
            "split": pa.array(split_of[part].tolist(), pa.string()),
            "phase": pa.array(phases + 1),
            "part": pa.array(allotted.parts[part].tolist(), pa.string()),
            "order": pa.array(order),
            BOTH: pa.array([name in plan.both for name in ids], pa.bool_()),
            "knowledge": pa.array([known.get(name) for name in ids], KNOWLEDGE),
        }
        rows = without_passage(table, [name in plan.closed or name in plan.held for name in ids])
        for name, column in columns.items():
            rows = rows.append_column(name, column)
        draws = np.array([fraction("order", seed, name) for name in ids], np.float64)
        sequence = np.lexsort([draws, order])
        yield Outcome.split(
            rows.take(pa.array(sequence)),
            reasons[part][sequence].tolist(),
            details[part][sequence].tolist(),
        )


def _plan(
    partitions: Partitions, ledger: Ledger, training: Flags, options: Options, context: Context
) -> questions.Plan:
    """Plan the knowledge test and the closed-book forms, if the recipe has any."""
    shares = options.closed_book, options.both_forms, options.knowledge_test
    if not any(shares):
        return questions.Plan()
    train = [training[ledger.partition(number)] for number in range(len(partitions))]
    return questions.plan(partitions, train, *shares, context)


def _test(
    partitions: Partitions,
    ledger: Ledger,
    training: Flags,
    tested: Flags,
    plan: questions.Plan,
    seed: str,
    reasons: np.ndarray,
    details: np.ndarray,
) -> dict[str, Row]:
    """Drop the tested questions that the other rows no longer support; return the choices of the rest."""
    trained = training & _undecided(reasons)
    about = pa.array(sorted(set().union(*plan.texts.values())), pa.string())
    present, left = set[str](), set[str]()
    for number, table in enumerate(partitions.columns(["id"])):
        part = ledger.partition(number)
        ids = table["id"].filter(pa.array(trained[part]))
        present |= set(ids.filter(pc.is_in(ids, value_set=about)).to_pylist())
        left |= set(table["id"].filter(pa.array((tested & _undecided(reasons))[part])).to_pylist())
    covered = {name for name in left if plan.texts[name] & present}
    _drop(reasons, details, _flags(partitions, left - covered), *UNTRAINED)
    flags = [trained[ledger.partition(number)] for number in range(len(partitions))]
    known = choices.knowledge(partitions, flags, covered, seed) if covered else {}
    _drop(reasons, details, _flags(partitions, covered - known.keys()), *FEW_CHOICES)
    return known


def _flags(partitions: Partitions, ids: Collection[str]) -> Flags:
    """Flag the rows with one of these ids."""
    values = pa.array(sorted(ids), pa.string())
    flags = [pc.is_in(table["id"], value_set=values).to_numpy() for table in partitions.columns(["id"])]
    return np.concatenate([np.zeros(0, bool), *flags])


def _drop(reasons: np.ndarray, details: np.ndarray, rows: Flags, reason: str, detail: str | None) -> None:
    new = rows & _undecided(reasons)
    reasons[new], details[new] = reason, detail


def _undecided(reasons: np.ndarray) -> Flags:
    return np.array([reason is None for reason in reasons], bool)


def _kinds(ledger: Ledger) -> np.ndarray:
    return np.array([traits["kind"] for traits in ledger.combinations] or [""], object)[ledger.traits]


def _contradiction(ledger: Ledger, chosen: Flags, lost: Flags, options: Options) -> str:
    """Describe the domain that loses the most of its chosen rows to the maximum share of a kind."""
    kind, domain = max(
        ((kind, domain) for kind in options.max_share for domain in np.unique(ledger.domains)),
        key=lambda place: (lost & ledger.of_kind(place[0]) & (ledger.domains == place[1])).sum(),
    )
    chats = chosen & ledger.of_kind(*CHAT) & (ledger.domains == domain)
    share = float((chats & ledger.of_kind(kind)).sum() / max(1, chats.sum()))
    needed = ceil(round(100 * share, 6)) / 100
    return (
        f"mix: the requested parts have {share:.0%} {KINDS[kind]} among refusals and instructions"
        f"{f' in {domain}' if domain else ''}, but max_share allows {options.max_share[kind]:g}. Lower the "
        f"share of the part with {KINDS[kind]}, or set max_share: {{{kind}: {needed:g}}}"
    )


def _limit_refusals(
    ledger: Ledger,
    options: Options,
    pairs: contrasts.Contrasts,
    free: Flags,
    reasons: np.ndarray,
    details: np.ndarray,
    others: Flags | None = None,
) -> None:
    """
    Apply the shares of kinds, and drop the answers whose refusals are dropped, until neither changes.

    A refusal among the `others` also keeps the answers of its question.
    """
    present = free if others is None else free | others
    orphaned = np.ones(len(ledger), bool)
    while orphaned.any():
        _cap(ledger, options, free & _undecided(reasons), reasons, details)
        orphaned = pairs.orphaned(present & _undecided(reasons)) & free
        _drop(reasons, details, orphaned, contrasts.REASON, None)


def _cap(ledger: Ledger, options: Options, free: Flags, reasons: np.ndarray, details: np.ndarray) -> None:
    """Drop the rows of a kind that exceed its share of the chats in their domain."""
    domains = ledger.domains
    for kind, share in options.max_share.items():
        for domain in np.unique(domains):
            in_domain = free & (domains == domain)
            rows = np.flatnonzero(in_domain & ledger.of_kind(kind))
            others = int((in_domain & ledger.of_kind(*CHAT)).sum()) - len(rows)
            room = floor(share / (1 - share) * others + 1e-9) if share < 1 else len(rows)
            place = f" in {domain}" if domain else ""
            detail = f"{len(rows)} rows{place}; with {others} others a share of {share:g} allows {room}"
            over = rows[np.argsort(ledger.draws[rows], kind="stable")][room:]
            _drop(reasons, details, np.isin(np.arange(len(ledger)), over), "over the share", detail)


def _check(
    partitions: Partitions,
    ledger: Ledger,
    options: Options,
    plan: questions.Plan,
    reasons: np.ndarray,
    details: np.ndarray,
    context: Context,
) -> tuple[Draws, Counter[str]]:
    """
    Drop the rows that no trainer can use, before anything depends on them.

    Returns
    -------
    weights, dropped
        The size of each row in the unit of the shares, and the number of dropped rows by reason.
    """
    weights = np.ones(len(ledger), np.float64)
    dropped: Counter[str] = Counter()
    measure = hand_off_ruler(context, options.by)
    work = partial(sizes_of, measure, plan.closed | plan.held, plan.both)
    for number, (checked, second_forms) in enumerate(context.each(work, partitions.readers)):
        part = ledger.partition(number)
        found = np.array(checked.reasons.to_pylist(), object)
        invalid = np.array([reason is not None for reason in found], bool)
        new = invalid & _undecided(reasons[part])
        reasons[part][new] = found[new]
        details[part][new] = np.array(checked.details.to_pylist(), object)[new]
        dropped.update(found[new].tolist())
        if options.by != "rows":
            counts = checked.tokens if options.by == "tokens" else checked.trained
            weights[part] = pc.fill_null(counts, 0).to_numpy(zero_copy_only=False)
        weights[part] += second_forms[options.by]
        weights[part][invalid] = 0
    return weights, dropped


def _allot(
    ledger: Ledger,
    options: Options,
    weights: Draws,
    pairs: contrasts.Contrasts,
    training: Flags,
    reasons: np.ndarray,
    details: np.ndarray,
) -> Allotment:
    """
    Drop the rows that exceed the shares.

    Raises
    ------
    UserError
        If a part has too few rows, or the shares contradict the maximum share of a kind.
    """
    while True:  # others take the place of answers whose refusal is not in the mixture
        free = training & _undecided(reasons)
        allotted = allot(ledger, free, weights, options.requested, options.total, options.shortage)
        chosen = free & (allotted.phases >= 0)
        held = ~training & _undecided(reasons)
        orphaned = pairs.orphaned(chosen | held) & chosen
        if not orphaned.any():
            break
        _drop(reasons, details, orphaned, contrasts.REASON, None)
    _limit_refusals(ledger, options, pairs, chosen, reasons, details, held)
    lost = chosen & ~_undecided(reasons)
    if weights[lost].sum() > CONTRADICTION * allotted.total + weights.max(initial=0):
        raise UserError(_contradiction(ledger, chosen, lost, options))
    unused = free & (allotted.phases < 0)
    in_a_part = np.array(
        [any(phase.part_of(traits) for phase in options.requested) for traits in ledger.combinations]
        or [False]
    )[ledger.traits]
    _drop(reasons, details, unused & ~in_a_part, "in no part of the mixture", None)
    size = f"a mixture of {allotted.total:,.0f} {options.by.replace('_', ' ')} has no room for it"
    _drop(reasons, details, unused, "over the share", size)
    return allotted


def _write(
    options: Options,
    allotted: Allotment,
    counts: dict[str, object],
    warnings: list[str],
    context: Context,
) -> None:
    requested = [
        {"phase": number, "part": name, "share": round(share, 6)}
        for number, phase in enumerate(options.requested, 1)
        for name, share in phase.shares().items()
    ]
    mixture = {
        "by": options.by,
        "requested": requested,
        "phases": [phase.share for phase in options.requested],
        "total": round(allotted.total, 3) if options.requested else None,
        "ordered": len(options.requested) > 1 or options.order != "draw",
        **counts,
        "warnings": warnings,
    }
    write_json(mixture, context.output / FILE)


def columns(options: Options) -> Columns:
    """Return the difficulty that orders the rows."""
    return Columns([Read(options.difficulty, ("difficulty",))] if options.order == "difficulty" else [])


stage = WholeStage(
    name="mix",
    summary="split the rows, hold out a knowledge test, and give each part of the mixture its share",
    takes="examples",
    gives="examples",
    run=run,
    digest=target_length,
    columns=columns,
    options=Options,
)
