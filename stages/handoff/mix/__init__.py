"""
Build the training mixture: splits, a knowledge test, shares of the parts, and the order of training.

* All rows of a document are in training or all in validation (`.splits`). Documents with the same content are
  handled earlier, by `datagen.stages.filter.dedup`.
* Some questions about training passages are held out as a test, and some pairs lose their passage
  (`.questions`).
* Refusals are capped at a share of refusals and instructions (`.refusals`).
* Parts of the mixture get their shares of rows or tokens, in phases (`.shares`).
* Rows of a partition are shuffled, so that a trainer that reads them in order does not get all rows of one
  document together; or ordered by phase and difficulty.

``mixture.json``, stored with the table, holds the requested shares; the hand-off adds the actual ones.
"""

from collections import Counter
from collections.abc import Collection, Iterator
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datagen.errors import UserError
from datagen.rows import Row
from datagen.schema import fractions
from datagen.stage import Columns, Context, Outcome, Partitions, Read, WholeStage
from datagen.stages.handoff import contrasts
from datagen.stages.handoff.forms import BOTH, without_passage
from datagen.stages.handoff.handoff.configurations import KNOWLEDGE, KNOWLEDGE_TEST
from datagen.stages.handoff.handoff.mixture import FILE
from datagen.stages.handoff.handoff.support import FEW_CHOICES, UNTRAINED
from datagen.stages.handoff.mix import choices, difficulty, questions, splits
from datagen.stages.handoff.mix import ledger as ledgers
from datagen.stages.handoff.mix.drops import Drops
from datagen.stages.handoff.mix.ledger import Draws, Flags, Ledger
from datagen.stages.handoff.mix.options import Options
from datagen.stages.handoff.mix.refusals import contradiction, limit_refusals
from datagen.stages.handoff.mix.shares import Allotment, allot
from datagen.stages.handoff.mix.sizes import hand_off_ruler, sizes_of
from datagen.stages.handoff.tokenizer import target_length
from datagen.store.parquet import write_json

HIDDEN = "without_passage"  # decision: whether the passage is removed from the prompt
ADDED = ("split", "phase", "part", "order", BOTH, "knowledge")  # columns
CONTRADICTION = 0.05  # of a mixture; if max_share drops more, the parts request more of a kind than it allows


def run(partitions: Partitions, options: Options, context: Context) -> Iterator[pa.Table]:
    """Decide on every row; yield the decisions on each partition."""
    seed = str(context.seed)
    patterns = {part.source for phase in options.requested for part in phase.parts.values()}
    ledger = ledgers.read(partitions, options.domains, patterns, seed)
    drops = Drops(len(ledger))
    pairs = contrasts.read(partitions)
    limit_refusals(ledger, options, pairs, np.full(len(ledger), True), drops)
    validation = splits.validation(ledger, drops.kept, options.validation)
    plan = _plan(partitions, ledger, ~validation & drops.kept, options, context)
    weights, untrainable = _check(partitions, ledger, options, plan, drops, context)
    tested, spent = (_flags(partitions, ids) for ids in (plan.held, plan.spent))
    drops.add(spent, "question of the knowledge test")
    # Again, among the remaining rows.
    limit_refusals(ledger, options, pairs, ~tested & drops.kept, drops)
    training = ~validation & ~tested
    if options.requested:
        allotted = _allot(ledger, options, weights, pairs, training, drops)
    else:
        allotted = Allotment(np.zeros(len(ledger), np.int64), _kinds(ledger), len(ledger), len(ledger))
    known = _test(partitions, ledger, training, tested, plan, seed, drops)
    warnings = splits.warnings(ledger, ~tested & drops.kept, validation, options.validation)
    if allotted.reached < allotted.total - 0.5:
        unit = options.by.replace("_", " ")
        have = f"{allotted.reached:,.0f} of the {allotted.total:,.0f} {unit} requested"
        warnings.append(f"the mixture has {have}: no part has more")
    context.notice(warnings)
    forms = {
        name: int((_flags(partitions, ids) & drops.kept).sum())
        for name, ids in (("closed_book", plan.closed), ("both_forms", plan.both))
    }
    untested = Counter(reason for reason in drops.reasons if reason in (UNTRAINED[0], FEW_CHOICES[0]))
    dropped = dict((untrainable + untested).most_common())
    counts = {"stand_alone": plan.alone} | forms | {"knowledge_test": len(known), "dropped": dropped}
    _write(options, allotted, counts, warnings, context)
    if options.order == "difficulty":
        level_of = difficulty.levels(partitions, options.difficulty)
    else:
        level_of = np.zeros(len(ledger), np.int64)
    hidden = plan.closed | plan.held
    for number, table in enumerate(partitions.columns(["id"])):
        part = ledger.partition(number)
        phases = np.maximum(allotted.phases[part], 0)
        ids = table["id"].to_pylist()
        held_out = np.where(validation[part], "validation", "train")
        yield pa.table(
            {
                "split": pa.array(np.where(tested[part], KNOWLEDGE_TEST, held_out).tolist(), pa.string()),
                "phase": pa.array(phases + 1),
                "part": pa.array(allotted.parts[part].tolist(), pa.string()),
                "order": pa.array(phases * difficulty.LEVELS + level_of[part]),
                BOTH: pa.array([name in plan.both for name in ids], pa.bool_()),
                "knowledge": pa.array([known.get(name) for name in ids], KNOWLEDGE),
                HIDDEN: pa.array([name in hidden for name in ids], pa.bool_()),
                "reason": pa.array(drops.reasons[part].tolist(), pa.string()),
                "detail": pa.array(drops.details[part].tolist(), pa.string()),
            }
        )


def apply(rows: pa.Table, decided: pa.Table, options: Options, context: Context) -> Outcome:
    """Apply the decisions on a partition, and put its rows into the order of training."""
    seed, order = str(context.seed), decided["order"].to_numpy()
    draws = np.array(fractions(("order", seed), rows["id"].to_pylist()), np.float64)
    sequence = pa.array(np.lexsort([draws, order]))
    rows, decided = without_passage(rows, decided[HIDDEN].to_pylist()).take(sequence), decided.take(sequence)
    for name in ADDED:
        rows = rows.append_column(name, decided[name])
    return Outcome.split(rows, decided["reason"], decided["detail"])


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
    drops: Drops,
) -> dict[str, Row]:
    """Drop the tested questions that the other rows no longer support; return the choices of the rest."""
    trained = training & drops.kept
    about = pa.array(sorted(set().union(*plan.texts.values())), pa.string())
    present, left = set[str](), set[str]()
    for number, table in enumerate(partitions.columns(["id"])):
        part = ledger.partition(number)
        ids = table["id"].filter(pa.array(trained[part]))
        present |= set(ids.filter(pc.is_in(ids, value_set=about)).to_pylist())
        left |= set(table["id"].filter(pa.array((tested & drops.kept)[part])).to_pylist())
    covered = {name for name in left if plan.texts[name] & present}
    drops.add(_flags(partitions, left - covered), *UNTRAINED)
    flags = [trained[ledger.partition(number)] for number in range(len(partitions))]
    known = choices.knowledge(partitions, flags, covered, seed) if covered else {}
    drops.add(_flags(partitions, covered - known.keys()), *FEW_CHOICES)
    return known


def _flags(partitions: Partitions, ids: Collection[str]) -> Flags:
    """Flag the rows with one of these ids."""
    values = pa.array(sorted(ids), pa.string())
    flags = [pc.is_in(table["id"], value_set=values).to_numpy() for table in partitions.columns(["id"])]
    return np.concatenate([np.zeros(0, bool), *flags])


def _kinds(ledger: Ledger) -> np.ndarray:
    return np.array([traits.kind for traits in ledger.combinations], object)[ledger.traits]


def _check(
    partitions: Partitions,
    ledger: Ledger,
    options: Options,
    plan: questions.Plan,
    drops: Drops,
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
        dropped += drops.add_each(part, checked.reasons.to_pylist(), checked.details.to_pylist())
        if options.by != "rows":
            counts = checked.tokens if options.by == "tokens" else checked.trained
            weights[part] = pc.fill_null(counts, 0).to_numpy(zero_copy_only=False)
        weights[part] += second_forms[options.by]
        weights[part][checked.reasons.is_valid().to_numpy(zero_copy_only=False)] = 0
    return weights, dropped


def _allot(
    ledger: Ledger,
    options: Options,
    weights: Draws,
    pairs: contrasts.Contrasts,
    training: Flags,
    drops: Drops,
) -> Allotment:
    """
    Drop the rows that exceed the shares.

    Raises
    ------
    UserError
        If a part has too few rows, or the shares contradict the maximum share of a kind.
    """
    while True:  # others take the place of answers whose refusal is not in the mixture
        free = training & drops.kept
        allotted = allot(ledger, free, weights, options.requested, options.total, options.shortage)
        chosen = free & (allotted.phases >= 0)
        held = ~training & drops.kept
        orphaned = pairs.orphaned(chosen | held) & chosen
        if not orphaned.any():
            break
        drops.add(orphaned, contrasts.REASON)
    limit_refusals(ledger, options, pairs, chosen, drops, held)
    lost = chosen & ~drops.kept
    if weights[lost].sum() > CONTRADICTION * allotted.total + weights.max(initial=0):
        raise UserError(contradiction(ledger, chosen, lost, options))
    unused = free & (allotted.phases < 0)
    in_a_part = np.array(
        [any(phase.part_of(traits) for phase in options.requested) for traits in ledger.combinations]
        or [False]
    )[ledger.traits]
    drops.add(unused & ~in_a_part, "in no part of the mixture")
    size = f"a mixture of {allotted.total:,.0f} {options.by.replace('_', ' ')} has no room for it"
    drops.add(unused, "over the share", size)
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
    apply=apply,
    digest=target_length,
    columns=columns,
    options=Options,
)
