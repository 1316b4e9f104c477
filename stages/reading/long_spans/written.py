"""Exercises that a model wrote about single passages in earlier stages."""

import json
from collections import defaultdict
from collections.abc import Mapping
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from datagen.context import Context
from datagen.stages.shared.render.exercises import Exercise
from datagen.store.parquet import parts

COLUMNS = ["kind", "task", "question", "answer", "metadata", "lineage"]
Exercises: TypeAlias = Mapping[str, list[Exercise]]  # id of a passage -> exercises about it


def written_exercises(passages: pa.ChunkedArray, context: Context) -> Exercises:
    """
    Read the sound exercises about some passages: instruction pairs, and the exercises in reading texts.

    Parameters
    ----------
    passages
        Ids of passages.
    context
        The running stage; its tables hold the examples of earlier stages.
    """
    by_passage: dict[str, dict[str, Exercise]] = defaultdict(dict)
    for path in (path for folder in context.tables.get("examples", ()) for path in parts(folder)):
        rows = pq.read_table(path, columns=COLUMNS)
        about = pc.struct_field(rows["lineage"], "passage_id")
        written = pc.greater(pc.binary_length(pc.struct_field(rows["lineage"], "model")), 0)
        for row in rows.filter(pc.and_(pc.is_in(about, passages.combine_chunks()), written)).to_pylist():
            for exercise in _exercises(row):
                by_passage[row["lineage"]["passage_id"]].setdefault(exercise.question, exercise)
    return {name: list(exercises.values()) for name, exercises in by_passage.items()}


def _exercises(row: Mapping[str, str | None]) -> list[Exercise]:
    if row["kind"] == "instruction":
        return [Exercise(row["task"] or "", row["question"] or "", row["answer"] or "")]
    if row["kind"] != "reading":
        return []
    listed = json.loads(row["metadata"] or "{}").get("exercises", [])
    return [Exercise(entry["task"], entry["question"], entry["answer"]) for entry in listed]
