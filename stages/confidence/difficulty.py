"""
Measure how hard each answer is for the target: the probabilities of its tokens under three prompts.

The target reads the answer, token by token, after

* the question with its passage (for a closed-book row: with its evidence),
* the question alone,
* nothing: an empty user turn.

Each yields the mean negative log probability of the answer's tokens, in nats: ``loss_with_context``,
``loss_without_context``, ``loss_alone``. One of the first two is the prompt that the row is trained with;
call its loss s(A|Q), and the loss alone s(A). From these come both forms of instruction-following
difficulty, which agree on which side of 1 a row is but on nothing else:

* ``ifd`` = s(A|Q) / s(A), Cherry LLM (arXiv 2308.12032, eq. 3);
* ``ifd_ppl`` = exp(s(A|Q) - s(A)), a ratio of perplexities (arXiv 2402.00530).

Above 1 the question does not help: question and answer do not belong together. Also

* ``v_info`` = log2 p(A|Q) - log2 p(A), in bits of the whole answer: pointwise V-information (arXiv
  2110.08420, eq. 4), its two models being the target under two prompts. Below 0 the question misleads.

The answer's position is known, not searched for: its tokens are appended to those of the prompt
(`Request.given`), so an answer that also occurs in the question, or whose first characters would merge with
the preceding token, is scored correctly. All losses are over the same tokens. The ratios mean little for an
answer of one or two tokens.

The target measures by default. A weaker model may suffice (arXiv 2402.00530): set another ``role``.
`datagen.stages.confidence.compare_difficulty` tests that on a `share` of the rows that the target also
measures, in columns with a `suffix`.
"""

import math
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from datagen.request import Answer, Answers, Message, Request
from datagen.rows import Row
from datagen.schema import chat, fraction
from datagen.stage import Columns, Context, ModelStage, Outcome, scores
from datagen.stages.confidence.score_columns import KINDS, Undecided, scored, undecided

PROMPTS = WITH, WITHOUT, ALONE = "with_context", "without_context", "alone"


class Options(Undecided):
    """Which rows are measured, and the names of the columns."""

    share: float = Field(1, gt=0, le=1, description="Share of the rows to measure, sampled by hash")
    suffix: str = Field(
        "", description="Suffix of the column names, such as _strong, where two models measure"
    )


def ask(rows: pa.Table, options: Options, context: Context) -> Iterator[Request]:
    """Request the log probabilities of each answer under its prompts."""
    seed = str(context.seed)
    for row in undecided(rows, options, "id", "question", "context", "evidence", "answer", "prompt"):
        sampled = fraction("difficulty", seed, row["id"]) < options.share
        if sampled and row["answer"] and row["prompt"]:
            for task, messages in prompts(row).items():
                yield Request(
                    row=row["id"],
                    messages=messages,
                    prompt="",
                    prompt_hash="",
                    task=task,
                    given=row["answer"],
                )


def prompts(row: Row) -> dict[str, list[Message]]:
    """Return the prompts before the answer: the training prompt, the other of the two, and an empty turn."""
    training = row["prompt"]
    system = training[0]["content"] if training[0]["role"] == "system" else None
    prompts_by_task = {ALONE: chat("", system=system)}
    if row["context"]:
        return prompts_by_task | {WITH: training, WITHOUT: chat(row["question"], system=system)}
    if row["evidence"]:
        prompts_by_task |= {WITH: chat(row["question"], row["evidence"], system)}
    return prompts_by_task | {WITHOUT: training}


def read(rows: pa.Table, answers: Answers, options: Options, context: Context) -> Outcome:
    """Add the score columns; no row is dropped."""
    tokens = np.full(len(rows), np.nan)  # of the answer
    loss = {task: np.full(len(rows), np.nan) for task in PROMPTS}
    for place, row in enumerate(rows["id"].to_pylist()):
        for answer in answers.of(row):
            loss[answer.request.task][place] = loss_of(answer)
            tokens[place] = len(answer.completion.logprobs)
    open_book = pc.not_equal(pc.fill_null(rows["context"], ""), "").to_numpy()
    trained = np.where(open_book, loss[WITH], loss[WITHOUT])
    alone = loss[ALONE]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        scores = {f"loss_{task}": values for task, values in loss.items()} | {
            "ifd": trained / alone,
            "ifd_ppl": np.exp(trained - alone),
            "v_info": (alone - trained) * tokens / math.log(2),
        }
    return scored(rows, {f"{name}{options.suffix}": values for name, values in scores.items()})


def loss_of(answer: Answer) -> float:
    """Return the mean negative log probability of the answer's tokens; nan where the engine failed."""
    logprobs = answer.completion.logprobs
    failed = answer.completion.finish == "error" or not logprobs
    return math.nan if failed else -sum(logprobs) / len(logprobs)


def columns(options: Options) -> Columns:
    """Return what is read, and the scores."""
    names = (*(f"loss_{task}" for task in PROMPTS), "ifd", "ifd_ppl", "v_info")
    return Columns(options.reads(), scores(*(f"{name}{options.suffix}" for name in names)))


stage = ModelStage(
    name="difficulty",
    summary="measure the target's loss on each answer with its passage, with its question alone, and alone",
    takes="examples",
    gives="examples",
    ask=ask,
    read=read,
    role="target",
    columns=columns,
    options=Options,
    kinds=KINDS,
)
