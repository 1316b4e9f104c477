"""Verdicts on the questions of a proof, a sentence for each, and the measures of each arm."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from datagen.evaluate.prove.arms import CONTROLS
from datagen.evaluate.prove.effect import Outcome, decide, difference, p_gold
from datagen.evaluate.prove.items import Item
from datagen.evaluate.prove.settings import LEVEL, Arm
from datagen.json_types import JsonObject

Fits = Mapping[tuple[Arm, int], JsonObject]  # (arm, seed) -> what `fit` wrote; base has seed 0

FAMILIES = {"cloze": ("cloze",), "questions": ("reworded", "question")}
NAMES = {"cloze": "sentences of the passages", "questions": "closed-book questions"}


@dataclass(frozen=True)
class Question:
    """A question that a proof answers: an arm compared with its control, on some of the items."""

    name: str
    arm: Arm
    control: Arm
    description: str
    seen: bool | None = None  # items on facts of trained pairs only, or on others only; None: all

    @property
    def about_hand_off(self) -> bool:
        """Whether it is about a gain of the hand-off. Surpassing wrong answers is none."""
        return self.arm != "raw" and self.control != "shuffled"


QUESTIONS = (
    Question("training", "raw", "base", "Training on raw passages, compared with no training"),
    Question("reading", "reading", "raw", "Reading texts, compared with raw passages at equal tokens"),
    Question(
        "reading_exposures",
        "reading",
        "raw_exposures",
        "Reading texts, compared with raw passages at equal exposures",
    ),
    Question(
        "answers",
        "pairs_alone",
        "shuffled",
        "Closed-book pairs alone, compared with shuffled answers to the same questions, on their facts",
        True,
    ),
    Question(
        "pairs_seen",
        "pairs",
        "format_control",
        "Closed-book pairs, compared with as many pairs about other documents, on the facts in the pairs",
        True,
    ),
    Question(
        "pairs_unseen",
        "pairs",
        "format_control",
        "Closed-book pairs, compared with as many pairs about other documents, on other facts",
        False,
    ),
    Question(
        "filters", "pairs", "unfiltered", "Pairs that pass the filters, compared with a random selection"
    ),
)
assert all((question.arm, question.control) in CONTROLS for question in QUESTIONS)


@dataclass(frozen=True)
class Verdict:
    """
    The answer to a question from one family of items.

    Parameters
    ----------
    question, family
        Name of the question, and family of the items.
    items, passages, seeds
        Numbers measured.
    effect, low, high
        Mean difference of P(gold), arm minus control, and its 95 % interval.
    detectable
        The gain that this number of items detects with 80 % power.
    outcome
        The verdict.
    more
        Further items needed for a verdict; 0 if there is one.
    """

    question: str
    family: str
    items: int
    passages: int
    seeds: int
    effect: float
    low: float
    high: float
    detectable: float
    outcome: Outcome
    more: int = 0

    def phrase(self) -> str:
        """Describe it as part of a sentence."""
        if not self.items:
            return f"there are no items of the family {NAMES[self.family]}"
        figures = f"{self.effect:+.3f}, {LEVEL:.0%} interval {self.low:+.3f} to {self.high:+.3f}"
        size = f"{self.items} item{'s' if self.items != 1 else ''}"
        word: str = self.outcome
        if self.outcome == "does not help" and self.high < 0:
            word = "does not help but harms"
        if self.more:
            word = f"cannot tell, {self.more:,} more items needed"
        return f"on {NAMES[self.family]}: {word} ({figures}; {size})"


def verdicts(fits: Fits, items: Sequence[Item], worth: float) -> list[Verdict]:
    """Answer each question whose arms were run, per family of items, on the seeds that both arms have."""
    results = []
    for question in QUESTIONS:
        seeds = sorted({seed for arm, seed in fits if arm == question.arm})
        if question.control != "base":
            seeds = [seed for seed in seeds if (question.control, seed) in fits]
        elif ("base", 0) not in fits:
            continue
        if not seeds:
            continue
        arm = [fits[question.arm, seed] for seed in seeds]
        control = [fits[question.control, 0 if question.control == "base" else seed] for seed in seeds]
        for family, kinds in FAMILIES.items():
            selected = [item for item in items if item.family in kinds and question.seen in (None, item.seen)]
            differences = difference(arm, control, selected)
            passages = [item.passage for item in selected]
            decided = decide(differences, passages, worth)
            results.append(
                Verdict(question.name, family, len(selected), len(set(passages)), len(seeds), *decided)
            )
    return results


def sentences(answered: Sequence[Verdict]) -> list[str]:
    """Summarise the verdicts of each question in one sentence."""
    lines = []
    for question in QUESTIONS:
        of_question = [verdict for verdict in answered if verdict.question == question.name]
        if of_question:
            lines.append(f"{question.description}: {'; '.join(verdict.phrase() for verdict in of_question)}.")
    return lines


def gains(answered: Sequence[Verdict]) -> bool:
    """Check whether the hand-off is better than any of its controls, on any family of items."""
    names = {question.name for question in QUESTIONS if question.about_hand_off}
    return any(verdict.outcome == "helps" and verdict.question in names for verdict in answered)


def measures(fits: Fits, items: Sequence[Item]) -> dict[str, dict[str, float | None]]:
    """
    Average the measures of each arm over its seeds.

    Returns
    -------
    dict
        Arm -> measure -> value: P(gold) by family, and on seen and unseen facts; the loss of the right
        answer in nats per token; accuracy by total and by mean log probability; losses of texts.
    """
    table: dict[str, dict[str, float | None]] = {}
    for arm in dict.fromkeys(arm for arm, _ in fits):
        mine = [fit for (name, _), fit in fits.items() if name == arm]
        rows = [_measured(fit, items) for fit in mine]
        table[arm] = {name: _mean([row[name] for row in rows]) for name in rows[0]}
    return table


def _measured(fit: JsonObject, items: Sequence[Item]) -> dict[str, float | None]:
    measured = [fit["items"][item.id] for item in items]
    sums = [np.array(part[0], np.float64) for part in measured]
    by_token = [np.array(part[0], np.float64) / np.array(part[1], np.float64) for part in measured]
    gold = {item.id: p_gold(part[0]) for item, part in zip(items, measured, strict=True)}

    def part(*families: str, seen: bool | None = None) -> float | None:
        return _mean([gold[i.id] for i in items if i.family in families and seen in (None, i.seen)])

    every = FAMILIES["cloze"] + FAMILIES["questions"]
    return {
        "cloze": part("cloze"),
        "reworded": part("reworded"),
        "question": part("question"),
        "seen": part(*every, seen=True),
        "unseen": part(*every, seen=False),
        "answer_loss": _mean([-float(means[0]) for means in by_token]),
        "accuracy": _mean([float(log_probabilities.argmax() == 0) for log_probabilities in sums]),
        "accuracy_by_token": _mean([float(means.argmax() == 0) for means in by_token]),
        "held_out_loss": fit["held_out"],
        "general_loss": fit["general"],
    }


def _mean(values: Sequence[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return float(np.mean(present)) if present else None


def as_rows(answered: Sequence[Verdict]) -> list[JsonObject]:
    """Convert verdicts to plain values for JSON."""
    rows = [asdict(verdict) for verdict in answered]
    return [
        row | {"detectable": None if math.isinf(row["detectable"]) else row["detectable"]} for row in rows
    ]
