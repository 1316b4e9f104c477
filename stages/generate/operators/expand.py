"""Expand and refine: write new questions from one, and answer each in a second request."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Annotated

import pyarrow as pa
from pydantic import BaseModel, Field

from datagen.prompt import PromptSource
from datagen.request import Answer, Answers, Reject, Request
from datagen.rows import Fields
from datagen.stage import Builder, Context, ModelStage, OptionsT, Outcome
from datagen.stages.generate.operators.parents import (
    PAGE,
    Operating,
    Parent,
    instruction_of,
    parents_of,
)
from datagen.stages.shared.checks.field_patterns import Text, parse

EXPAND, REFINE, ANSWER = "expand", "refine", "answer"


class Options(Operating):
    """How questions are refined."""

    prompt: PromptSource = Field("operators/refine", description="Prompt for the model")
    answering: PromptSource = Field("operators/answer", description="Prompt that answers the new question")


class Expanding(Options):
    """How many questions are written and how."""

    count: int = Field(2, ge=1, le=20, description="New questions for each row")
    prompt: PromptSource = Field("operators/expand", description="Prompt for the model")


class Questions(BaseModel):
    """New questions."""

    questions: list[Annotated[str, Text(PAGE)]] = Field(min_length=1, max_length=20)


class Question(BaseModel):
    """A refined question."""

    question: Annotated[str, Text(PAGE)]


class Reply(BaseModel):
    """The answer to a new question."""

    answer: Annotated[str, Text(PAGE)]


Written = Iterator[str | Reject]  # new questions, each sound or rejected


def expanded(answer: Answer, parent: Parent, options: Options, instruction: str) -> Written:
    """Check new questions; surplus questions are ignored."""
    try:
        questions = parse(answer, Questions).questions
    except Reject as why:
        yield why
        return
    earlier: list[str] = []
    for text in questions[: options.count if isinstance(options, Expanding) else 1]:
        try:
            earlier.append(parent.check_question(text, instruction, *earlier))
        except Reject as why:
            yield why
        else:
            yield earlier[-1]


def refined(answer: Answer, parent: Parent, options: Options, instruction: str) -> Written:
    """Check a refined question: it keeps the intent and asks for more."""
    try:
        question = parent.check_question(parse(answer, Question).question, instruction)
        parent.check_intent(question)
    except Reject as why:
        yield why
    else:
        yield question


Check = Callable[[Answer, Parent, Options, str], Written]


def ask(
    rows: pa.Table, options: Options, context: Context, *, task: str, schema: type[BaseModel]
) -> Iterator[Request]:
    """Ask for new questions."""
    prompt = context.prompt(options.prompt)
    for row, parent in parents_of(rows, options, context):
        if isinstance(parent, Parent):
            yield prompt.ask(
                row["id"],
                task=task,
                sampling=options.sampling(),
                schema=schema,
                passage=parent.material,
                question=parent.question,
                count=getattr(options, "count", 1),
            )


def follow(
    rows: pa.Table, answers: Answers, options: Options, context: Context, *, check: Check
) -> Iterator[Request]:
    """Request an answer to each sound new question."""
    answering = context.prompt(options.answering)
    instruction = _instruction(options, context)
    for row, parent in parents_of(rows, options, context):
        if isinstance(parent, Reject):
            continue
        for draft in answers.of(row["id"]):
            for question in check(draft, parent, options, instruction):
                if isinstance(question, str):
                    yield answering.ask(
                        row["id"],
                        task=ANSWER,
                        sampling=options.sampling(),
                        schema=Reply,
                        passage=parent.material,
                        question=question,
                        about=question,
                    )


def read(
    rows: pa.Table, answers: Answers, options: Options, context: Context, *, task: str, check: Check
) -> Outcome:
    """Check the answers and keep the pairs as candidates."""
    builder, instruction = Builder("candidates", context), _instruction(options, context)
    for row, parent in parents_of(rows, options, context):
        fields: Fields = {"kind": "instruction", "task": row["task"]}
        if isinstance(parent, Reject):
            builder.drop(parent, fields, row)
            continue
        row_answers = answers.of(row["id"])
        drafts = [reply for reply in row_answers if reply.request.task == task]
        replies = {reply.request.about: reply for reply in row_answers if reply.request.task == ANSWER}
        earlier: list[str] = []
        for draft in drafts:
            for question in check(draft, parent, options, instruction):
                if isinstance(question, Reject):
                    builder.drop(question, fields | {"answer": draft.completion.text}, row, draft)
                    continue
                exchange = [draft, *filter(None, [replies.get(question)])]
                try:
                    if len(exchange) == 1:
                        raise Reject("not answered", question)
                    text = parse(exchange[1], Reply).answer
                    reply = parent.check_answer(question, text, instruction)
                    if task == EXPAND:
                        parent.check_own(reply, *earlier)
                except Reject as why:
                    builder.drop(why, fields | {"question": question}, row, *exchange)
                else:
                    earlier.append(reply)
                    builder.keep(parent.child(task, question, reply), row, *exchange)
        if not drafts:
            builder.drop(Reject("not answered", "no completion"), fields, row)
    return replace(builder.outcome(), figures={"parents": answers.rows})


def _instruction(options: Options, context: Context) -> str:
    texts = [
        instruction_of(context.prompt(source), passage="", question="", count=0)
        for source in (options.prompt, options.answering)
    ]
    return "\n".join(texts)


def _operator(
    name: str, summary: str, schema: type[BaseModel], check: Check, options: type[OptionsT]
) -> ModelStage[OptionsT]:
    return ModelStage(
        name=name,
        summary=summary,
        takes="examples",
        gives="candidates",
        ask=partial(ask, task=name, schema=schema),
        follow=partial(follow, check=check),
        read=partial(read, task=name, check=check),
        options=options,
        kinds=("instruction",),
    )


expand = _operator(
    EXPAND, "write and answer more questions of each row's type", Questions, expanded, Expanding
)
refine = _operator(REFINE, "write and answer each row's question in more detail", Question, refined, Options)
