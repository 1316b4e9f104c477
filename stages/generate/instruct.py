"""
Write instruction pairs: questions about a passage, each with an answer that the passage supports.

Each sampled passage draws tasks (`datagen.stages.exercises.task` describes tasks and how to add one). The
answers are checked, and a pair is kept only with supporting text from the passage. The model answers
questions to marked answers again, with their passage and with another one:
`datagen.stages.exercises.round_trip`.

A passage gives one row per answer, kept or dropped, or one dropped row if it has no answers.
"""

from collections import Counter
from dataclasses import replace

import pyarrow as pa
from pydantic import Field, field_validator

from datagen.recipe.profiles import read_profile
from datagen.request import Answers, Reject
from datagen.schema import pick
from datagen.stage import Builder, Context, ModelStage, Outcome, mean_logprob
from datagen.stages.exercises.declared import Declaration
from datagen.stages.exercises.pair import Unconfirmed, prompt_of
from datagen.stages.exercises.pool import Pool
from datagen.stages.exercises.rounds import ask, count_rounds, follow, read_answers, unasked, yields
from datagen.stages.shared.language.rules import Languages
from datagen.stages.shared.passage import Passage


class Options(Pool):
    """Which pairs are written about which passages."""

    tasks: dict[str, float | Declaration] = Field(
        default_factory=lambda: dict(read_profile("bundled").stages["instruct"]["tasks"]),
        description="Tasks with their weights, or a list: names, package.module:task, ./file.py:task, "
        "./file.yaml, or a declaration of your own (docs/written.md). Default: the tasks of the profile",
    )
    system: tuple[str, ...] = Field(
        (), description="System messages, of which each row draws one; default: no system message"
    )

    @field_validator("system", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value


def read(passages: pa.Table, answers: Answers, options: Options, context: Context) -> Outcome:
    """Check the answers about each passage and turn the sound pairs into examples."""
    builder, figures = Builder("examples", context), Counter[str]()
    languages = Languages(context)
    for row in passages.to_pylist():
        passage = Passage(row, languages.of(row))
        written = list(read_answers(answers.of(row["id"]), passage, options, context))
        if not written:
            builder.drop(unasked(passage, options, context), {"kind": "instruction"}, row)
        figures.update(yields(written))
        for task, drafts, pair in written:
            fields = {"kind": "instruction", "task": task}
            if isinstance(pair, Unconfirmed):  # the proof compares such pairs with those kept
                builder.drop(pair, fields | pair.pair | {"prompt": prompt_of(pair.pair)}, row, *drafts)
            elif isinstance(pair, Reject):
                builder.drop(pair, fields | {"answer": drafts[0].completion.text}, row, *drafts)
            else:
                system = pick(options.system, row["id"], pair["question"]) if options.system else ""
                prompt = prompt_of(pair, system)
                logprob = mean_logprob(drafts[:2])  # without the answer from another passage
                builder.keep(fields | pair | {"prompt": prompt, "logprob": logprob}, row, *drafts)
    return replace(builder.outcome(), figures=figures)


stage = ModelStage(
    name="instruct",
    summary="write question and answer pairs about passages, with their evidence",
    takes="passages",
    gives="examples",
    ask=ask,
    follow=follow,
    rounds=count_rounds,
    read=read,
    options=Options,
)
