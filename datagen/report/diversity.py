"""
Measure the diversity of each task's questions: their openings, and the shares of distinct words and pairs.

The opening is the first two words, usually a verb or a question word with its object; parsers that find verbs
and objects exist for few languages. distinct-n is the share of distinct sequences of n words (Li et al. 2016,
arXiv 1510.03055). It falls with the number of words, so every task is measured on the same maximum number of
questions.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import pyarrow as pa
import pyarrow.compute as pc

from datagen.report.rows import final_parts
from datagen.run.folder import Run
from datagen.scripts import cluster, spaced_word
from datagen.store.parquet import count_rows, read_part

QUESTIONS = 1_000  # maximum questions of a task, sampled evenly from all partitions
FEWEST = 20  # minimum questions for a meaningful share


@dataclass(frozen=True)
class Diversity:
    """
    The diversity of a task's questions.

    Parameters
    ----------
    task
        The task.
    questions
        Number of questions measured.
    openings
        Number of different openings.
    commonest, share
        The most common opening, and the share of questions with it.
    distinct_1, distinct_2
        Shares of distinct words and distinct pairs of words.
    """

    task: str
    questions: int
    openings: int
    commonest: str
    share: float
    distinct_1: float
    distinct_2: float


def diversity(run: Run) -> list[Diversity]:
    """Measure the questions of the handed-off rows by task; the least diverse task comes first."""
    samples: dict[str, list[str]] = {}
    for task, question in _questions(run):
        if len(sample := samples.setdefault(task, [])) < QUESTIONS:
            sample.append(question)
    measured = [measure(task, questions) for task, questions in samples.items() if len(questions) >= FEWEST]
    return sorted(measured, key=lambda item: (item.distinct_2, item.task))


def measure(task: str, questions: list[str]) -> Diversity:
    """Measure questions of a task."""
    pattern = _word()
    openings, words, pairs = Counter[str](), Counter[str](), Counter[tuple[str, str]]()
    for question in questions:
        tokens = pattern.findall(question.casefold())
        openings[" ".join(tokens[:2])] += 1
        words.update(tokens)
        pairs.update(pairwise(tokens))
    commonest, count = min(openings.items(), key=lambda item: (-item[1], item[0]))
    distinct = [len(counter) / max(counter.total(), 1) for counter in (words, pairs)]
    return Diversity(task, len(questions), len(openings), commonest, count / len(questions), *distinct)


@cache
def _word() -> re.Pattern[str]:
    """Compile the pattern of a word of any script."""
    return re.compile(f"{spaced_word()}|{cluster()}")


def _questions(run: Run) -> Iterator[tuple[str, str]]:
    """Yield tasks and questions from an even sample of each partition's rows."""
    paths = final_parts(run)
    rows = sum(count_rows(path) for path in paths)
    step = max(1, rows // (50 * QUESTIONS))
    for path in paths:
        table = read_part(path, ["task", "question"])
        table = table.filter(pc.is_valid(table["question"]))
        for row in table.take(pa.array(range(0, len(table), step), pa.int64())).to_pylist():
            yield row["task"] or "", row["question"]
