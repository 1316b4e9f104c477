"""
Scores: how reliable a row is and how hard it is. Each is a column; none of them drops a row.

Dropping is up to `datagen.stages.filter.curate` and `select`, whose thresholds change without a model call.
Each stage here queries one role for its own columns; a score is null where there was nothing to ask, the
engine failed, or the recipe's `only_if` excluded the row (`datagen.stages.confidence.score_columns`):

* `score` (this module, judge): ``p_true``. Cheap: two tokens per row.
* `consistency` (generator): ``consistency``, ``reflection`` and ``bsdetector``.
* `meta_rank` (judge): ``meta_rank``, against pairs that you have judged.
* `difficulty` (target): ``ifd``, ``ifd_ppl``, ``v_info`` and the underlying losses.

``logprob``, the sequence confidence, comes free from the stage that generates the row.

``p_true`` is P(true) of Kadavath et al. (arXiv 2207.05221): the judge sees passage, question and answer,
and the probability of the letter for "it is right" is read from its first token, averaged over both orders
of the options. Only rows that have a passage, or at least evidence, are judged.
"""

from collections.abc import Iterator

import pyarrow as pa
from pydantic import Field

from datagen.prompt import PromptSource
from datagen.request import Answers, Request
from datagen.stage import Columns, Context, ModelStage, Outcome, scores
from datagen.stages.confidence.score_columns import KINDS, Undecided, scored, undecided
from datagen.stages.shared import judge


class Options(Undecided):
    """How the judge is queried."""

    orders: int = Field(2, ge=1, le=2, description="Orders of the options asked; 2 cancel position bias")
    prompt: PromptSource = Field(
        "judges/p_true",
        description="Prompt of the judge, whose first option is: it is right; a file or the prompt itself",
    )


def ask(rows: pa.Table, options: Options, context: Context) -> Iterator[Request]:
    """Ask about each answer that can be judged by its passage."""
    prompt, seed = context.prompt(options.prompt), str(context.seed)
    for row in undecided(rows, options, "id", "question", "context", "evidence", "answer"):
        if passage := row["context"] or row["evidence"]:
            yield from judge.ask(
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
    """Add the score column; no row is dropped."""
    probabilities = [judge.probability(answers.of(row)) for row in rows["id"].to_pylist()]
    return scored(rows, {"p_true": probabilities})


def columns(options: Options) -> Columns:
    """Return what is read, and the score."""
    return Columns(options.reads(), scores("p_true"))


stage = ModelStage(
    name="score",
    summary="ask the judge whether each answer is right",
    takes="examples",
    gives="examples",
    ask=ask,
    read=read,
    role="judge",
    columns=columns,
    options=Options,
    kinds=KINDS,
)
