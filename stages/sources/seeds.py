"""
Read the user's seeds: questions and instructions, with or without answers, from which new ones are made.

The files are read as `datagen.stages.sources.own_pairs` reads them, so a file of pairs can be both. All seeds
are one partition: each prompt of a later stage shows some of all of them.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from pydantic import Field

from datagen.request import Reject
from datagen.schema import chat
from datagen.stage import Context, Outcome, SourceStage
from datagen.stages.shared.chat_records import example, question_of
from datagen.stages.sources import own_pairs
from datagen.stages.sources.ingest import Task


class Options(own_pairs.Options):
    """The files of seeds."""

    task: str = Field("seed", min_length=1, description="Task of the rows")


def plan(options: Options, context: Context) -> list[Task]:
    """List the files as one task, and those that cannot be read as another."""
    tasks = own_pairs.plan(options, context)
    files = tuple(file for task in tasks if not task.reasons for file in task.files)
    return [Task(files), *(task for task in tasks if task.reasons)]


def read(task: Task, options: Options, context: Context) -> Iterator[Outcome]:
    """Read all seeds."""
    return own_pairs.read(task, options, context, gives="seeds", convert=seed)


def seed(record: object) -> dict[str, Any]:
    """
    Convert a record to fields of a seed.

    Raises
    ------
    Reject
        If it asks nothing.
    """
    asked = question_of(record)
    row: dict[str, Any] = {"kind": "instruction", "question": asked, "prompt": chat(asked)}
    with suppress(Reject):
        pair = example(record)
        if pair["kind"] == "instruction":
            row |= {"answer": pair["answer"], "context": pair.get("context")}
    return row


stage = SourceStage(
    name="seeds",
    summary="read seed questions and instructions, from which new ones are made",
    plan=plan,
    read=read,
    gives="seeds",
    options=Options,
    digest=own_pairs.digest,
)
