"""
The training rows of each arm.

An arm and its control train the same number of tokens (except `raw_exposures`): an arm repeats its rows until
its budget is used up. Pairs add tokens, an answer format and facts. They are therefore compared with the
format control, which has the same number of pairs about other documents, and never with `raw`.

`shuffled` has the questions and the answers of `pairs_alone`, wrongly assigned: only answers that fit their
questions surpass it. Both omit the passages, which would teach the facts to both.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from datagen.evaluate.prove.material import Material, Pair, Text
from datagen.evaluate.prove.settings import DROPPED, Arm
from datagen.schema import content_id
from datagen.stages.handoff.mix.mentions import same

# Arms and their controls.
CONTROLS: tuple[tuple[Arm, Arm], ...] = (
    ("raw", "base"),
    ("reading", "raw"),
    ("reading", "raw_exposures"),
    ("pairs", "format_control"),
    ("pairs", "unfiltered"),
    ("pairs_alone", "shuffled"),
)

PAIR_ARMS: tuple[Arm, ...] = ("pairs", "format_control", "pairs_alone", "shuffled", "unfiltered")


@dataclass(frozen=True)
class Row:
    """A training row: a text, or a question with its answer in `text`."""

    passage: str
    text: str
    question: str = ""


@dataclass(frozen=True)
class Arms:
    """The rows of each arm, and the reasons why arms are skipped."""

    rows: dict[Arm, list[Row]]
    skipped: dict[Arm, str]


def text_counts(rows: Iterable[Row]) -> Counter[str]:
    """Count the texts about each passage."""
    return Counter(row.passage for row in rows if not row.question)


def exclude_questions(texts: Sequence[Text], held_out: Sequence[Pair]) -> list[Text]:
    """
    Remove the reading texts that contain a held-out question, as `mix` does for the knowledge test.

    If all texts of a passage contain one, they are kept, and the questions are not tested.
    """
    questions: dict[str, list[str]] = defaultdict(list)
    for pair in held_out:
        questions[pair.passage].append(same(pair.question))
    contains = [any(question in same(text.text) for question in questions[text.passage]) for text in texts]
    covered = {text.passage for text, contains_one in zip(texts, contains, strict=True) if not contains_one}
    return [
        text
        for text, contains_one in zip(texts, contains, strict=True)
        if not contains_one or text.passage not in covered
    ]


def make(material: Material, trained: Sequence[Pair], wanted: Sequence[Arm], seed: str) -> Arms:
    """
    Assemble the rows of each requested arm.

    Parameters
    ----------
    material
        The sampled passages and the rows about them.
    trained
        Pairs about them that may be trained.
    wanted
        Requested arms.
    seed
        Seed for sampling pairs, if there are too many.
    """
    raw = [Row(passage, row["text"]) for passage, row in sorted(material.passages.items())]
    reading = [Row(text.passage, text.text) for text in material.texts]
    count = min(len(trained), len(material.others))
    pairs, control = (_drawn(candidates, count, seed) for candidates in (trained, material.others))
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
        "pairs_alone": _chats(pairs),
        "shuffled": _chats(shuffle(pairs, seed)),
        "unfiltered": [*raw, *_chats(mixed)],
    }
    skipped: dict[Arm, str] = {}
    if not reading:
        skipped |= dict.fromkeys(
            ("reading", "raw_exposures"), "the hand-off has no reading texts about the sampled passages"
        )
    if not count:
        why = "the hand-off lacks self-contained pairs, about these passages or about other documents"
        skipped |= dict.fromkeys(PAIR_ARMS, why)
    elif share <= DROPPED:
        skipped["unfiltered"] = (
            f"filters dropped {len(dropped)} of {len(dropped) + len(trained)} usable pairs, and the arm "
            f"needs more than {DROPPED:.0%}"
        )
    return Arms(
        {arm: of_arm for arm, of_arm in rows.items() if arm in wanted and arm not in skipped}, skipped
    )


def equal_exposures(
    tokens: int, raw: Mapping[str, int], reading: Mapping[str, int], texts: Mapping[str, int]
) -> int:
    """
    Compute the token budget with which `raw` sees each passage as often, on average, as `reading` does.

    Parameters
    ----------
    tokens
        Budget of the arm `reading`.
    raw, reading
        Tokens per passage: of its raw text, and of all reading texts about it.
    texts
        Number of reading texts per passage.
    """
    epochs = tokens / max(1, sum(reading.values()))
    exposures = epochs * sum(texts.values()) / max(1, len(texts))
    return max(1, round(exposures * sum(raw.values())))


def shuffle(pairs: Sequence[Pair], seed: str) -> list[Pair]:
    """
    Exchange the answers of pairs.

    The pairs are ordered by answer and the answers moved by the size of the largest group of equal ones, so
    that each question gets another answer unless more than half of the answers are equal.
    """
    order = sorted(pairs, key=lambda pair: (content_id("shuffled", seed, same(pair.answer)), pair.id))
    move = max(Counter(same(pair.answer) for pair in order).values(), default=0)
    answers = [pair.answer for pair in order]
    moved = answers[move:] + answers[:move]
    exchanged = {pair.id: replace(pair, answer=answer) for pair, answer in zip(order, moved, strict=True)}
    return [exchanged[pair.id] for pair in pairs]


def _drawn(pairs: Sequence[Pair], count: int, seed: str) -> list[Pair]:
    return sorted(pairs, key=lambda pair: content_id("pairs", seed, pair.id))[:count]


def _chats(pairs: Sequence[Pair]) -> list[Row]:
    return [Row(pair.passage, pair.answer, pair.question) for pair in pairs]
