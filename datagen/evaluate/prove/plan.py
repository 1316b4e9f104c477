"""
The plan of a proof: passages, items and rows, written once and read by every fit.

Passages are sampled by hash, those with pairs first. Every second document with pairs, in a pseudo-random
order, is reserved for the format control. The number of passages follows from the time limit and the measured
speed of the machine, or from ``--tokens``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from datagen.errors import UserError
from datagen.evaluate.prove import arms as arm_rows
from datagen.evaluate.prove import items as item_rules
from datagen.evaluate.prove.arms import Arms, Row, equal_exposures, text_counts
from datagen.evaluate.prove.encode import Encoder
from datagen.evaluate.prove.items import Item, Rules
from datagen.evaluate.prove.material import Material, Pair, Survey, read
from datagen.evaluate.prove.settings import (
    ALONE,
    ALONE_EPOCHS,
    EPOCHS,
    HELD_BACK,
    MAX_PASSAGES,
    PAIR_REPEATS,
    Arm,
    Settings,
)
from datagen.json_types import JsonObject
from datagen.run.folder import Run
from datagen.schema import fraction
from datagen.store.parquet import read_json, write_json

FILE = "plan.json"
FIRST = 48  # passages of the first cost estimate
MIN_PASSAGES = 8


@dataclass(frozen=True)
class Speed:
    """Tokens per second of one of `processes` concurrent fits, and the seconds before its first step."""

    train: float
    measure: float
    start: float
    processes: int = 1


@dataclass
class Plan:
    """
    The input of the fits.

    Parameters
    ----------
    source
        Path or hub id of the target.
    tokens
        Tokens that each arm trains.
    passages
        Ids of the drawn passages.
    items
        The test items.
    rows
        Arm -> its rows.
    budgets
        Arm -> tokens that it trains.
    skipped
        Arm -> reason why it is not run.
    held_out, general
        Texts whose loss is measured.
    left_out
        Reason -> number of removed items.
    pairs
        Number of pairs that the arms `pairs` and `pairs_alone` train.
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
        """Write the plan atomically."""
        write_json(asdict(self), folder / FILE)

    @classmethod
    def load(cls, folder: Path) -> "Plan":
        """Read a plan from its file; raises `UserError` if it is damaged."""
        try:
            fields = read_json(folder / FILE)
            fields["items"] = [Item(**item | {"choices": tuple(item["choices"])}) for item in fields["items"]]
            fields["rows"] = {arm: [Row(**row) for row in rows] for arm, rows in fields["rows"].items()}
            return cls(**fields)
        except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
            raise UserError(
                f"{folder / FILE} is damaged ({error}). Delete {folder} and run the same command again: the "
                "fits in it belong to this plan"
            ) from error


@dataclass(frozen=True)
class Draw:
    """Passages in the order of sampling, and the documents of the format control."""

    passages: list[str]
    control: set[str]


def draw(survey: Survey, seed: str) -> Draw:
    """Order the passages for sampling, and choose the documents of the format control."""
    with_pairs = {survey.documents[passage] for passage in survey.with_pairs}
    ordered = sorted(with_pairs, key=lambda document: fraction("prove", seed, document))
    control = set(ordered[1::2])
    needed = survey.with_text if survey.with_text else survey.with_pairs
    free = [passage for passage in needed if survey.documents[passage] not in control]
    order = sorted(
        free,
        key=lambda passage: (passage not in survey.with_pairs, fraction("prove", seed, passage)),
    )
    return Draw(order[:MAX_PASSAGES], control)


def make(
    run: Run,
    survey: Survey,
    source: str,
    encoder: Encoder,
    settings: Settings,
    general: list[str],
    speed: Speed,
) -> Plan:
    """
    Plan a proof that fits the time limit or the token budget.

    Raises
    ------
    UserError
        If too few passages have training rows, or there are no items about them.
    """
    drawn = draw(survey, str(settings.seed))
    available = len(drawn.passages)
    if available < MIN_PASSAGES:
        raise UserError(
            f"a proof needs {MIN_PASSAGES} passages with training rows outside the control's documents, but "
            f"there are {available}. Run the recipe on more documents"
        )

    builder = Builder(run, survey, drawn, source, encoder, settings, general, Rules(str(settings.seed)))
    count = min(FIRST, available)
    plan = builder.build(count)
    for _ in range(2):  # the cost is not quite proportional to the number of passages
        fitting = round(count * _affordable(plan, encoder, settings, speed))
        target = max(MIN_PASSAGES, min(available, fitting))
        if target == count:
            break
        count = target
        plan = builder.build(count)
    if not plan.budgets:
        why = "; ".join(f"{arm}: {reason}" for arm, reason in plan.skipped.items())
        raise UserError(f"there is no arm to train ({why or 'only base was requested'})")
    if not plan.items:
        raise UserError(f"no test items could be made of the {count} sampled passages: {plan.left_out}")
    return plan


@dataclass(frozen=True)
class Builder:
    """Builds plans of different sizes from the same run and settings."""

    run: Run
    survey: Survey
    drawn: Draw
    source: str
    encoder: Encoder
    settings: Settings
    general: list[str]
    rules: Rules

    def build(self, count: int) -> Plan:
        """Build a plan with the first `count` passages."""
        seed, passages = str(self.settings.seed), self.drawn.passages[:count]
        material = read(self.run, self.survey, passages, self.drawn.control, seed)
        trained, held = item_rules.held_back(material.pairs, HELD_BACK, seed)
        questions = [*held, *material.tests]
        material.texts = arm_rows.exclude_questions(material.texts, questions)
        arms = arm_rows.make(material, trained, self.settings.arms, seed)
        items, left_out = self._items(material, arms, trained, questions)
        tokens, budgets = self._budgets(material, arms)
        return Plan(
            source=self.source,
            tokens=tokens,
            passages=passages,
            items=items,
            rows=arms.rows,
            budgets=budgets,
            skipped={arm: why for arm, why in arms.skipped.items() if arm in self.settings.arms},
            held_out=material.held_out,
            general=self.general,
            left_out=left_out,
            pairs=len(_pairs(arms.rows)),
        )

    def _items(
        self, material: Material, arms: Arms, trained: Sequence[Pair], questions: Sequence[Pair]
    ) -> tuple[list[Item], dict[str, int]]:
        rows = [row for rows in arms.rows.values() for row in rows]
        in_arms = {(row.passage, row.question) for row in rows if row.question}
        every = [*trained, *material.others, *material.dropped]
        used = [pair for pair in every if (pair.passage, pair.question) in in_arms]
        own = {(row.passage, row.question) for row in _pairs(arms.rows)}
        facts = [pair for pair in trained if (pair.passage, pair.question) in own]
        texts = dict.fromkeys(row.text for row in rows if not row.question)
        items, left_out = item_rules.make(
            self.rules, material, questions, facts, used, texts, str(self.settings.seed)
        )
        if not set(arms.rows) - {"base", *ALONE}:
            items = [item for item in items if item.seen]  # they are compared on these only
        return items, left_out

    def _budgets(self, material: Material, arms: Arms) -> tuple[int, dict[Arm, int]]:
        """Return the token budget of the proof, and that of each trained arm."""
        raw = _sizes([Row(id_, row["text"]) for id_, row in material.passages.items()], self.encoder)
        tokens = self.settings.tokens or round(EPOCHS * sum(raw.values()))
        budgets: dict[Arm, int] = {arm: tokens for arm in arms.rows if arm != "base"}
        if "raw_exposures" in budgets:
            reading = [Row(text.passage, text.text) for text in material.texts]
            sizes = _sizes(reading, self.encoder)
            budgets["raw_exposures"] = equal_exposures(tokens, raw, sizes, text_counts(reading))
        for arm in ALONE:
            if arm in budgets:
                pairs = sum(
                    len(tokens.response) for row in arms.rows[arm] for tokens in self.encoder.row(row)
                )
                budgets[arm] = ALONE_EPOCHS * PAIR_REPEATS * pairs
        return tokens, budgets


def _pairs(rows: Mapping[Arm, Sequence[Row]]) -> list[Row]:
    """Return the trained pairs, which `pairs` and `pairs_alone` have in common."""
    return [row for row in rows.get("pairs") or rows.get("pairs_alone", ()) if row.question]


def _sizes(rows: Sequence[Row], encoder: Encoder) -> dict[str, int]:
    """Count the trained tokens of each passage's texts."""
    sizes: dict[str, int] = {}
    for row in rows:
        if not row.question:
            count = sum(len(tokens.response) for tokens in encoder.row(row))
            sizes[row.passage] = sizes.get(row.passage, 0) + count
    return sizes


def _affordable(plan: Plan, encoder: Encoder, settings: Settings, speed: Speed) -> float:
    """Return the factor by which the number of passages can change."""
    if settings.tokens:  # enough for `EPOCHS` epochs
        in_epoch = sum(
            _sizes(plan.rows.get("raw") or next(filter(None, plan.rows.values())), encoder).values()
        )
        return settings.tokens / (EPOCHS * max(1, in_epoch))
    seconds = cost(plan, encoder, settings.seeds, speed)
    fixed = speed.start * (len(plan.budgets) * settings.seeds + 1) / speed.processes
    return max(0.01, (60 * settings.minutes - fixed) / max(1e-6, seconds - fixed))


def cost(plan: Plan, encoder: Encoder, seeds: int, speed: Speed) -> float:
    """Estimate the seconds of all fits, including measurements."""
    measured = sum(len(row) for item in plan.items for row in encoder.choices(item))
    measured += sum(len(row) for text in (*plan.held_out, *plan.general) for row in encoder.text(text))
    fits = [_computed(plan, arm, encoder) / speed.train for arm in plan.budgets]
    each = speed.start + measured / speed.measure
    return (sum(seconds + each for seconds in fits) * seeds + each) / speed.processes


def _computed(plan: Plan, arm: Arm, encoder: Encoder) -> float:
    """Estimate the tokens that an arm computes for its budget, including untrained prompts."""
    repeated = [row for row in plan.rows[arm] if row.question] * (PAIR_REPEATS - 1)
    rows = [tokens for row in [*plan.rows[arm], *repeated] for tokens in encoder.row(row)]
    trained = sum(len(row.response) for row in rows)
    return plan.budgets[arm] * sum(map(len, rows)) / max(1, trained)


def summary(plan: Plan) -> JsonObject:
    """Summarise a plan for the result."""
    return {
        "tokens": plan.tokens,
        "passages": len(plan.passages),
        "items": len(plan.items),
        "pairs": plan.pairs,
        "left_out": plan.left_out,
        "skipped": plan.skipped,
    }
