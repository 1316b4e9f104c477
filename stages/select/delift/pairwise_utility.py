"""
Measure how much each example helps the target with a row: the pairwise utility of DELIFT (arXiv 2411.04425).

UF_ij = d(y_i | x_i) - d(y_i | x_j, y_j, x_i)

d is the distance of the target's probabilities of the answer's tokens from certainty: the Euclidean norm of
1 - p, divided by the square root of the number of tokens; from 0 to 1. Example j, its prompt and its answer,
is a chat turn before the row's prompt. Above 0 it helps, below 0 it misleads.

Answers are read, none is generated: each row once without an example, and once with each example that
`datagen.stages.select.delift.neighbours` put into its column ``nearest``. That column is replaced by
``utility``: a list of the examples' ids and utilities, without those that could not be read. Another target,
or the same one after further training, gets new requests: their keys include its name and revision, which
``stage.json`` records.
"""

import math
from collections.abc import Iterator
from dataclasses import replace

import pyarrow as pa

from datagen.errors import UserError
from datagen.request import Answer, Answers, Message, Request
from datagen.rows import Fields, Row
from datagen.stage import Columns, Context, ModelStage, Options, Outcome, Read
from datagen.stages.confidence.score_columns import KINDS

ALONE, WITH = "alone", "with_example"
UTILITY = pa.list_(
    pa.struct(
        [
            ("of", pa.string()),  # source of the example: rows, earlier or wanted
            ("id", pa.string()),
            ("utility", pa.float64()),
        ]
    )
)


def ask(rows: pa.Table, options: Options, context: Context) -> Iterator[Request]:
    """Request the log probabilities of each answer, without an example and with each."""
    if "nearest" not in rows.column_names:
        raise UserError(
            f"stages.{context.stage} needs the column nearest; put the stage delift_neighbours before it"
        )
    for row in rows.select(["id", "prompt", "answer", "nearest"]).to_pylist():
        if row["prompt"] and row["answer"] and row["nearest"]:
            yield _read_after(row["prompt"], row, ALONE)
            for number, example in enumerate(row["nearest"]):
                if example["prompt"] and example["answer"]:
                    yield _read_after(with_example(example, row["prompt"]), row, WITH, str(number))


def with_example(example: Row, prompt: list[Message]) -> list[Message]:
    """Insert an example before a prompt, as an earlier chat turn; the system message is the prompt's."""
    system = [message for message in prompt if message["role"] == "system"]
    turn = [message for message in example["prompt"] if message["role"] != "system"]
    rest = [message for message in prompt if message["role"] != "system"]
    return [*system, *turn, {"role": "assistant", "content": example["answer"]}, *rest]


def _read_after(messages: list[Message], row: Row, task: str, about: str = "") -> Request:
    return Request(row["id"], messages, "", "", task, given=row["answer"], about=about)


def read(rows: pa.Table, answers: Answers, options: Options, context: Context) -> Outcome:
    """Replace the examples with their utilities; no row is dropped."""
    if "utility" in rows.column_names:
        raise UserError("the rows already have utilities; remove one of the stages that measure them")
    measured: list[list[Fields]] = []
    figures = {"pairs": 0, "pairs_not_read": 0}
    for row in rows.select(["id", "nearest"]).to_pylist():
        by_number = utilities(answers.of(row["id"]))
        pairs = [
            {"of": example["of"], "id": example["id"], "utility": by_number[number]}
            for number, example in enumerate(row["nearest"])
            if number in by_number
        ]
        measured.append(pairs)
        figures["pairs"] += len(pairs)
        figures["pairs_not_read"] += len(row["nearest"]) - len(pairs)
    kept = rows.drop_columns("nearest").append_column("utility", pa.array(measured, UTILITY))
    return replace(Outcome.all_kept(kept), figures=figures)


def utilities(answers: list[Answer]) -> dict[int, float]:
    """Compute the utilities of a row's examples, by number; those that were not read are excluded."""
    alone = next((distance(answer) for answer in answers if answer.request.task == ALONE), math.nan)
    by_number = {
        int(answer.request.about): alone - distance(answer)
        for answer in answers
        if answer.request.task == WITH
    }
    return {number: utility for number, utility in by_number.items() if math.isfinite(utility)}


def distance(answer: Answer) -> float:
    """Measure how far the probabilities of the answer's tokens are from 1; nan where the engine failed."""
    logprobs = answer.completion.logprobs
    if answer.completion.finish == "error" or not logprobs:
        return math.nan
    return math.sqrt(sum(math.expm1(logprob) ** 2 for logprob in logprobs) / len(logprobs))


def columns(options: Options) -> Columns:
    """Return the examples to try, and their utilities."""
    return Columns([Read("nearest", number=False)], pa.schema([("utility", UTILITY)]))


stage = ModelStage(
    name="delift_utility",
    summary="measure how much each of a row's nearest rows helps the target as an example",
    takes="examples",
    gives="examples",
    ask=ask,
    read=read,
    role="target",
    columns=columns,
    kinds=KINDS,
)
