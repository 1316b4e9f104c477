"""
Questions that stand alone: which lose their passage, and which are held back to test what the model knows.

A row with its passage in the prompt teaches to read it; without the passage it teaches the fact. A question
that a refusal declines is never asked closed-book in training, or the two would contradict each other.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from datagen.request import Reject
from datagen.schema import fraction
from datagen.stage import Context, Partitions
from datagen.stages.handoff.mix.ledger import Flags
from datagen.stages.shared import checks
from datagen.stages.shared.language.rules import Language, Languages

COLUMNS = ["id", "kind", "task", "question", "context", "answer", "prompt", "text", "lineage"]
LONGEST_ANSWER = 80  # characters of an answer among choices
CHOICES = 3  # wrong ones beside the right one
POOL = 2_000  # answers of a kind that choices are drawn from
# Tasks that are about having a passage: without it there is nothing to learn.
NEEDS_PASSAGE = ("found_in_context",)
NUMBER = re.compile(r"\d")
CODE = re.compile(r"[_()\[\]{}=<>]|\w\.\w")


@dataclass
class Plan:
    """
    What becomes of rows that ask.

    Parameters
    ----------
    closed
        Ids of rows that lose their passage.
    both
        Ids of rows that are handed off with and without it.
    held
        Ids of the knowledge test, with their choices.
    spent
        Ids of rows that ask what the knowledge test asks.
    alone
        Rows whose question stands alone.
    """

    closed: set[str] = field(default_factory=set)
    both: set[str] = field(default_factory=set)
    held: dict[str, dict[str, Any]] = field(default_factory=dict)
    spent: set[str] = field(default_factory=set)
    alone: int = 0


@dataclass(frozen=True)
class Text:
    """A training text about a passage, in which a question may stand with its answer."""

    id: str
    passage: str
    words: str


@dataclass(frozen=True)
class Asked:
    """A training row that asks."""

    id: str
    document: str
    passage: str
    question: str
    answer: str
    shown: bool  # whether its prompt has the passage


def same(text: str) -> str:
    """Reduce a text to what must be equal for two to ask, or say, the same."""
    return " ".join(re.findall(r"\w+", text.casefold()))


def plan(
    partitions: Partitions,
    train: Sequence[Flags],
    closed_book: float,
    both_forms: float,
    test: float,
    context: Context,
) -> Plan:
    """
    Decide which rows lose their passage and which are held back.

    Parameters
    ----------
    partitions
        All rows.
    train
        For each partition, which rows are for training.
    closed_book
        Share of the pairs with a passage, of those that stand alone, that lose it.
    both_forms
        Share of them that are handed off in both forms.
    test
        Share of the questions that stand alone, about documents with reading texts, that are held back.
    context
        The running stage.
    """
    seed, languages = str(context.seed), Languages(context)
    found, refused, answers = Plan(), set[str](), dict[str, list[tuple[str, str]]]()
    pairs: list[Asked] = []
    for row, trained in _rows(partitions, train):
        document, passage = _origin(row)
        if row["kind"] in ("refusal", "preference") and row["question"]:
            if trained and not row["context"]:
                refused.add(same(row["question"]))
        elif trained and row["kind"] == "instruction" and row["answer"]:
            answers.setdefault(document, []).append((same(row["question"] or ""), row["answer"]))
            if stands_alone(row, languages.of(row)):
                shown = bool(row["context"])
                pairs.append(Asked(row["id"], document, passage, same(row["question"]), row["answer"], shown))
    pairs = [pair for pair in pairs if pair.question not in refused]
    found.alone = len(pairs)
    if test:
        drawn = [pair for pair in pairs if fraction("knowledge", seed, pair.question) < test]
        candidates = [pair for pair in drawn if len(pair.answer) <= LONGEST_ANSWER]
        texts = _read_texts(partitions, train, {pair.document for pair in candidates})
        _hold(found, candidates, answers, texts, seed)
        questions = {pair.question for pair in pairs if pair.id in found.held}
        if questions:
            found.spent |= {
                row["id"]
                for row, _ in _rows(partitions, train)
                if row["kind"] == "instruction" and same(row["question"] or "") in questions
            } - found.held.keys()
    gone = found.spent | found.held.keys()
    for pair in pairs:
        if pair.shown and pair.id not in gone:
            draw = fraction("closed book", seed, pair.id)
            if draw < closed_book:
                found.closed.add(pair.id)
            elif draw < closed_book + both_forms:
                found.both.add(pair.id)
    return found


def stands_alone(row: dict[str, Any], language: Language) -> bool:
    """Whether a row is one question and its answer, and the question is understood without the passage."""
    users = [turn for turn in row["prompt"] or [] if turn["role"] != "system"]
    if len(users) != 1 or not row["question"] or row["task"] in NEEDS_PASSAGE:
        return False
    try:
        checks.question(row["question"], language)
        checks.stands_alone(row["question"], language, asks=True)
        checks.particular(row["question"], language)
    except Reject:
        return False
    return True


def _hold(
    found: Plan,
    candidates: list[Asked],
    answers: dict[str, list[tuple[str, str]]],
    texts: dict[str, list[Text]],
    seed: str,
) -> None:
    """
    Hold back candidates that have enough choices, one row a question.

    Texts that ask the same go with them; another text about the passage must be left to learn it from.
    """
    everything = sorted({answer for said in answers.values() for _, answer in said})
    pool: dict[str, list[str]] = {}
    for answer in sorted(everything, key=lambda text: fraction("pool", seed, text)):
        if len(answer) <= LONGEST_ANSWER and len(listed := pool.setdefault(shape(answer), [])) < POOL:
            listed.append(answer)
    taken: set[str] = set()
    for pair in sorted(candidates, key=lambda pair: pair.id):
        about = texts.get(pair.document, [])
        giving = {text.id for text in about if pair.question in text.words}
        left = [
            text for text in about if text.id not in giving | found.spent and text.passage == pair.passage
        ]
        others = _choices(pair, pool.get(shape(pair.answer), []), seed)
        if pair.question in taken or not left or len(others) < CHOICES:
            continue
        taken.add(pair.question)
        found.spent |= giving
        choices = sorted([*others, pair.answer], key=lambda text: fraction("place", seed, pair.id, text))
        # Whether another pair says the same of the same document: its fact is then trained as a pair.
        in_pairs = any(
            same(answer) == same(pair.answer)
            for question, answer in answers.get(pair.document, ())
            if question != pair.question
        )
        found.held[pair.id] = {
            "choices": choices,
            "gold": choices.index(pair.answer),
            "in_pairs": in_pairs,
        }


def _choices(pair: Asked, pool: list[str], seed: str) -> list[str]:
    """Draw wrong answers of the right one's kind; none holds the other, and none stands in the question."""
    right = same(pair.answer)
    found: list[str] = []
    for answer in sorted(pool, key=lambda text: fraction("choice", seed, pair.id, text)):
        said = same(answer)
        apart = said and said not in right and right not in said and said not in pair.question
        if apart and all(said != same(other) for other in found):
            found.append(answer)
            if len(found) == CHOICES:
                break
    return found


def shape(answer: str) -> str:
    """Tell an answer's kind by its form: a number, code, a name, a word, a phrase or a sentence."""
    if NUMBER.search(answer):
        return "number"
    count = len(answer.split())
    if CODE.search(answer) and count <= 4:
        return "code"
    if count <= 4 and any(word[0].isupper() for word in answer.split()[1:]):
        return "name"
    return "word" if count == 1 else "phrase" if count <= 6 else "sentence"


def _rows(partitions: Partitions, train: Sequence[Flags]) -> Iterator[tuple[dict[str, Any], bool]]:
    names = [name for name in COLUMNS if name != "text"]
    for table, trained in zip(partitions.columns(names), train, strict=True):
        for row, is_trained in zip(table.to_pylist(), trained, strict=True):
            yield row, bool(is_trained)


def _read_texts(partitions: Partitions, train: Sequence[Flags], documents: set[str]) -> dict[str, list[Text]]:
    """Read the training texts of some documents."""
    texts: dict[str, list[Text]] = {}
    if not documents:
        return texts
    for table, trained in zip(partitions.columns(["id", "kind", "text", "lineage"]), train, strict=True):
        for row, is_trained in zip(table.to_pylist(), trained, strict=True):
            document, passage = _origin(row)
            if is_trained and row["kind"] == "reading" and document in documents:
                texts.setdefault(document, []).append(Text(row["id"], passage, same(row["text"] or "")))
    return texts


def _origin(row: dict[str, Any]) -> tuple[str, str]:
    """Give the document and passage of a row."""
    lineage = row["lineage"] or {}
    return lineage.get("document_id") or "", lineage.get("passage_id") or ""
