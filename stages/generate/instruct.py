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
from typing import Any

import pyarrow as pa
from pydantic import Field, field_validator

from datagen.recipe.profiles import read_profile
from datagen.request import Answers, Reject
from datagen.schema import pick
from datagen.stage import Builder, Context, ModelStage, Outcome, mean_logprob
from datagen.stages.exercises.declared import Declaration
from datagen.stages.exercises.pair import prompt_of
from datagen.stages.exercises.rounds import Pool, ask, follow, read_answers, unasked, yields
from datagen.stages.shared.language.rules import Languages
from datagen.stages.shared.passage import Passage


class Options(Pool):
    """Which pairs are written about which passages."""

    tasks: dict[str, float | Declaration] = Field(
        default_factory=lambda: dict(read_profile("bundled").stages["instruct"]["tasks"]),
        description="Tasks with their weights, or a list: names, package.module:task, ./file.py:task, "
        "./file.yaml, or one of your own written here (docs/written.md). Left out: those of the profile",
    )
    system: tuple[str, ...] = Field(
        (), description="System messages of the rows, of which each row draws one; left out: none"
    )

    @field_validator("system", mode="before")
    @classmethod
    def _one_or_several(cls, given: Any) -> Any:
        return (given,) if isinstance(given, str) else given


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
                system = pick(options.system, row["id"], pair["question"]) if options.system else ""
                prompt = prompt_of(pair, system)
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
