"""
Read the user's seeds: questions and instructions, with or without answers, from which new ones are generated.

Files are read as in `datagen.stages.sources.own_pairs`, so a file of pairs can serve both stages. All seeds
form one partition, because the prompts of later stages sample from all of them.
"""

from collections.abc import Iterator
from contextlib import suppress

from pydantic import Field

from datagen.request import Reject
from datagen.schema import chat
from datagen.stage import Context, Outcome, SourceStage
from datagen.stages.shared.chat_records import Example, example, question_of
from datagen.stages.sources import own_pairs
from datagen.stages.sources.ingest import Task


class Options(own_pairs.Options):
    """The files of seeds."""

    task: str = Field("seed", min_length=1, description="Task of the rows")


def plan(options: Options, context: Context) -> list[Task]:
    """List the readable files as one task, and the others as another."""
    tasks = own_pairs.plan(options, context)
    files = tuple(file for task in tasks if not task.reasons for file in task.files)
    return [Task(files), *(task for task in tasks if task.reasons)]


def read(task: Task, options: Options, context: Context) -> Iterator[Outcome]:
    """Read all seeds."""
    return own_pairs.read(task, options, context, gives="seeds", convert=seed)


def seed(record: object) -> Example:
    """
    Convert a record to fields of a seed.

    Raises
    ------
    Reject
        If it has no question.
    """
    question = question_of(record)
    row: Example = {"kind": "instruction", "question": question, "prompt": chat(question)}
    with suppress(Reject):
        pair = example(record)
        if pair["kind"] == "instruction":
            row |= {"answer": pair["answer"], "context": pair.get("context")}
    return row


stage = SourceStage(
    name="seeds",
    summary="read seed questions and instructions, from which new ones are generated",
    plan=plan,
    read=read,
    gives="seeds",
    options=Options,
    digest=own_pairs.digest,
    check=own_pairs.check,
)
