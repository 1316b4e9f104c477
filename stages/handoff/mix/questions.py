"""
Self-contained questions: select those that lose their passage, and those held out as a knowledge test.

A row with its passage in the prompt trains reading; without the passage it trains the fact. A question that a
refusal declines closed-book is never answered closed-book in training, because the two would contradict each
other. It may be tested, and its refusal is then not trained: without such questions the test would have only
those that the target knows anyway. A question that is declined with another passage keeps its own, as the
contrast.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import ceil

import pyarrow as pa
import pyarrow.compute as pc

from datagen.request import Reject
from datagen.rows import Row
from datagen.schema import fraction
from datagen.stage import Context, Partitions
from datagen.stages.handoff.mix import choices, mentions
from datagen.stages.handoff.mix.ledger import Flags
from datagen.stages.handoff.mix.mentions import same
from datagen.stages.shared import checks
from datagen.stages.shared.language.rules import Language, Languages
from datagen.stages.shared.language.words import words_of
from datagen.stages.shared.passage import phrase_in

COLUMNS = ["id", "kind", "task", "question", "context", "answer", "prompt", "lineage"]
ASKING = ("instruction", "refusal", "preference")  # kinds with a question
FAR = 0.5  # share of the requested questions below which more are held out than the draws select
SPARE = 3  # candidates per requested question, as some lack choices or a text
# Tasks that are pointless without a passage.
NEEDS_PASSAGE = ("found_in_context",)


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
        Ids of the knowledge test.
    texts
        For each of them, ids of the texts about its passage; the test needs one that is trained.
    spent
        Ids of the other rows that contain a question of the knowledge test.
    alone
        Number of rows with a self-contained question.
    """

    closed: set[str] = field(default_factory=set)
    both: set[str] = field(default_factory=set)
    held: set[str] = field(default_factory=set)
    texts: dict[str, set[str]] = field(default_factory=dict)
    spent: set[str] = field(default_factory=set)
    alone: int = 0


@dataclass(frozen=True)
class Pair:
    """A training row with a question, here normalised, and its answer."""

    id: str
    document: str
    passage: str
    shown: bool  # whether its prompt has the passage
    question: str
    answer: str


@dataclass(frozen=True)
class Trained:
    """
    What training rows say about the questions that may be held out.

    Parameters
    ----------
    answers
        Answers of the pairs.
    texts
        Document and passage -> ids of the reading texts.
    asked
        Question -> ids of the rows that contain it.
    """

    answers: set[str]
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
    answers = set[str]()
    pairs: list[Pair] = []
    for row in _rows(partitions, train):
        document, passage = origin(row)
        if row["kind"] in ("refusal", "preference"):
            if row["question"]:
                (contrasted if row["context"] else refused).add(same(row["question"]))
        elif row["answer"]:
            answers.add(row["answer"])
            if stands_alone(row, languages.of(row)):
                question = same(row["question"])
                pairs.append(
                    Pair(row["id"], document, passage, bool(row["context"]), question, row["answer"])
                )
    if test:
        candidates = _candidates(pairs, test, seed)
        asked = mentions.find(partitions, train, {pair.question for pair in candidates}, context)
        texts = _read_texts(partitions, train, {pair.document for pair in candidates})
        _hold_out(result, candidates, Trained(answers, texts, asked), test, test * len(pairs), seed)
    pairs = [pair for pair in pairs if pair.question not in refused]
    result.alone = len(pairs)
    excluded = result.spent | result.held
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
    return [pair for pair in first if len(pair.answer) <= choices.LONGEST_ANSWER]


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
    pool = choices.Pool(trained.answers, seed)
    owners = {text: place for place, texts in trained.texts.items() for text in texts}
    tested: set[tuple[str, str]] = set()  # documents and passages
    few: bool | None = None  # unknown until the draws below the share are used up
    for pair in candidates:
        if _draw(pair, seed) >= test:
            few = len(result.held) < FAR * target if few is None else few
            if not few or len(result.held) >= round(target):
                break
        revealing = trained.asked[pair.question] - result.held - {pair.id}
        excluded, place = revealing | result.spent, (pair.document, pair.passage)
        affected = {place} | (tested & {owners[name] for name in revealing if name in owners})
        remain = all(trained.texts.get(other, set()) - excluded for other in affected)
        wrong = pool.wrong(pair.id, pair.question, pair.answer)
        if pair.id in result.spent or not remain or len(wrong) < choices.CHOICES:
            continue
        tested.add(place)
        result.texts[pair.id] = trained.texts[place]
        result.spent |= revealing
        result.held.add(pair.id)


def _rows(partitions: Partitions, train: Sequence[Flags]) -> Iterator[Row]:
    """Yield the training rows with a question; rows of Python only of these."""
    for table, trained in zip(partitions.columns(COLUMNS), train, strict=True):
        asks = pc.is_in(table["kind"], value_set=pa.array(ASKING))
        yield from table.filter(pc.and_(asks, pa.array(trained))).to_pylist()


def _read_texts(
    partitions: Partitions, train: Sequence[Flags], documents: set[str]
) -> dict[tuple[str, str], set[str]]:
    """Read the ids of the training texts about some documents, by document and passage."""
    texts: dict[tuple[str, str], set[str]] = {}
    wanted = pa.array(sorted(documents), pa.string())
    for table, trained in zip(partitions.columns(["id", "kind", "lineage"]), train, strict=True):
        document = pc.struct_field(table["lineage"].combine_chunks(), "document_id")
        about = pc.is_in(pc.fill_null(document, ""), value_set=wanted)
        are_texts = pc.and_(pc.equal(table["kind"], "reading"), pa.array(trained))
        for row in table.filter(pc.and_(are_texts, about)).to_pylist():
            texts.setdefault(origin(row), set()).add(row["id"])
    return texts


def origin(row: Row) -> tuple[str, str]:
    """Return the ids of a row's document and passage."""
    lineage = row["lineage"] or {}
    return lineage.get("document_id") or "", lineage.get("passage_id") or ""
