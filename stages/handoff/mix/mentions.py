"""
Find the training rows that contain a question, in any form.

A multiple-choice row quotes the question of a pair, a conversation asks it in an earlier turn, a preference
asks it with another wording around it, and a reading text lists it as an exercise.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pyarrow as pa

from datagen.rows import Row
from datagen.stage import Context, Partitions
from datagen.stages.handoff.mix.ledger import Flags
from datagen.stages.shared.similarity.sketch import Reader

COLUMNS = ["id", "question", "prompt", "text", "answer", "rejected"]
FEW_WORDS = 3  # fewer words, as in languages without spaces, are searched as characters


def same(text: str) -> str:
    """Normalise a text for comparison: lower-case words only."""
    return " ".join(re.findall(r"\w+", text.casefold()))


@dataclass
class Questions:
    """
    Normalised questions, arranged for a search in many texts.

    Parameters
    ----------
    short
        Questions of few words.
    lengths
        First word -> numbers of words of the questions that start with it.
    long
        The other questions.
    """

    short: list[str] = field(default_factory=list)
    lengths: dict[str, set[int]] = field(default_factory=dict)
    long: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, questions: Collection[str]) -> "Questions":
        """Arrange questions normalised by `same`."""
        result = cls()
        for question in sorted(set(questions) - {""}):
            words = question.split()
            if len(words) < FEW_WORDS:
                result.short.append(question)
            else:
                result.long.add(question)
                result.lengths.setdefault(words[0], set()).add(len(words))
        return result

    def within(self, text: str) -> set[str]:
        """Return the questions that a text contains, whatever its case and punctuation."""
        normalised = same(text)
        words = normalised.split()
        found = {question for question in self.short if question in normalised}
        for start, word in enumerate(words):
            for length in self.lengths.get(word, ()):
                phrase = " ".join(words[start : start + length])
                if phrase in self.long:
                    found.add(phrase)
        return found


def find(
    partitions: Partitions, train: Sequence[Flags], questions: Collection[str], context: Context
) -> dict[str, set[str]]:
    """
    Find the training rows that contain questions.

    Parameters
    ----------
    partitions
        All rows.
    train
        For each partition, which rows are for training.
    questions
        The questions, normalised by `same`.
    context
        The running stage.

    Returns
    -------
    dict
        Question -> ids of the rows.
    """
    found: dict[str, set[str]] = {question: set() for question in questions}
    work = partial(_in_partition, Questions.of(questions))
    for pairs in context.each(work, list(zip(partitions.readers, train, strict=True)) if questions else []):
        for question, name in pairs:
            found[question].add(name)
    return found


def _in_partition(questions: Questions, task: tuple[Reader, Flags]) -> list[tuple[str, str]]:
    reader, train = task
    rows = reader(COLUMNS).take(pa.array(np.flatnonzero(train))).to_pylist()
    return [(question, row["id"]) for row in rows for question in questions.within(" \n ".join(_texts(row)))]


def _texts(row: Row) -> Iterator[str]:
    yield from (row.get(name) or "" for name in ("question", "text", "answer", "rejected"))
    yield from (turn["content"] or "" for turn in row["prompt"] or [])
