"""
How varied the questions of each task are: how they open, and how many pairs of words are distinct.

The opening is the first two words, mostly a verb or a question word with its object; a parser for verbs and
nouns exists for few languages. distinct-n is the share of distinct runs of n words (Li et al. 2016, arXiv
1510.03055); it falls with the number of words, so tasks are compared on the same number of questions.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from datagen.report.rows import final_parts
from datagen.run.folder import Run
from datagen.store.parquet import read_part

QUESTIONS = 1_000  # of a task, at most; drawn evenly from all partitions
FEWEST = 20  # with fewer a share says nothing
CLUSTERS = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
WORD = re.compile(rf"[{CLUSTERS}]|(?:(?![{CLUSTERS}])\w)+")  # a sign is a word in scripts without blanks


@dataclass(frozen=True)
class Diversity:
    """
    The questions of a task.

    Parameters
    ----------
    task
        The task.
    questions
        Number of questions that were measured.
    openings
        Number of different openings.
    commonest, share
        The commonest opening, and the share of questions that begin with it.
    distinct_1, distinct_2
        Share of distinct words and of distinct pairs of words.
    """

    task: str
    questions: int
    openings: int
    commonest: str
    share: float
    distinct_1: float
    distinct_2: float


def diversity(run: Run) -> list[Diversity]:
    """Measure the questions of the rows that are handed off, by task; the least varied task comes first."""
    asked: dict[str, list[str]] = {}
    for task, question in _questions(run):
        if len(known := asked.setdefault(task, [])) < QUESTIONS:
            known.append(question)
    measured = [measure(task, questions) for task, questions in asked.items() if len(questions) >= FEWEST]
    return sorted(measured, key=lambda one: (one.distinct_2, one.task))


def measure(task: str, questions: list[str]) -> Diversity:
    """Measure some questions of a task; at least one has a word."""
    openings, words, pairs = Counter[str](), Counter[str](), Counter[tuple[str, str]]()
    for question in questions:
        said = WORD.findall(question.casefold())
        openings[" ".join(said[:2])] += 1
        words.update(said)
        pairs.update(pairwise(said))
    commonest, count = min(openings.items(), key=lambda item: (-item[1], item[0]))
    distinct = [len(some) / max(some.total(), 1) for some in (words, pairs)]
    return Diversity(task, len(questions), len(openings), commonest, count / len(questions), *distinct)


def _questions(run: Run) -> Iterator[tuple[str, str]]:
    """Go through questions with their tasks: of each partition an even share of the rows."""
    paths = final_parts(run)
    rows = sum(pq.read_metadata(path).num_rows for path in paths)
    step = max(1, rows // (50 * QUESTIONS))
    for path in paths:
        table = read_part(path, ["task", "question"])
        table = table.filter(pc.is_valid(table["question"]))
        for row in table.take(pa.array(range(0, len(table), step), pa.int64())).to_pylist():
            yield row["task"] or "", row["question"]
