"""
Demands written from the answer: FormatCoT of Struc-Bench (arXiv 2309.08963).

The model describes the layout of a formatted answer step by step and writes an instruction that asks for it.
A round trip confirms the instruction: the plain question is answered again with it, and the format's parser
must accept the result, with the same names and number of items. Only then does the instruction replace the
row's demand. Every candidate is kept.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Annotated

import pyarrow as pa
from pydantic import BaseModel, Field

import datagen.stage
from datagen.json_types import JsonObject
from datagen.prompt import PromptSource
from datagen.request import Answer, Answers, Reject, Request, Sampling
from datagen.rows import Fields, Row
from datagen.schema import fraction, table_of
from datagen.stage import Context, ModelStage, Outcome
from datagen.stages.generate.format_control.demands import Demand
from datagen.stages.shared.checks.field_patterns import Text, parse
from datagen.stages.shared.language.words import words_of
from datagen.stages.shared.passage import phrase_in

DESCRIBE, ROUND_TRIP = "describe", "reproduce"
GIVEN_AWAY = 4  # consecutive words of the answer that an instruction must not contain


class Options(datagen.stage.Options):
    """Which demands are written, and how."""

    share: float = Field(1.0, ge=0, le=1, description="Share of the demands to write from the answer")
    max_tokens: int = Field(512, ge=16, description="Maximum length of a completion, in tokens")
    prompt: PromptSource = Field("formats/describe", description="Prompt for the model")
    reproducing: PromptSource = Field("formats/rewrite", description="Prompt that tests the instruction")


class Description(BaseModel):
    """A layout, and the instruction that asks for it."""

    layout: Annotated[str, Text(4000)]
    instruction: Annotated[str, Text(1000)]


def ask(rows: pa.Table, options: Options, context: Context) -> Iterator[Request]:
    """Request a description of the layout of each formatted answer."""
    prompt = context.prompt(options.prompt)
    for row in rows.to_pylist():
        if _labels(row, options, context):
            yield prompt.ask(
                row["id"],
                task=DESCRIBE,
                sampling=Sampling(options.max_tokens),
                schema=Description,
                answer=row["answer"],
            )


def follow(rows: pa.Table, answers: Answers, options: Options, context: Context) -> Iterator[Request]:
    """Test each instruction: request an answer to the plain question with it."""
    prompt = context.prompt(options.reproducing)
    for row in rows.to_pylist():
        labels = _labels(row, options, context)
        for answer in answers.of(row["id"]):
            with suppress(Reject):
                yield prompt.ask(
                    row["id"],
                    task=ROUND_TRIP,
                    sampling=Sampling(options.max_tokens),
                    passage=row["context"] or row["evidence"] or "",
                    question=_plain(row, labels),
                    answer=" ".join(_demand(labels, "").read(row["answer"])[1].cells),
                    demand=_instruction(answer, row),
                )


def read(rows: pa.Table, answers: Answers, options: Options, context: Context) -> Outcome:
    """Replace each demand whose instruction passed its round trip."""
    after, written, confirmed = [], 0, 0
    for row in rows.to_pylist():
        by_task = {answer.request.task: answer for answer in answers.of(row["id"])}
        written += DESCRIBE in by_task
        try:
            labels = _labels(row, options, context)
            if ROUND_TRIP not in by_task:
                raise Reject("no instruction")
            _demand(labels, "").read(by_task[ROUND_TRIP].text)
            row = _replaced(row, labels, _instruction(by_task[DESCRIBE], row), list(by_task.values()))
            confirmed += 1
        except Reject:
            pass
        after.append(row)
    kept = Outcome.all_kept(table_of(rows.schema, after))
    return Outcome(kept.kept, kept.dropped, {"instructions": written, "confirmed": confirmed})


def _labels(row: Row, options: Options, context: Context) -> JsonObject:
    """Return the labels of a row whose demand is rewritten; empty for others."""
    labels: JsonObject = json.loads(row["metadata"] or "{}")
    selected = fraction("describe", row["id"], str(context.seed)) < options.share
    return labels if selected and labels.get("format") and labels.get("shown") == "demand" else {}


def _demand(labels: JsonObject, text: str) -> Demand:
    if not labels:
        raise Reject("no format")
    return Demand(labels["format"], tuple(labels["names"]), labels["count"], text)


def _plain(row: Row, labels: JsonObject) -> str:
    return str(row["question"]).removesuffix(f"\n\n{labels['demand']}")


def _instruction(answer: Answer, row: Row) -> str:
    """Return the instruction on one line. Reject it if it gives the answer away."""
    instruction = " ".join(parse(answer, Description).instruction.split())
    answer_words, instruction_words = words_of(row["answer"]), words_of(instruction)
    for start in range(len(answer_words) - GIVEN_AWAY + 1):
        if phrase_in(instruction_words, [" ".join(answer_words[start : start + GIVEN_AWAY])]):
            raise Reject("gives the answer away", instruction)
    return instruction


def _replaced(row: Row, labels: JsonObject, instruction: str, answers: list[Answer]) -> Fields:
    question = f"{_plain(row, labels)}\n\n{instruction}"
    *before, last = row["prompt"]
    last = last | {"content": last["content"].removesuffix(row["question"]) + question}
    keys = [*row["lineage"]["requests"], *(answer.completion.key for answer in answers)]
    return {
        **row,
        "question": question,
        "prompt": [*before, last],
        "lineage": row["lineage"] | {"requests": list(dict.fromkeys(keys))},
        "metadata": json.dumps(labels | {"shown": "instruction", "demand": instruction}, ensure_ascii=False),
    }


stage = ModelStage(
    name="describe_formats",
    summary="write the demand for a format from the formatted answer, and confirm it by a round trip",
    takes="candidates",
    gives="candidates",
    ask=ask,
    follow=follow,
    read=read,
    options=Options,
)
