"""
The plan of a proof: passages, items and rows, written once and read by every fit.

Passages are drawn by hash, those with pairs first, since the others ask less of the data; of the documents
with pairs, every second one in the order of a draw is left to the format control. How many passages fit
follows from the minutes and from the speed that was measured on this machine, or from ``--tokens``.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from datagen.errors import UserError
from datagen.evaluate.prove import arms as arm_rows
from datagen.evaluate.prove import items as item_rules
from datagen.evaluate.prove.arms import Row, equal_exposures
from datagen.evaluate.prove.encode import Encoder
from datagen.evaluate.prove.items import Item, Rules
from datagen.evaluate.prove.material import Survey, read
from datagen.evaluate.prove.settings import EPOCHS, HELD_BACK, MOST_PASSAGES, PAIR_REPEATS, Arm, Settings
from datagen.run.folder import Run
from datagen.schema import fraction
from datagen.store.parquet import write_json

FILE = "plan.json"
FIRST = 48  # passages from which costs are estimated
LEAST = 8  # passages


@dataclass(frozen=True)
class Speed:
    """Tokens a second of one fit while the others run beside it, and the seconds before its first step."""

    train: float
    measure: float
    start: float
    processes: int = 1


@dataclass
class Plan:
    """
    Everything that the fits need.

    Parameters
    ----------
    source
        Path or hub id of the target.
    tokens
        Tokens that each arm trains.
    passages
        Ids of the drawn passages.
    items
        What is asked.
    rows
        Arm -> its rows.
    budgets
        Arm -> the tokens that it trains.
    skipped
        Arm -> why it is not run.
    held_out, general
        Texts whose loss is measured.
    left_out
        Reason -> items that were left out.
    pairs
        Number of pairs that an arm trains.
    """

    source: str
    tokens: int
    passages: list[str]
    items: list[Item]
    rows: dict[Arm, list[Row]]
    budgets: dict[Arm, int]
    skipped: dict[Arm, str]
    held_out: list[str]
    general: list[str]
    left_out: dict[str, int] = field(default_factory=dict)
    pairs: int = 0

    def write(self, folder: Path) -> None:
        """Write the plan, whole or not at all."""
        write_json(asdict(self), folder / FILE)

    @classmethod
    def load(cls, folder: Path) -> "Plan":
        """Read a plan that `write` has written."""
        known = json.loads((folder / FILE).read_text(encoding="utf-8"))
        known["items"] = [Item(**item | {"choices": tuple(item["choices"])}) for item in known["items"]]
        known["rows"] = {arm: [Row(**row) for row in rows] for arm, rows in known["rows"].items()}
        return cls(**known)


@dataclass(frozen=True)
class Draw:
    """Passages in the order in which they are taken, and the documents of the format control."""

    passages: list[str]
    control: set[str]


def draw(known: Survey, seed: str) -> Draw:
    """Order the passages that may be drawn, and set the documents of the control apart."""
    with_pairs = {known.documents[passage] for passage in known.with_pairs}
    ordered = sorted(with_pairs, key=lambda document: fraction("prove", seed, document))
    control = set(ordered[1::2])
    needed = known.with_text if known.with_text else known.with_pairs
    free = [passage for passage in needed if known.documents[passage] not in control]
    order = sorted(
        free,
        key=lambda passage: (passage not in known.with_pairs, fraction("prove", seed, passage)),
    )
    return Draw(order[:MOST_PASSAGES], control)


def make(
    run: Run,
    known: Survey,
    source: str,
    encoder: Encoder,
    settings: Settings,
    general: list[str],
    speed: Speed,
) -> Plan:
    """
    Plan a proof that fits the time or the tokens that are given.

    Raises
    ------
    UserError
        When too few passages have training rows, or nothing can be asked about them.
    """
    seed = str(settings.seed)
    drawn = draw(known, seed)
    if len(drawn.passages) < LEAST:
        raise UserError(
            f"{len(drawn.passages)} passages have training rows outside the control's documents; it takes "
            f"{LEAST} for a proof. Run the recipe over more documents"
        )

    rules = Rules(seed)

    def build(count: int) -> Plan:
        return _build(run, known, drawn, count, rules, source, encoder, settings, general)

    count = min(FIRST, len(drawn.passages))
    plan = build(count)
    for _ in range(2):  # costs grow with the passages, not quite in proportion
        fitting = round(count * _affordable(plan, encoder, settings, speed))
        target = max(LEAST, min(len(drawn.passages), fitting))
        if target == count:
            break
        count = target
        plan = build(count)
    if not plan.budgets:
        why = "; ".join(f"{arm}: {reason}" for arm, reason in plan.skipped.items())
        raise UserError(f"there is no arm to train ({why or 'only base was asked for'})")
    if not plan.items:
        raise UserError(f"nothing can be asked about the {count} passages that were drawn: {plan.left_out}")
    return plan


def _build(
    run: Run,
    known: Survey,
    drawn: Draw,
    count: int,
    rules: Rules,
    source: str,
    encoder: Encoder,
    settings: Settings,
    general: list[str],
) -> Plan:
    seed, passages = str(settings.seed), drawn.passages[:count]
    material = read(run, known, passages, drawn.control, seed)
    trained, held = item_rules.held_back(material.pairs, HELD_BACK, seed)
    asked = [*held, *material.tests]
    material.texts = arm_rows.without(material.texts, asked)
    made = arm_rows.make(material, trained, settings.arms, seed)
    chats = {(row.passage, row.question) for rows in made.rows.values() for row in rows if row.question}
    every = [*trained, *material.others, *material.dropped]
    used = [pair for pair in every if (pair.passage, pair.question) in chats]
    own = {(row.passage, row.question) for row in made.rows.get("pairs", ()) if row.question}
    facts = [pair for pair in trained if (pair.passage, pair.question) in own]
    texts = [row.text for rows in made.rows.values() for row in rows if not row.question]
    items, left_out = item_rules.make(rules, material, asked, facts, used, dict.fromkeys(texts), seed)
    sizes = {arm: _sizes(rows, encoder) for arm, rows in made.rows.items()}
    raw = sizes.get("raw") or _sizes(
        [Row(id_, row["text"]) for id_, row in material.passages.items()], encoder
    )
    tokens = settings.tokens or round(EPOCHS * sum(raw.values()))
    budgets: dict[Arm, int] = {arm: tokens for arm in made.rows if arm != "base"}
    if "raw_exposures" in budgets:
        reading = [Row(text.passage, text.text) for text in material.texts]
        copies: dict[str, int] = {}
        for row in reading:
            copies[row.passage] = copies.get(row.passage, 0) + 1
        budgets["raw_exposures"] = equal_exposures(tokens, raw, _sizes(reading, encoder), copies)
    return Plan(
        source=source,
        tokens=tokens,
        passages=passages,
        items=items,
        rows=made.rows,
        budgets=budgets,
        skipped={arm: why for arm, why in made.skipped.items() if arm in settings.arms},
        held_out=material.held_out,
        general=general,
        left_out=left_out,
        pairs=sum(bool(row.question) for row in made.rows.get("pairs", ())),
    )


def _sizes(rows: Sequence[Row], encoder: Encoder) -> dict[str, int]:
    """Count the trained tokens of each passage's texts."""
    sizes: dict[str, int] = {}
    for row in rows:
        if not row.question:
            count = sum(len(tokens.response) for tokens in encoder.row(row))
            sizes[row.passage] = sizes.get(row.passage, 0) + count
    return sizes


def _affordable(plan: Plan, encoder: Encoder, settings: Settings, speed: Speed) -> float:
    """Say by which factor the number of passages may grow."""
    if settings.tokens:  # as many passages as the tokens see `EPOCHS` times
        whole = sum(_sizes(plan.rows.get("raw") or next(filter(None, plan.rows.values())), encoder).values())
        return settings.tokens / (EPOCHS * max(1, whole))
    seconds = cost(plan, encoder, settings.seeds, speed)
    fixed = speed.start * (len(plan.budgets) * settings.seeds + 1) / speed.processes
    return max(0.01, (60 * settings.minutes - fixed) / max(1e-6, seconds - fixed))


def cost(plan: Plan, encoder: Encoder, seeds: int, speed: Speed) -> float:
    """Estimate the seconds of all fits with their measurements."""
    asked = sum(len(row) for item in plan.items for row in encoder.choices(item))
    asked += sum(len(row) for text in (*plan.held_out, *plan.general) for row in encoder.text(text))
    fits = [_computed(plan, arm, encoder) / speed.train for arm in plan.budgets]
    each = speed.start + asked / speed.measure
    return (sum(seconds + each for seconds in fits) * seeds + each) / speed.processes


def _computed(plan: Plan, arm: Arm, encoder: Encoder) -> float:
    """Estimate the tokens that an arm computes for its budget: pairs have prompts without a loss."""
    repeated = [row for row in plan.rows[arm] if row.question] * (PAIR_REPEATS - 1)
    rows = [tokens for row in [*plan.rows[arm], *repeated] for tokens in encoder.row(row)]
    trained = sum(len(row.response) for row in rows)
    return plan.budgets[arm] * sum(map(len, rows)) / max(1, trained)


def described(plan: Plan) -> Mapping[str, Any]:
    """Summarise a plan for the result."""
    return {
        "tokens": plan.tokens,
        "passages": len(plan.passages),
        "items": len(plan.items),
        "pairs": plan.pairs,
        "left_out": plan.left_out,
        "skipped": plan.skipped,
    }
