"""
Ask the judge whether an answer of the target is right where its words do not tell.

Not in the line by default; a recipe puts it after ``probe``. Each answer whose match lies between wrong and
right is shown to the judge with the passage's answer (the second step of the check of Alignment for Honesty,
arXiv 2312.07000). Where the judge is sure, that answer is right or wrong, and the row is labelled anew.
What becomes known here was not tested with lures.
"""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
from pydantic import Field

import datagen.stage
from datagen.prompt import PromptSource
from datagen.request import Answers, Request
from datagen.schema import table_of
from datagen.stage import Context, ModelStage, Outcome
from datagen.stages.knowledge.probe.knowledge import accuracy, label
from datagen.stages.shared import judge


class Options(datagen.stage.Options):
    """What counts as knowing, and how sure the judge must be."""

    known: float = Field(1.0, gt=0, le=1, description="As in probe")
    unknown: float = Field(0.0, ge=0, lt=1, description="As in probe")
    sure: float = Field(0.7, ge=0.5, le=1, description="How sure the judge must be, of yes or of no")
    prompt: PromptSource = Field(
        "judges/same_answer", description="What the judge is asked: a file, or the prompt itself"
    )


def ask(rows: pa.Table, options: Options, context: Context) -> Iterator[Request]:
    """Ask about each answer that words do not tell right from wrong, once where several are equal."""
    prompt, seed = context.prompt(options.prompt), str(context.seed)
    for row in rows.select(["id", "question", "answer", "answers", "right"]).to_pylist():
        for said in _doubtful(row):
            yield from judge.ask(
                prompt,
                row["id"],
                *(seed, row["question"], said),
                task="same_answer",
                question=row["question"],
                answer=row["answer"],
                given=said,
                passage="",
                about=said,
            )


def read(rows: pa.Table, answers: Answers, options: Options, context: Context) -> Outcome:
    """Take the judge's word where it is sure; every row stays."""
    told = rows.to_pylist()
    for row in told:
        given = answers.of(row["id"])
        sure: dict[str, bool] = {}
        for said in _doubtful(row):
            yes = judge.probability([one for one in given if one.request.about == said])
            if yes is not None and max(yes, 1 - yes) >= options.sure:
                sure[said] = yes > 0.5
        if sure:
            right = [sure.get(said, one) for said, one in zip(row["answers"], row["right"], strict=True)]
            row |= {
                "right": right,
                "accuracy": accuracy(right),
                "label": label(right, options.known, options.unknown),
            }
    return Outcome.all_kept(table_of(rows.schema, told))


def _doubtful(row: dict[str, Any]) -> list[str]:
    pairs = zip(row["answers"], row["right"], strict=True)
    return list(dict.fromkeys(said for said, right in pairs if right is None))


stage = ModelStage(
    name="second_opinion",
    summary="ask the judge where words do not tell whether the target was right",
    takes="probes",
    gives="probes",
    ask=ask,
    read=read,
    role="judge",
    options=Options,
)
