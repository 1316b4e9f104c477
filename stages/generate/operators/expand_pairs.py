"""Pair expansion: new pairs after the pattern of several, about the material of one of them."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Annotated, Any

import pyarrow as pa
from pydantic import BaseModel, Field

from datagen.prompt import PromptSource
from datagen.request import Answers, Reject, Request
from datagen.schema import content_id
from datagen.stage import Builder, Context, ModelStage, Outcome
from datagen.stages.generate.operators.parents import PAGE, Operating, Parent, instruction_of, parents_of
from datagen.stages.shared.checks.field_patterns import Text, parse

OPERATOR = "expand_pairs"


class Options(Operating):
    """How many pairs are shown and written."""

    shown: int = Field(3, ge=1, le=20, description="Pairs shown: the row's own and others of its partition")
    count: int = Field(2, ge=1, le=20, description="New pairs for each row")
    prompt: PromptSource = Field("operators/expand_pairs", description="What the model is asked for")


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
    for parent in parents:
        shown = [parent, *_others(parent, parents, options, context.seed)]
        yield prompt.ask(
            parent.id,
            task=OPERATOR,
            sampling=options.sampling(),
            schema=Pairs,
            passage=parent.material,
            pairs=[{"question": one.question, "answer": one.answer} for one in shown],
            count=options.count,
        )


def read(rows: pa.Table, answers: Answers, options: Options, context: Context) -> Outcome:
    """Check the new pairs; their lineage names all pairs that were shown."""
    built, parents = Builder("candidates", context), _parents(rows, options, context)
    instruction = instruction_of(context.prompt(options.prompt), passage="", pairs=[], count=0)
    for row, parent in parents_of(rows, options, context):
        fields: dict[str, Any] = {"kind": "instruction", "task": row["task"]}
        if isinstance(parent, Reject):
            built.drop(parent, fields, row)
            continue
        others = _others(parent, parents, options, context.seed)
        related = [one.row for one in others]
        for answer in answers.of(row["id"]):
            try:
                pairs = parse(answer, Pairs).pairs[: options.count]
            except Reject as why:
                built.drop(why, fields | {"answer": answer.completion.text}, row, answer, others=related)
                continue
            known = [one.question for one in others]
            for pair in pairs:
                try:
                    question = parent.check_question(pair.question, instruction, *known)
                    reply = parent.check_answer(question, pair.answer, instruction)
                except Reject as why:
                    made = {"question": pair.question, "answer": pair.answer}
                    built.drop(why, fields | made, row, answer, others=related)
                else:
                    known.append(question)
                    built.keep(parent.child(OPERATOR, question, reply), row, answer, others=related)
        if not answers.of(row["id"]):
            built.drop(Reject("not answered", "no completion"), fields, row)
    return replace(built.outcome(), figures={"parents": answers.rows})


def _parents(rows: pa.Table, options: Options, context: Context) -> list[Parent]:
    return [parent for _, parent in parents_of(rows, options, context) if isinstance(parent, Parent)]


def _others(parent: Parent, parents: Sequence[Parent], options: Options, seed: int) -> list[Parent]:
    """Draw the other pairs to show: one of each other task first, so that types differ."""
    drawn = sorted(
        (one for one in parents if one.id != parent.id),
        key=lambda one: content_id("pattern", str(seed), parent.id, one.id),
    )
    by_task: dict[str, Parent] = {}
    for one in drawn:
        by_task.setdefault(one.row["task"], one)
    first = [one for one in by_task.values() if one.row["task"] != parent.row["task"]]
    taken = {one.id for one in first}
    return [*first, *(one for one in drawn if one.id not in taken)][: options.shown - 1]


stage = ModelStage(
    name=OPERATOR,
    summary="write further pairs after the pattern of each row and others",
    takes="examples",
    gives="candidates",
    ask=ask,
    read=read,
    options=Options,
    kinds=("instruction",),
)
