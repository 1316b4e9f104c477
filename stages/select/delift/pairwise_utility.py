"""
How much each example helps the target with a row: the pairwise utility of DELIFT (arXiv 2411.04425).

    UF_ij = d(y_i | x_i) - d(y_i | x_j, y_j, x_i)

d is the distance of the target's probabilities of the answer's tokens from certainty: the Euclidean norm of
1 - p, divided by the square root of their number; from 0 to 1. Example j, its prompt and its answer, stands
as a turn of the chat before the row's prompt. Above 0 it helps, below 0 it misleads.

Answers are read and none is written: each row once without an example, and once with each that `pair`
(`datagen.stages.select.delift.neighbours`) put into its column ``nearest``, which goes. In its place comes
``utility``: a list of the examples' ids with what each is worth, without those that could not be read.
Another target, or the same one trained further, is asked again: requests are keyed by its name and revision,
which stand in ``stage.json``.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pyarrow as pa

from datagen.errors import UserError
from datagen.request import Answer, Answers, Message, Request
from datagen.stage import Context, ModelStage, Options, Outcome
from datagen.stages.confidence.score_columns import KINDS

ALONE, WITH = "alone", "with_example"
UTILITY = pa.list_(
    pa.struct(
        [
            ("of", pa.string()),  # whose example: rows, earlier or wanted
            ("id", pa.string()),
            ("utility", pa.float64()),
        ]
    )
)


def ask(rows: pa.Table, options: Options, context: Context) -> Iterator[Request]:
    """Have each answer read without an example and with each."""
    if "nearest" not in rows.column_names:
        raise UserError(f"stages.{context.stage} measures pairs of rows; put the stage pair before it")
    for row in rows.select(["id", "prompt", "answer", "nearest"]).to_pylist():
        if row["prompt"] and row["answer"] and row["nearest"]:
            yield _read_after(row["prompt"], row, ALONE)
            for number, example in enumerate(row["nearest"]):
                if example["prompt"] and example["answer"]:
                    yield _read_after(shown(example, row["prompt"]), row, WITH, str(number))


def shown(example: Mapping[str, Any], prompt: list[Message]) -> list[Message]:
    """Put an example before a prompt, as an earlier turn of its chat; the system message is the prompt's."""
    system = [message for message in prompt if message["role"] == "system"]
    turn = [message for message in example["prompt"] if message["role"] != "system"]
    rest = [message for message in prompt if message["role"] != "system"]
    return [*system, *turn, {"role": "assistant", "content": example["answer"]}, *rest]


def _read_after(messages: list[Message], row: Mapping[str, Any], task: str, about: str = "") -> Request:
    return Request(row["id"], messages, "", "", task, given=row["answer"], about=about)


def read(rows: pa.Table, answers: Answers, options: Options, context: Context) -> Outcome:
    """Put what each example is worth in the place of the examples; every row stays."""
    if "utility" in rows.column_names:
        raise UserError("the rows have utilities already; leave out one of the stages that measure them")
    measured: list[list[dict[str, Any]]] = []
    figures = {"pairs": 0, "pairs_not_read": 0}
    for row in rows.select(["id", "nearest"]).to_pylist():
        worth = utilities(answers.of(row["id"]))
        told = [
            {"of": example["of"], "id": example["id"], "utility": worth[number]}
            for number, example in enumerate(row["nearest"])
            if number in worth
        ]
        measured.append(told)
        figures["pairs"] += len(told)
        figures["pairs_not_read"] += len(row["nearest"]) - len(told)
    kept = rows.drop_columns("nearest").append_column("utility", pa.array(measured, UTILITY))
    return replace(Outcome.all_kept(kept), figures=figures)


def utilities(answers: list[Answer]) -> dict[int, float]:
    """Say of the examples of a row, by number, what each is worth; those that were not read are left out."""
    alone = next((distance(answer) for answer in answers if answer.request.task == ALONE), math.nan)
    with_each = {int(one.request.about): distance(one) for one in answers if one.request.task == WITH}
    worth = {number: alone - far for number, far in with_each.items()}
    return {number: utility for number, utility in worth.items() if math.isfinite(utility)}


def distance(answer: Answer) -> float:
    """Measure how far the probabilities of the answer's tokens are from 1; nan where the engine failed."""
    logprobs = answer.completion.logprobs
    if answer.completion.finish == "error" or not logprobs:
        return math.nan
    return math.sqrt(sum(math.expm1(logprob) ** 2 for logprob in logprobs) / len(logprobs))


stage = ModelStage(
    name="delift_utility",
    summary="have the target read each answer without and with each of its nearest rows as an example",
    takes="examples",
    gives="examples",
    ask=ask,
    read=read,
    role="target",
    kinds=KINDS,
)
