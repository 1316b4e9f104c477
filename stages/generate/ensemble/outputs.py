"""
Another model's output for each question.

Rows with an input (a passage) and rows without one use different templates. Use the stage once for each
additional model::

    second_output: {use: another_output, role: second}
    third_output: {use: another_output, role: third}
"""

from collections.abc import Iterator

import pyarrow as pa
from pydantic import Field

import datagen.stage
from datagen.prompt import PromptSource
from datagen.request import Answers, Reject, Request, Sampling
from datagen.rows import Fields
from datagen.stage import Columns, Context, ModelStage, Outcome

COLUMN = "outputs"

OUTPUTS = pa.list_(
    pa.struct(
        [
            ("text", pa.string()),
            ("model", pa.string()),
            ("revision", pa.string()),
            ("licence", pa.string()),
            ("request", pa.string()),  # key of the completion
            ("logprob", pa.float64()),  # mean of its tokens
        ]
    )
)


class Options(datagen.stage.Options):
    """How the model is asked."""

    max_tokens: int = Field(512, ge=16, description="Maximum length of an output, in tokens")
    temperature: float = Field(0.0, ge=0, description="0: always the likeliest tokens")
    with_input: PromptSource = Field("ensemble/with_input", description="Prompt for rows with a passage")
    without_input: PromptSource = Field(
        "ensemble/without_input", description="Prompt for rows without a passage"
    )


def ask(rows: pa.Table, options: Options, context: Context) -> Iterator[Request]:
    """Ask the model each question, with its passage if it has one."""
    sampling = Sampling(options.max_tokens, options.temperature)
    for row in rows.select(["id", "question", "context", "answer"]).to_pylist():
        if row["question"] and row["answer"]:
            template = options.with_input if row["context"] else options.without_input
            yield context.prompt(template).ask(
                row["id"],
                task="output",
                sampling=sampling,
                passage=row["context"] or "",
                question=row["question"],
            )


def read(rows: pa.Table, answers: Answers, options: Options, context: Context) -> Outcome:
    """Append the outputs to the rows. Every row is kept, even if the model failed."""
    failed = 0
    earlier = rows[COLUMN].to_pylist() if COLUMN in rows.column_names else [None] * len(rows)
    outputs: list[list[Fields]] = []
    for row, previous in zip(rows["id"].to_pylist(), earlier, strict=True):
        outputs.append(list(previous or []))
        for answer in answers.of(row):
            completion = answer.completion
            try:
                text = answer.text
            except Reject:
                failed += 1
                continue
            logprobs = completion.logprobs
            outputs[-1].append(
                {
                    "text": text,
                    "model": completion.model,
                    "revision": completion.revision,
                    "licence": context.model.licence,
                    "request": completion.key,
                    "logprob": sum(logprobs) / len(logprobs) if logprobs else None,
                }
            )
    rest = rows.drop_columns([COLUMN]) if COLUMN in rows.column_names else rows
    kept = Outcome.all_kept(rest.append_column(COLUMN, pa.array(outputs, OUTPUTS)))
    return Outcome(kept.kept, kept.dropped, {"failed": failed})


def columns(options: Options) -> Columns:
    """Return the outputs."""
    return Columns(makes=pa.schema([(COLUMN, OUTPUTS)]))


stage = ModelStage(
    name="another_output",
    summary="have another model answer each question, for a consensus",
    takes="examples",
    gives="examples",
    ask=ask,
    read=read,
    columns=columns,
    options=Options,
    kinds=("instruction",),
)
