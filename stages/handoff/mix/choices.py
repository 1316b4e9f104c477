"""
The choices of the knowledge test, from the rows that are handed off.

A question has its answer and three wrong ones of the same form. Wrong answers are those of other questions
that are trained or tested, so that a model has read them all: one that it never saw is easily ruled out.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow.compute as pc

from datagen.rows import Row
from datagen.schema import fraction
from datagen.stage import Partitions
from datagen.stages.handoff.mix.ledger import Flags
from datagen.stages.handoff.mix.mentions import same

COLUMNS = ["id", "kind", "question", "answer", "evidence", "lineage"]
LONGEST_ANSWER = 80  # maximum characters of an answer in the test
CHOICES = 3  # wrong answers per question
SAMPLE = 2_000  # answers per shape from which wrong answers are sampled
NUMBER = re.compile(r"\d")
CODE = re.compile(r"[_()\[\]{}=<>]|\w\.\w")


@dataclass(frozen=True)
class Fact:
    """What a pair asks, normalised; its answer; and the words of the passage that support it, normalised."""

    question: str
    answer: str
    evidence: str

    @classmethod
    def of(cls, row: Row) -> "Fact":
        """Return the fact of a row with an answer."""
        return cls(same(row["question"] or ""), row["answer"], same(row["evidence"] or ""))

    def is_in(self, other: "Fact") -> bool:
        """Whether a pair with another question trains this fact: by its answer or by its evidence."""
        quoted = self.evidence and other.evidence
        same_words = quoted and (self.evidence in other.evidence or other.evidence in self.evidence)
        return self.question != other.question and bool(same(self.answer) == same(other.answer) or same_words)


class Pool:
    """A sample of answers by shape."""

    def __init__(self, answers: Iterable[str], seed: str) -> None:
        self._seed = seed
        self._of_shape: dict[str, list[str]] = {}
        for answer in sorted(sorted(set(answers)), key=lambda text: fraction("pool", seed, text)):
            of_shape = self._of_shape.setdefault(shape(answer), [])
            if len(answer) <= LONGEST_ANSWER and len(of_shape) < SAMPLE:
                of_shape.append(answer)

    def wrong(self, name: str, question: str, answer: str) -> list[str]:
        """
        Sample wrong answers to a question that is not among them.

        Parameters
        ----------
        name
            The id of the question's row, which decides the sample.
        question
            The question, normalised.
        answer
            The right answer, which contains no wrong one and is part of none; nor is the question.
        """
        right = same(answer)
        chosen: list[str] = []
        pool = self._of_shape.get(shape(answer), [])
        for other in sorted(pool, key=lambda text: fraction("choice", self._seed, name, text)):
            wrong = same(other)
            distinct = wrong and wrong not in right and right not in wrong and wrong not in question
            if distinct and all(wrong != same(text) for text in chosen):
                chosen.append(other)
                if len(chosen) == CHOICES:
                    break
        return chosen


def knowledge(
    partitions: Partitions, trained: Sequence[Flags], tested: Collection[str], seed: str
) -> dict[str, Row]:
    """
    Return the choices of the tested questions, as in the column of the hand-off.

    Parameters
    ----------
    partitions
        All rows.
    trained
        For each partition, which rows are trained.
    tested
        Ids of the questions of the test.
    seed
        Seed of the sample.

    Returns
    -------
    dict
        Id -> choices, place of the right one, and whether a trained pair has the fact. Without the questions
        that have too few wrong answers among those of the other rows.
    """
    facts: dict[str, Fact] = {}
    documents: dict[str, str] = {}
    answers: set[str] = set()
    in_pairs: dict[str, list[Fact]] = {}
    for row, is_trained in _pairs(partitions, trained):
        document = (row["lineage"] or {}).get("document_id") or ""
        if row["id"] in tested:
            facts[row["id"]], documents[row["id"]] = Fact.of(row), document
        elif is_trained:
            answers.add(row["answer"])
            in_pairs.setdefault(document, []).append(Fact.of(row))
    while True:  # a question that is left out leaves its answer to no other
        pool = Pool(answers | {fact.answer for fact in facts.values()}, seed)
        wrong = {name: pool.wrong(name, fact.question, fact.answer) for name, fact in facts.items()}
        few = {name for name, found in wrong.items() if len(found) < CHOICES}
        if not few:
            break
        facts = {name: fact for name, fact in facts.items() if name not in few}
    result: dict[str, Row] = {}
    for name, fact in facts.items():
        choices = sorted([*wrong[name], fact.answer], key=lambda text: fraction("place", seed, name, text))
        known = any(fact.is_in(other) for other in in_pairs.get(documents[name], ()))
        result[name] = {"choices": choices, "gold": choices.index(fact.answer), "in_pairs": known}
    return result


def _pairs(partitions: Partitions, trained: Sequence[Flags]) -> Iterator[tuple[Row, bool]]:
    for table, flags in zip(partitions.columns(COLUMNS), trained, strict=True):
        places = pc.indices_nonzero(pc.equal(table["kind"], "instruction"))
        for row, is_trained in zip(table.take(places).to_pylist(), flags[places], strict=True):
            if row["answer"]:
                yield row, bool(is_trained)


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
