"""
Write instruction pairs: questions about a passage, each with an answer that the passage supports.

Each sampled passage is asked its tasks (one module of this package each: `datagen.stages.exercises.task`
says what a task is and how to add one). What comes back is checked, and a pair is kept only with the
words of the passage that support it. Questions to marked answers are put to the model again, with their
passage and with another: `datagen.stages.exercises.round_trip`.

A passage leaves one row for each answer, kept or dropped; or one dropped row when it was not asked.
"""

from collections import Counter
from dataclasses import replace

import pyarrow as pa
from pydantic import Field

from datagen.request import Answers, Reject
from datagen.schema import chat
from datagen.stage import Builder, Context, ModelStage, Outcome, mean_logprob
from datagen.stages.exercises.rounds import Pool, ask, follow, read_answers, unasked, yields
from datagen.stages.shared.language.rules import Languages
from datagen.stages.shared.passage import Passage

# Weighted for the bundled generator; docs/written.md says what was sound of what it wrote.
TASKS = {
    "marked_question": 4.0,
    "true_false": 1.0,
    # Mostly noise, one-sided, or hardly one that passes the checks: for a larger generator.
    "extractive_question": 0.0,
    "closed_book_question": 0.0,
    "definition": 0.0,
    "multiple_choice": 0.0,
    "yes_no": 0.0,
    "inference": 0.0,
    "summary": 0.0,
    # No rule tells a right one from a wrong one: for a generator that is trusted.
    "irac": 0.0,
}


class Options(Pool):
    """Which pairs are written about which passages."""

    tasks: dict[str, float] = Field(
        default_factory=lambda: dict(TASKS),
        description="Tasks with their weights, or a list: names, package.module:task or ./file.py:task",
    )


def read(passages: pa.Table, answers: Answers, options: Options, context: Context) -> Outcome:
    """Check what was written about each passage and make the sound pairs examples."""
    built, figures = Builder("examples", context), Counter[str]()
    languages = Languages(context)
    for row in passages.to_pylist():
        passage = Passage(row, languages.of(row))
        written = list(read_answers(answers.of(row["id"]), passage, options, context))
        if not written:
            built.drop(unasked(passage, options, context), {"kind": "instruction"}, row)
        figures.update(yields(written))
        for task, behind, pair in written:
            fields = {"kind": "instruction", "task": task}
            if isinstance(pair, Reject):
                built.drop(pair, fields | {"answer": behind[0].completion.text}, row, *behind)
            else:
                prompt = chat(pair["question"], pair["context"])
                sure = mean_logprob(behind[:2])  # not of what another passage gave
                built.keep(fields | pair | {"prompt": prompt, "logprob": sure}, row, *behind)
    return replace(built.outcome(), figures=figures)


stage = ModelStage(
    name="instruct",
    summary="write question and answer pairs about passages, with their evidence",
    takes="passages",
    gives="examples",
    ask=ask,
    follow=follow,
    read=read,
    options=Options,
)
