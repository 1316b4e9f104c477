"""
Self-contained questions: select those that lose their passage, and those held out as a knowledge test.

A row with its passage in the prompt trains reading; without the passage it trains the fact. A question that a
refusal declines closed-book is never answered closed-book in training, because the two would contradict each
other. A question that is declined with another passage keeps its own, as the contrast.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from datagen.request import Reject
from datagen.rows import Row
from datagen.schema import fraction
from datagen.stage import Context, Partitions
from datagen.stages.handoff.mix.ledger import Flags
from datagen.stages.shared import checks
from datagen.stages.shared.language.rules import Language, Languages
from datagen.stages.shared.language.words import words_of
from datagen.stages.shared.passage import phrase_in

COLUMNS = ["id", "kind", "task", "question", "context", "answer", "prompt", "text", "lineage"]
LONGEST_ANSWER = 80  # maximum characters of an answer in the test
CHOICES = 3  # wrong answers per question
POOL = 2_000  # answers per shape from which wrong answers are sampled
# Tasks that are pointless without a passage.
NEEDS_PASSAGE = ("found_in_context",)
NUMBER = re.compile(r"\d")
CODE = re.compile(r"[_()\[\]{}=<>]|\w\.\w")


@dataclass
class Plan:
    """
    Decisions on rows with questions.

    Parameters
    ----------
    closed
        Ids of rows that lose their passage.
    both
        Ids of rows that are handed off with and without it.
    held
        Ids of the knowledge test, with their choices.
    spent
        Ids of rows with a question of the knowledge test.
    alone
        Number of rows with a self-contained question.
    """

    closed: set[str] = field(default_factory=set)
    both: set[str] = field(default_factory=set)
    held: dict[str, Row] = field(default_factory=dict)
    spent: set[str] = field(default_factory=set)
    alone: int = 0


@dataclass(frozen=True)
class Text:
    """A reading text about a passage, which may contain a question with its answer."""

    id: str
    passage: str
    words: str


@dataclass(frozen=True)
class Pair:
    """A training row with a question and its answer."""

    id: str
    document: str
    passage: str
    question: str
    answer: str
    shown: bool  # whether its prompt has the passage


def same(text: str) -> str:
    """Normalise a text for comparison: lower-case words only."""
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
    Decide which rows lose their passage and which are held out.

    Parameters
    ----------
    partitions
        All rows.
    train
        For each partition, which rows are for training.
    closed_book
        Share of the self-contained pairs with a passage that lose it.
    both_forms
        Share of them that are handed off in both forms.
    test
        Share of the self-contained questions, about documents with reading texts, that are held out.
    context
        The running stage.
    """
    seed, languages = str(context.seed), Languages(context)
    result, refused, contrasted = Plan(), set[str](), set[str]()
    answers = dict[str, list[tuple[str, str]]]()
    pairs: list[Pair] = []
    for row, trained in _rows(partitions, train):
        document, passage = _origin(row)
        if row["kind"] in ("refusal", "preference") and row["question"]:
            if trained:
                (contrasted if row["context"] else refused).add(same(row["question"]))
        elif trained and row["kind"] == "instruction" and row["answer"]:
            answers.setdefault(document, []).append((same(row["question"] or ""), row["answer"]))
            if stands_alone(row, languages.of(row)):
                shown = bool(row["context"])
                pairs.append(Pair(row["id"], document, passage, same(row["question"]), row["answer"], shown))
    pairs = [pair for pair in pairs if pair.question not in refused]
    result.alone = len(pairs)
    if test:
        sampled = [pair for pair in pairs if fraction("knowledge", seed, pair.question) < test]
        candidates = [pair for pair in sampled if len(pair.answer) <= LONGEST_ANSWER]
        texts = _read_texts(partitions, train, {pair.document for pair in candidates})
        _hold_out(result, candidates, answers, texts, seed)
        questions = {pair.question for pair in pairs if pair.id in result.held}
        if questions:
            result.spent |= {
                row["id"]
                for row, _ in _rows(partitions, train)
                if row["kind"] == "instruction" and same(row["question"] or "") in questions
            } - result.held.keys()
    excluded = result.spent | result.held.keys()
    for pair in pairs:
        if pair.shown and pair.id not in excluded and pair.question not in contrasted:
            draw = fraction("closed book", seed, pair.id)
            if draw < closed_book:
                result.closed.add(pair.id)
            elif draw < closed_book + both_forms:
                result.both.add(pair.id)
    return result


def stands_alone(row: Row, language: Language) -> bool:
    """Test whether a row is a single question that is understood without the passage, as is its answer."""
    users = [turn for turn in row["prompt"] or [] if turn["role"] != "system"]
    if len(users) != 1 or not row["question"] or row["task"] in NEEDS_PASSAGE:
        return False
    try:
        checks.question(row["question"], language)
        checks.needs_no_passage(row["question"], language)
        checks.particular(row["question"], language)
    except Reject:
        return False
    return not phrase_in(words_of(row["answer"] or ""), language.outside)


def _hold_out(
    result: Plan,
    candidates: list[Pair],
    answers: dict[str, list[tuple[str, str]]],
    texts: dict[str, list[Text]],
    seed: str,
) -> None:
    """
    Hold out candidates with enough choices, one row per question.

    Texts with the same question are excluded too; another text about the passage must remain for training.
    """
    all_answers = sorted({answer for pairs in answers.values() for _, answer in pairs})
    pool: dict[str, list[str]] = {}
    for answer in sorted(all_answers, key=lambda text: fraction("pool", seed, text)):
        if len(answer) <= LONGEST_ANSWER and len(of_shape := pool.setdefault(shape(answer), [])) < POOL:
            of_shape.append(answer)
    taken: set[str] = set()
    for pair in sorted(candidates, key=lambda pair: pair.id):
        of_document = texts.get(pair.document, [])
        revealing = {text.id for text in of_document if pair.question in text.words}
        excluded = revealing | result.spent
        remaining = [text for text in of_document if text.id not in excluded and text.passage == pair.passage]
        wrong = _choices(pair, pool.get(shape(pair.answer), []), seed)
        if pair.question in taken or not remaining or len(wrong) < CHOICES:
            continue
        taken.add(pair.question)
        result.spent |= revealing
        choices = sorted([*wrong, pair.answer], key=lambda text: fraction("place", seed, pair.id, text))
        # Another pair about the same document with the same answer trains the fact.
        in_pairs = any(
            same(answer) == same(pair.answer)
            for question, answer in answers.get(pair.document, ())
            if question != pair.question
        )
        result.held[pair.id] = {
            "choices": choices,
            "gold": choices.index(pair.answer),
            "in_pairs": in_pairs,
        }


def _choices(pair: Pair, pool: list[str], seed: str) -> list[str]:
    """Sample wrong answers that neither contain nor are part of the right one, nor occur in the question."""
    right = same(pair.answer)
    choices: list[str] = []
    for answer in sorted(pool, key=lambda text: fraction("choice", seed, pair.id, text)):
        wrong = same(answer)
        distinct = wrong and wrong not in right and right not in wrong and wrong not in pair.question
        if distinct and all(wrong != same(other) for other in choices):
            choices.append(answer)
            if len(choices) == CHOICES:
                break
    return choices


def shape(answer: str) -> str:
    """Classify an answer by its form: a number, code, a name, a word, a phrase or a sentence."""
    if NUMBER.search(answer):
        return "number"
    count = len(answer.split())
    if CODE.search(answer) and count <= 4:
        return "code"
    if count <= 4 and any(word[0].isupper() for word in answer.split()[1:]):
        return "name"
    return "word" if count == 1 else "phrase" if count <= 6 else "sentence"


def _rows(partitions: Partitions, train: Sequence[Flags]) -> Iterator[tuple[Row, bool]]:
    names = [name for name in COLUMNS if name != "text"]
    for table, trained in zip(partitions.columns(names), train, strict=True):
        for row, is_trained in zip(table.to_pylist(), trained, strict=True):
            yield row, bool(is_trained)


def _read_texts(partitions: Partitions, train: Sequence[Flags], documents: set[str]) -> dict[str, list[Text]]:
    """Read the reading texts for training of some documents."""
    texts: dict[str, list[Text]] = {}
    if not documents:
        return texts
    for table, trained in zip(partitions.columns(["id", "kind", "text", "lineage"]), train, strict=True):
        for row, is_trained in zip(table.to_pylist(), trained, strict=True):
            document, passage = _origin(row)
            if is_trained and row["kind"] == "reading" and document in documents:
                texts.setdefault(document, []).append(Text(row["id"], passage, same(row["text"] or "")))
    return texts


def _origin(row: Row) -> tuple[str, str]:
    """Return the ids of a row's document and passage."""
    lineage = row["lineage"] or {}
    return lineage.get("document_id") or "", lineage.get("passage_id") or ""
