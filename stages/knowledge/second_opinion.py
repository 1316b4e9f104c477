"""
Ask the judge whether an answer of the target is right if word overlap does not decide.

Not in the default pipeline; a recipe puts it after ``probe``. Each answer whose match lies between wrong and
right is shown to the judge with the passage's answer (the second step of the check of Alignment for Honesty,
arXiv 2312.07000). If the judge is certain, that answer counts as right or wrong, and the row is labelled
again. Questions that become known here were not tested with misleading prompts.
"""

from collections.abc import Iterator

import pyarrow as pa
from pydantic import Field

import datagen.stage
from datagen.prompt import PromptSource
from datagen.request import Answers, Request
from datagen.rows import Row
from datagen.schema import table_of
from datagen.stage import Context, ModelStage, Outcome
from datagen.stages.knowledge.probe.knowledge import accuracy, label
from datagen.stages.shared import judge


class Options(datagen.stage.Options):
    """What counts as known, and the certainty required of the judge."""

    known: float = Field(1.0, gt=0, le=1, description="As in probe")
    unknown: float = Field(0.0, ge=0, lt=1, description="As in probe")
    sure: float = Field(0.7, ge=0.5, le=1, description="Minimum probability of the judge's yes or no")
    prompt: PromptSource = Field(
        "judges/same_answer", description="Prompt of the judge: a file, or the prompt itself"
    )


def ask(rows: pa.Table, options: Options, context: Context) -> Iterator[Request]:
    """Ask about each answer that word overlap leaves undecided, once for equal answers."""
    prompt, seed = context.prompt(options.prompt), str(context.seed)
    for row in rows.select(["id", "question", "answer", "answers", "right"]).to_pylist():
        for text in _undecided(row):
            yield from judge.ask(
                prompt,
                row["id"],
                *(seed, row["question"], text),
                task="same_answer",
                question=row["question"],
                answer=row["answer"],
                given=text,
                passage="",
                about=text,
            )


def read(rows: pa.Table, answers: Answers, options: Options, context: Context) -> Outcome:
    """Apply the judge's verdicts where it is certain; no row is dropped."""
    labelled = rows.to_pylist()
    for row in labelled:
        verdicts: dict[str, bool] = {}
        for text in _undecided(row):
            about = [answer for answer in answers.of(row["id"]) if answer.request.about == text]
            yes = judge.probability(about)
            if yes is not None and max(yes, 1 - yes) >= options.sure:
                verdicts[text] = yes > 0.5
        if verdicts:
            pairs = zip(row["answers"], row["right"], strict=True)
            right = [verdicts.get(text, undecided) for text, undecided in pairs]
            row |= {
                "right": right,
                "accuracy": accuracy(right),
                "label": label(right, options.known, options.unknown),
            }
    return Outcome.all_kept(table_of(rows.schema, labelled))


def _undecided(row: Row) -> list[str]:
    pairs = zip(row["answers"], row["right"], strict=True)
    return list(dict.fromkeys(text for text, right in pairs if right is None))


stage = ModelStage(
    name="second_opinion",
    summary="ask the judge whether the target was right where word overlap does not decide",
    takes="probes",
    gives="probes",
    ask=ask,
    read=read,
    role="judge",
    options=Options,
)
