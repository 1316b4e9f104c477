"""Pair expansion: new pairs modelled on several others, about the material of one of them."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Annotated

import pyarrow as pa
from pydantic import BaseModel, Field

from datagen.prompt import PromptSource
from datagen.request import Answers, Reject, Request
from datagen.rows import Fields
from datagen.schema import content_id
from datagen.stage import Builder, Context, ModelStage, Outcome
from datagen.stages.generate.operators.parents import PAGE, Operating, Parent, instruction_of, parents_of
from datagen.stages.shared.checks.field_patterns import Text, parse

OPERATOR = "expand_pairs"
WINDOW = 32  # rows from which the pairs shown with a row are chosen


class Options(Operating):
    """How many pairs are shown and written."""

    shown: int = Field(3, ge=1, le=20, description="Pairs shown: the row's own and others of its partition")
    count: int = Field(2, ge=1, le=20, description="New pairs for each row")
    prompt: PromptSource = Field("operators/expand_pairs", description="Prompt for the model")


class Pair(BaseModel):
    """A new pair."""

    question: Annotated[str, Text(PAGE)]
    answer: Annotated[str, Text(PAGE)]


class Pairs(BaseModel):
    """New pairs."""

    pairs: list[Pair] = Field(min_length=1, max_length=20)


def ask(rows: pa.Table, options: Options, context: Context) -> Iterator[Request]:
    """Show each row with others and ask for new pairs."""
    prompt, parents = context.prompt(options.prompt), _parents(rows, options, context)
    others = _others(parents, options, context.seed)
    for parent in parents:
        examples = [parent, *others[parent.id]]
        yield prompt.ask(
            parent.id,
            task=OPERATOR,
            sampling=options.sampling(),
            schema=Pairs,
            passage=parent.material,
            pairs=[{"question": example.question, "answer": example.answer} for example in examples],
            count=options.count,
        )


def read(rows: pa.Table, answers: Answers, options: Options, context: Context) -> Outcome:
    """Check the new pairs; their lineage names all pairs in the prompt."""
    builder = Builder("candidates", context)
    others_of = _others(_parents(rows, options, context), options, context.seed)
    instruction = instruction_of(context.prompt(options.prompt), passage="", pairs=[], count=0)
    for row, parent in parents_of(rows, options, context):
        fields: Fields = {"kind": "instruction", "task": row["task"]}
        if isinstance(parent, Reject):
            builder.drop(parent, fields, row)
            continue
        others = others_of[parent.id]
        related = [other.row for other in others]
        for answer in answers.of(row["id"]):
            try:
                pairs = parse(answer, Pairs).pairs[: options.count]
            except Reject as why:
                builder.drop(why, fields | {"answer": answer.completion.text}, row, answer, others=related)
                continue
            questions = [other.question for other in others]
            replies = [other.answer for other in others]
            for pair in pairs:
                try:
                    question = parent.check_question(pair.question, instruction, *questions)
                    reply = parent.check_answer(question, pair.answer, instruction)
                    parent.check_own(reply, *replies)
                except Reject as why:
                    rejected = {"question": pair.question, "answer": pair.answer}
                    builder.drop(why, fields | rejected, row, answer, others=related)
                else:
                    questions.append(question)
                    replies.append(reply)
                    builder.keep(
                        parent.child(OPERATOR, question, reply, related), row, answer, others=related
                    )
        if not answers.of(row["id"]):
            builder.drop(Reject("not answered", "no completion"), fields, row)
    return replace(builder.outcome(), figures={"parents": answers.rows})


def _parents(rows: pa.Table, options: Options, context: Context) -> list[Parent]:
    return [parent for _, parent in parents_of(rows, options, context) if isinstance(parent, Parent)]


def _others(parents: Sequence[Parent], options: Options, seed: int) -> dict[str, list[Parent]]:
    """
    Draw the pairs to show with each parent: first one of each other task, so that types differ.

    They are the next pairs on a ring in hash order; comparing all rows would take quadratic time. A pair that
    two stages made is on it once.
    """
    distinct = {parent.id: parent for parent in parents}.values()
    ring = sorted(distinct, key=lambda parent: content_id("pattern", str(seed), parent.id))
    drawn: dict[str, list[Parent]] = {}
    for position, parent in enumerate(ring):
        nearby = [ring[(position + step) % len(ring)] for step in range(1, min(WINDOW, len(ring) - 1) + 1)]
        by_task: dict[str, Parent] = {}
        for other in nearby:
            by_task.setdefault(other.row["task"], other)
        first = [other for task, other in by_task.items() if task != parent.row["task"]]
        chosen = {other.id for other in first}
        rest = [other for other in nearby if other.id not in chosen]
        drawn[parent.id] = [*first, *rest][: options.shown - 1]
    return drawn


stage = ModelStage(
    name=OPERATOR,
    summary="write more pairs modelled on each row and others",
    takes="examples",
    gives="candidates",
    ask=ask,
    read=read,
    options=Options,
    kinds=("instruction",),
)
