"""
How hard each answer is for the target: its own probabilities of the answer, under three prompts.

The target reads the answer, token by token, after

* the question with its passage (for a closed-book row: with its evidence),
* the question alone,
* nothing: an empty turn of the user.

Each gives the mean negative log probability of the answer's tokens, in nats: ``loss_with_context``,
``loss_without_context``, ``loss_alone``. One of the first two is the prompt that the row is trained with;
call its loss s(A|Q), and s(A) the loss alone. From them, both forms of instruction-following difficulty,
which agree on the side of 1 that a row is on and on nothing else:

* ``ifd`` = s(A|Q) / s(A), Cherry LLM (arXiv 2308.12032, eq. 3);
* ``ifd_ppl`` = exp(s(A|Q) - s(A)), a ratio of perplexities (arXiv 2402.00530).

Above 1 the question does not help: it and the answer do not belong together. And

* ``v_info`` = log2 p(A|Q) - log2 p(A), in bits of the whole answer: pointwise V-information (arXiv
  2110.08420, eq. 4), its two models being the target under two prompts. Below 0 the question misleads.

Where the answer stands is known and not searched for: its tokens are appended to the prompt's
(`Request.given`), so that an answer whose words are in the question, too, or whose first letters would merge
with what is before them, is scored as itself. All losses are of the same tokens. The ratios say little of an
answer of one or two tokens.

The target measures by default. A weaker model may do, too (arXiv 2402.00530): give the stage another
``role``. `datagen.stages.confidence.compare_difficulty` tests that on a `share` of the rows that the target
measures as well, in columns with a `suffix`.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from datagen.request import Answer, Answers, Message, Request
from datagen.schema import chat, fraction
from datagen.stage import Context, ModelStage, Outcome
from datagen.stages.confidence.score_columns import KINDS, Undecided, scored, undecided

PROMPTS = WITH, WITHOUT, ALONE = "with_context", "without_context", "alone"


class Options(Undecided):
    """Which rows are read, and where what is found goes."""

    share: float = Field(1, gt=0, le=1, description="Share of the rows that are read, drawn by hash")
    suffix: str = Field(
        "", description="Put behind the names of the columns, such as _strong, where two models measure"
    )


def ask(rows: pa.Table, options: Options, context: Context) -> Iterator[Request]:
    """Have each answer read under its prompts."""
    seed = str(context.seed)
    for row in undecided(rows, options, "id", "question", "context", "evidence", "answer", "prompt"):
        drawn = fraction("difficulty", seed, row["id"]) < options.share
        if drawn and row["answer"] and row["prompt"]:
            for task, messages in prompts(row).items():
                yield Request(
                    row=row["id"],
                    messages=messages,
                    prompt="",
                    prompt_hash="",
                    task=task,
                    given=row["answer"],
                )


def prompts(row: dict[str, Any]) -> dict[str, list[Message]]:
    """Write what stands before the answer: what the row is trained with, the other of the two, nothing."""
    own = row["prompt"]
    system = own[0]["content"] if own[0]["role"] == "system" else None
    shown = {ALONE: chat("", system=system)}
    if row["context"]:
        return shown | {WITH: own, WITHOUT: chat(row["question"], system=system)}
    if row["evidence"]:
        shown |= {WITH: chat(row["question"], row["evidence"], system)}
    return shown | {WITHOUT: own}


def read(rows: pa.Table, answers: Answers, options: Options, context: Context) -> Outcome:
    """Add the columns; every row stays."""
    tokens = np.full(len(rows), np.nan)  # of the answer
    loss = {task: np.full(len(rows), np.nan) for task in PROMPTS}
    for place, row in enumerate(rows["id"].to_pylist()):
        for answer in answers.of(row):
            loss[answer.request.task][place] = loss_of(answer)
            tokens[place] = len(answer.completion.logprobs)
    shown = pc.not_equal(pc.fill_null(rows["context"], ""), "").to_numpy()
    asked = np.where(shown, loss[WITH], loss[WITHOUT])
    alone = loss[ALONE]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        scores = {f"loss_{task}": values for task, values in loss.items()} | {
            "ifd": asked / alone,
            "ifd_ppl": np.exp(asked - alone),
            "v_info": (alone - asked) * tokens / math.log(2),
        }
    return scored(rows, {f"{name}{options.suffix}": values for name, values in scores.items()})


def loss_of(answer: Answer) -> float:
    """Average the negative log probability of the answer's tokens; nan where the engine failed."""
    logprobs = answer.completion.logprobs
    failed = answer.completion.finish == "error" or not logprobs
    return math.nan if failed else -sum(logprobs) / len(logprobs)


stage = ModelStage(
    name="difficulty",
    summary="have the target read each answer with its passage, with the question alone, and with neither",
    takes="examples",
    gives="examples",
    ask=ask,
    read=read,
    role="target",
    options=Options,
    kinds=KINDS,
)
