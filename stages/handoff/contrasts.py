"""
Answers that balance a refusal are handed off only with it.

`refuse` repeats a pair with two passages (``found_in_context``) beside a refusal of its question with one of
them (``not_in_context``). Without the refusal, the repetition teaches nothing that the pair does not.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from datagen.stage import Partitions

Flags = npt.NDArray[np.bool_]
REFUSED, ANSWERED = "not_in_context", "found_in_context"
REASON = "its refusal is not handed off"


@dataclass(frozen=True)
class Contrasts:
    """
    Refusals and the answers that balance them: indices of rows, and the number of each row's question.

    Parameters
    ----------
    refusals, answers
        Indices of the rows.
    refused, answered
        Numbers of their questions.
    """

    refusals: npt.NDArray[np.int64]
    refused: npt.NDArray[np.int64]
    answers: npt.NDArray[np.int64]
    answered: npt.NDArray[np.int64]

    def orphaned(self, kept: Flags) -> Flags:
        """Flag the kept answers of whose questions no refusal is kept."""
        alone = ~np.isin(self.answered, self.refused[kept[self.refusals]])
        result = np.zeros(len(kept), bool)
        result[self.answers[alone & kept[self.answers]]] = True
        return result


def read(partitions: Partitions) -> Contrasts:
    """Read the questions of both tasks from all partitions."""
    indices: dict[str, list[npt.NDArray[np.int64]]] = {REFUSED: [], ANSWERED: []}
    questions: dict[str, list[pa.Array]] = {REFUSED: [], ANSWERED: []}
    start = 0
    for table in partitions.columns(["task", "question"]):
        for task in indices:
            rows = pc.indices_nonzero(pc.fill_null(pc.equal(table["task"], task), False))
            indices[task].append(start + rows.to_numpy().astype(np.int64))
            questions[task] += table["question"].take(rows).chunks
        start += len(table)
    joined = {task: np.concatenate([np.zeros(0, np.int64), *parts]) for task, parts in indices.items()}
    distinct = pc.unique(pa.chunked_array(questions[REFUSED], pa.string()))
    numbers = {
        task: pc.index_in(pa.chunked_array(parts, pa.string()), value_set=distinct).fill_null(-1).to_numpy()
        for task, parts in questions.items()
    }
    return Contrasts(joined[REFUSED], numbers[REFUSED], joined[ANSWERED], numbers[ANSWERED])
