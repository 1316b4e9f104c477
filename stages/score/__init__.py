"""
Ask the judge whether each answer is right: one number a row, which decides nothing.

``p_true`` is P(true) of Kadavath et al. (arXiv 2207.05221): the judge is shown passage, question and
answer, and the probability of the letter behind "it is right" is read from its first token, averaged
over both orders of the options. What is done with the number is for `stages.curate`, whose thresholds
change without a model call. The other confidence, ``logprob``, comes with the row from the stage that
wrote it.

Asked about instructions that have a passage, or at least its words of evidence, to be judged by. It is
null where the question makes no sense: refusals and preferences for them (their evidence is the probe),
reading texts, and where the engine failed.
"""

from collections.abc import Iterator

import pyarrow as pa
from pydantic import Field

import datagen.stage
from datagen.request import Answers, Request
from datagen.stage import Context, ModelStage, Outcome
from datagen.stages.score import verdict

SCORED = ("instruction",)


class Options(datagen.stage.Options):
    """How the judge is asked."""

    orders: int = Field(2, ge=1, le=2, description="Orders of the judge's options asked; 2 cancels its bias")
    prompt: str = Field("judges/p_true", description="What the judge is asked; its first option: it is right")


def ask(rows: pa.Table, options: Options, context: Context) -> Iterator[Request]:
    """Ask about each answer that can be judged by its passage."""
    prompt, seed = context.prompt(options.prompt), str(context.recipe.seed)
    for row in rows.select(["id", "kind", "question", "context", "evidence", "answer"]).to_pylist():
        passage = row["context"] or row["evidence"]
        if row["kind"] in SCORED and passage:
            yield from verdict.ask(
                prompt,
                row["id"],
                *(seed, row["question"], row["answer"]),
                task="p_true",
                orders=options.orders,
                passage=passage,
                question=row["question"],
                answer=row["answer"],
            )


def read(rows: pa.Table, answers: Answers, options: Options, context: Context) -> Outcome:
    """Add the column; every row stays."""
    scores = [verdict.probability(answers.of(row)) for row in rows["id"].to_pylist()]
    return Outcome.all_kept(rows.append_column("p_true", pa.array(scores, pa.float64())))


stage = ModelStage(
    name="score",
    summary="ask the judge whether each answer is right",
    takes="examples",
    gives="examples",
    ask=ask,
    read=read,
    role="judge",
    options=Options,
)
