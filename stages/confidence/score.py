"""
Scores: how far a row can be trusted, how hard it is; each a column, and none of them decides.

What is done with a number is for `datagen.stages.filter.curate` and `select`, whose thresholds change without
a model call. Each stage here asks one role for columns of its own; null where there was nothing to ask, the
engine failed, or the recipe's `only_if` left the row out (`datagen.stages.confidence.score_columns`):

* `score` (this module, judge): ``p_true``. Cheap: two tokens per row.
* `consistency` (generator): ``consistency``, ``reflection`` and ``bsdetector``.
* `meta_rank` (judge): ``meta_rank``, against pairs that you have judged.
* `difficulty` (target): ``ifd``, ``ifd_ppl``, ``v_info`` and the losses behind them.

``logprob``, the sequence confidence, comes for nothing with a row from the stage that wrote it.

``p_true`` is P(true) of Kadavath et al. (arXiv 2207.05221): the judge is shown passage, question and
answer, and the probability of the letter behind "it is right" is read from its first token, averaged
over both orders of the options. A row is asked about that has a passage, or at least its words of evidence,
to be judged by.
"""

from collections.abc import Iterator

import pyarrow as pa
from pydantic import Field

from datagen.prompt import PromptSource
from datagen.request import Answers, Request
from datagen.stage import Context, ModelStage, Outcome
from datagen.stages.confidence.score_columns import KINDS, Undecided, scored, undecided
from datagen.stages.shared import judge


class Options(Undecided):
    """How the judge is asked."""

    orders: int = Field(2, ge=1, le=2, description="Orders of the judge's options asked; 2 cancels its bias")
    prompt: PromptSource = Field(
        "judges/p_true",
        description="What the judge is asked; its first option: it is right. A file, or the prompt itself",
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
    """Add the column; every row stays."""
    believed = [judge.probability(answers.of(row)) for row in rows["id"].to_pylist()]
    return scored(rows, {"p_true": believed})


stage = ModelStage(
    name="score",
    summary="ask the judge whether each answer is right",
    takes="examples",
    gives="examples",
    ask=ask,
    read=read,
    role="judge",
    options=Options,
    kinds=KINDS,
)
