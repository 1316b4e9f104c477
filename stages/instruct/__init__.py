"""
Write instruction pairs: questions about a passage, each with an answer that the passage supports.

Each sampled passage is asked its tasks (one module of this package each: `datagen.stages.instruct.tasks`
says what a task is and how to add one). What comes back is checked, and a pair is kept only with the
words of the passage that support it.

A passage leaves one row for each answer, kept or dropped; or one dropped row when it was not asked.
"""

import pyarrow as pa
from pydantic import Field

from datagen.records import chat
from datagen.request import Answers, Reject
from datagen.stage import Builder, Context, ModelStage, Outcome
from datagen.stages.instruct.tasks import Pool, ask, find_tasks, read_answer, unasked
from datagen.stages.text.passage import Passage, words_for

TASKS = (
    "extractive_question",
    "closed_book_question",
    "true_false",
    "yes_no",
    "definition",
    "summary",
)


class Options(Pool):
    """Which pairs are written about which passages."""

    tasks: dict[str, float] = Field(
        default_factory=lambda: dict.fromkeys(TASKS, 1.0),
        description="Tasks with their weights, or a list: names, package.module:task or ./file.py:task",
    )


def read(passages: pa.Table, answers: Answers, options: Options, context: Context) -> Outcome:
    """Check what was written about each passage and make the sound pairs examples."""
    built = Builder("examples", context)
    tasks, words = find_tasks(options, context.recipe.folder), words_for(context)
    for row in passages.to_pylist():
        passage = Passage(row, words)
        given = answers.of(row["id"])
        if not given:
            built.drop(unasked(passage, options, context), {"kind": "instruction"}, row)
        for answer in given:
            fields = {"kind": "instruction", "task": answer.request.task}
            try:
                pair = read_answer(answer, passage, tasks, context)
            except Reject as why:
                built.drop(why, fields | {"answer": answer.completion.text}, row, answer)
            else:
                prompt = chat(pair["question"], pair["context"])
                built.keep(fields | pair | {"prompt": prompt}, row, answer)
    return built.outcome()


stage = ModelStage(
    name="instruct",
    summary="write question and answer pairs about passages, with their evidence",
    takes="passages",
    gives="examples",
    ask=ask,
    read=read,
    options=Options,
)
