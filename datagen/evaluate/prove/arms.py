"""
What each arm trains on.

All arms but `base` and `raw_exposures` train the same number of tokens, whatever their rows are: an arm's
rows are seen epoch after epoch until its budget is spent. Pairs add tokens, answers' form and facts, so they
are compared with the format control, which has as many pairs about other documents, and never with `raw`.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from datagen.evaluate.prove.material import Material, Pair, Text
from datagen.evaluate.prove.settings import DROPPED, Arm
from datagen.schema import content_id
from datagen.stages.handoff.mix.questions import same

# Arm -> what it is compared with. Whether `pairs` helps is a question about the format control alone.
CONTROLS: tuple[tuple[Arm, Arm], ...] = (
    ("raw", "base"),
    ("reading", "raw"),
    ("reading", "raw_exposures"),
    ("pairs", "format_control"),
    ("pairs", "unfiltered"),
)


@dataclass(frozen=True)
class Row:
    """A training row: a text, or a question with its answer in `text`."""

    passage: str
    text: str
    question: str = ""


@dataclass(frozen=True)
class Arms:
    """The rows of each arm, and why others are left out."""

    rows: dict[Arm, list[Row]]
    skipped: dict[Arm, str]

    def texts(self, arm: Arm) -> Counter[str]:
        """Count the texts of an arm about each passage."""
        return Counter(row.passage for row in self.rows[arm] if not row.question)


def without(texts: Sequence[Text], asked: Sequence[Pair]) -> list[Text]:
    """
    Leave out the reading texts that hold a question which is held back, as `mix` does for its test.

    A passage keeps one text at least; a question that stands in it is then not asked.
    """
    questions: dict[str, list[str]] = defaultdict(list)
    for pair in asked:
        questions[pair.passage].append(same(pair.question))
    gives = [any(one in same(text.text) for one in questions[text.passage]) for text in texts]
    covered = {text.passage for text, given in zip(texts, gives, strict=True) if not given}
    return [
        text for text, given in zip(texts, gives, strict=True) if not given or text.passage not in covered
    ]


def make(material: Material, trained: Sequence[Pair], wanted: Sequence[Arm], seed: str) -> Arms:
    """
    Give each wanted arm its rows.

    Parameters
    ----------
    material
        The drawn passages and what the run has about them.
    trained
        Pairs about them that may be trained.
    wanted
        Arms that were asked for.
    seed
        Draws pairs where there are too many.
    """
    raw = [Row(passage, row["text"]) for passage, row in sorted(material.passages.items())]
    reading = [Row(text.passage, text.text) for text in material.texts]
    count = min(len(trained), len(material.others))
    pairs, control = (_drawn(those, count, seed) for those in (trained, material.others))
    dropped = [pair for pair in material.dropped if pair.passage in material.passages]
    share = len(dropped) / max(1, len(dropped) + len(trained))
    mixed = _drawn([*trained, *dropped], count, seed)
    rows: dict[Arm, list[Row]] = {
        "base": [],
        "raw": raw,
        "raw_exposures": raw,
        "reading": reading,
        "pairs": [*raw, *_chats(pairs)],
        "format_control": [*raw, *_chats(control)],
        "unfiltered": [*raw, *_chats(mixed)],
    }
    skipped: dict[Arm, str] = {}
    if not reading:
        skipped |= dict.fromkeys(("reading", "raw_exposures"), "the hand-off has no reading texts about them")
    if not count:
        why = "the hand-off has no pairs that stand alone, about these passages and about other documents"
        skipped |= dict.fromkeys(("pairs", "format_control", "unfiltered"), why)
    elif share <= DROPPED:
        skipped["unfiltered"] = (
            f"filters dropped {len(dropped)} of {len(dropped) + len(trained)} usable pairs; the arm is run "
            f"above {DROPPED:.0%}"
        )
    return Arms({arm: mine for arm, mine in rows.items() if arm in wanted and arm not in skipped}, skipped)


def equal_exposures(
    tokens: int, raw: Mapping[str, int], reading: Mapping[str, int], texts: Mapping[str, int]
) -> int:
    """
    Find the tokens for which `raw` sees each passage as often, on average, as `reading` does.

    Parameters
    ----------
    tokens
        Budget of the arm `reading`.
    raw, reading
        Tokens of each passage, and of all texts about it.
    texts
        Number of texts about each passage.
    """
    epochs = tokens / max(1, sum(reading.values()))
    exposures = epochs * sum(texts.values()) / max(1, len(texts))
    return max(1, round(exposures * sum(raw.values())))


def _drawn(pairs: Sequence[Pair], count: int, seed: str) -> list[Pair]:
    return sorted(pairs, key=lambda pair: content_id("pairs", seed, pair.id))[:count]


def _chats(pairs: Sequence[Pair]) -> list[Row]:
    return [Row(pair.passage, pair.answer, pair.question) for pair in pairs]
