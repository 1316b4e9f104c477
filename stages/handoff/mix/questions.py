"""
Self-contained questions: select those that lose their passage, and those held out as a knowledge test.

A row with its passage in the prompt trains reading; without the passage it trains the fact. A question that a
refusal declines closed-book is never answered closed-book in training, because the two would contradict each
other. It may be tested, and its refusal is then not trained: without such questions the test would have only
those that the target knows anyway. A question that is declined with another passage keeps its own, as the
contrast.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import ceil

from datagen.request import Reject
from datagen.rows import Row
from datagen.schema import fraction
from datagen.stage import Context, Partitions
from datagen.stages.handoff.mix import mentions
from datagen.stages.handoff.mix.ledger import Flags
from datagen.stages.handoff.mix.mentions import same
from datagen.stages.shared import checks
from datagen.stages.shared.language.rules import Language, Languages
from datagen.stages.shared.language.words import words_of
from datagen.stages.shared.passage import phrase_in

COLUMNS = ["id", "kind", "task", "question", "context", "answer", "evidence", "prompt", "lineage"]
LONGEST_ANSWER = 80  # maximum characters of an answer in the test
CHOICES = 3  # wrong answers per question
FAR = 0.5  # share of the requested questions below which more are held out than the draws select
SPARE = 3  # candidates per requested question, as some lack choices or a text
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
    texts
        For each of them, ids of the texts about its passage; the test needs one that is trained.
    spent
        Ids of the other rows that contain a question of the knowledge test.
    alone
        Number of rows with a self-contained question.
    """

    closed: set[str] = field(default_factory=set)
    both: set[str] = field(default_factory=set)
    held: dict[str, Row] = field(default_factory=dict)
    texts: dict[str, set[str]] = field(default_factory=dict)
    spent: set[str] = field(default_factory=set)
    alone: int = 0


@dataclass(frozen=True)
class Fact:
    """What a pair asks, normalised; its answer; and the words of the passage that support it, normalised."""

    question: str
    answer: str
    evidence: str

    def is_in(self, other: "Fact") -> bool:
        """Whether a pair with another question trains this fact: by its answer or by its evidence."""
        quoted = self.evidence and other.evidence
        same_words = quoted and (self.evidence in other.evidence or other.evidence in self.evidence)
        return self.question != other.question and bool(same(self.answer) == same(other.answer) or same_words)


@dataclass(frozen=True)
class Pair:
    """A training row with a question and its answer."""

    id: str
    document: str
    passage: str
    shown: bool  # whether its prompt has the passage
    fact: Fact

    @property
    def question(self) -> str:
        """The normalised question."""
        return self.fact.question

    @property
    def answer(self) -> str:
        """The answer."""
        return self.fact.answer


@dataclass(frozen=True)
class Trained:
    """
    What training rows say about the questions that may be held out.

    Parameters
    ----------
    facts
        Document -> its pairs.
    texts
        Document and passage -> ids of the reading texts.
    asked
        Question -> ids of the rows that contain it.
    """

    facts: dict[str, list[Fact]]
    texts: dict[tuple[str, str], set[str]]
    asked: dict[str, set[str]]


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
    facts = dict[str, list[Fact]]()
    pairs: list[Pair] = []
    for row, trained in _rows(partitions, train):
        document, passage = _origin(row)
        if row["kind"] in ("refusal", "preference") and row["question"]:
            if trained:
                (contrasted if row["context"] else refused).add(same(row["question"]))
        elif trained and row["kind"] == "instruction" and row["answer"]:
            fact = Fact(same(row["question"] or ""), row["answer"], same(row["evidence"] or ""))
            facts.setdefault(document, []).append(fact)
            if stands_alone(row, languages.of(row)):
                pairs.append(Pair(row["id"], document, passage, bool(row["context"]), fact))
    if test:
        candidates = _candidates(pairs, test, seed)
        asked = mentions.find(partitions, train, {pair.question for pair in candidates}, context)
        texts = _read_texts(partitions, train, {pair.document for pair in candidates})
        _hold_out(result, candidates, Trained(facts, texts, asked), test, test * len(pairs), seed)
    pairs = [pair for pair in pairs if pair.question not in refused]
    result.alone = len(pairs)
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


def _candidates(pairs: Sequence[Pair], test: float, seed: str) -> list[Pair]:
    """Return the pairs that may be held out, in the order of their draws; more than enough of them."""
    ordered = sorted(pairs, key=lambda pair: (_draw(pair, seed), pair.id))
    sampled = sum(_draw(pair, seed) < test for pair in ordered)
    first = ordered[: max(sampled, ceil(SPARE * test * len(pairs)))]
    return [pair for pair in first if len(pair.answer) <= LONGEST_ANSWER]


def _draw(pair: Pair, seed: str) -> float:
    return fraction("knowledge", seed, pair.question)


def _hold_out(
    result: Plan, candidates: list[Pair], trained: Trained, test: float, target: float, seed: str
) -> None:
    """
    Hold out candidates with enough choices, one row per question.

    A question is held out if its draw is below the share `test`. If this gives less than half of the
    `target`, as it may for few questions, those with the next draws are held out until it is reached.

    Other rows that contain the question are excluded; every passage with a tested question must keep a text.
    """
    pool = _pool(trained, seed)
    owners = {text: place for place, texts in trained.texts.items() for text in texts}
    tested: set[tuple[str, str]] = set()  # documents and passages
    few: bool | None = None  # unknown until the draws below the share are used up
    for pair in candidates:
        if _draw(pair, seed) >= test:
            few = len(result.held) < FAR * target if few is None else few
            if not few or len(result.held) >= round(target):
                break
        revealing = trained.asked[pair.question] - result.held.keys() - {pair.id}
        excluded, place = revealing | result.spent, (pair.document, pair.passage)
        affected = {place} | (tested & {owners[name] for name in revealing if name in owners})
        remain = all(trained.texts.get(other, set()) - excluded for other in affected)
        wrong = _choices(pair, pool.get(shape(pair.answer), []), seed)
        if pair.id in result.spent or not remain or len(wrong) < CHOICES:
            continue
        tested.add(place)
        result.texts[pair.id] = trained.texts[place]
        result.spent |= revealing
        choices = sorted([*wrong, pair.answer], key=lambda text: fraction("place", seed, pair.id, text))
        in_pairs = any(pair.fact.is_in(other) for other in trained.facts.get(pair.document, ()))
        result.held[pair.id] = {
            "choices": choices,
            "gold": choices.index(pair.answer),
            "in_pairs": in_pairs,
        }


def _pool(trained: Trained, seed: str) -> dict[str, list[str]]:
    """Sample answers of training pairs, by shape."""
    answers = sorted({fact.answer for facts in trained.facts.values() for fact in facts})
    pool: dict[str, list[str]] = {}
    for answer in sorted(answers, key=lambda text: fraction("pool", seed, text)):
        if len(answer) <= LONGEST_ANSWER and len(of_shape := pool.setdefault(shape(answer), [])) < POOL:
            of_shape.append(answer)
    return pool


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
    for table, trained in zip(partitions.columns(COLUMNS), train, strict=True):
        for row, is_trained in zip(table.to_pylist(), trained, strict=True):
            yield row, bool(is_trained)


def _read_texts(
    partitions: Partitions, train: Sequence[Flags], documents: set[str]
) -> dict[tuple[str, str], set[str]]:
    """Read the ids of the training texts about some documents, by document and passage."""
    texts: dict[tuple[str, str], set[str]] = {}
    for table, trained in zip(partitions.columns(["id", "kind", "lineage"]), train, strict=True):
        for row, is_trained in zip(table.to_pylist(), trained, strict=True):
            if is_trained and row["kind"] == "reading" and (place := _origin(row))[0] in documents:
                texts.setdefault(place, set()).add(row["id"])
    return texts


def _origin(row: Row) -> tuple[str, str]:
    """Return the ids of a row's document and passage."""
    lineage = row["lineage"] or {}
    return lineage.get("document_id") or "", lineage.get("passage_id") or ""
