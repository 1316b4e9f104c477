"""Collect the teacher's critiques and proposals; no pair is changed here."""

from collections.abc import Iterator
from functools import partial
from typing import Annotated, Literal

import pyarrow as pa
from pydantic import BaseModel, Field

import datagen.stage
from datagen.errors import UserError
from datagen.prompt import PromptSource
from datagen.request import Answer, Answers, Reject, Request, Sampling
from datagen.rows import Fields
from datagen.schema import LINEAGE
from datagen.stage import Columns, Context, ModelStage, Outcome, lineage
from datagen.stages.generate.operators.parents import PAGE, Operating, Parent, instruction_of, parents_of
from datagen.stages.shared import checks
from datagen.stages.shared.checks.field_patterns import Text, parse
from datagen.stages.shared.language.words import words_of
from datagen.stages.shared.passage import overlap

Part = Literal["question", "answer"]
# Minimum share of an answer's words that a better one keeps: rules cannot confirm another answer.
RELATED = 0.75

PROPOSAL = pa.struct(
    [
        ("critique", pa.string()),
        ("question", pa.string()),  # the row's own if only the answer is rewritten
        ("answer", pa.string()),
        ("reason", pa.string()),  # why the proposal is unsound; null if it is sound
        ("lineage", LINEAGE),  # of the row, if the proposal is accepted
    ]
)


class Options(datagen.stage.Options):
    """Options of the requests to the teacher."""

    share: float = Field(1.0, ge=0, le=1, description="Share of the rows to rewrite, drawn by hash")
    tasks: tuple[str, ...] = Field((), description="Rewrite rows of these tasks; default: all")
    max_tokens: int = Field(768, ge=16, description="Maximum length of critique and proposal, in tokens")
    temperature: float = Field(0.0, ge=0, description="0: always the likeliest tokens")
    prompt: PromptSource = Field("", description="Prompt for the teacher; default: recycle/PART")

    def chosen(self) -> Operating:
        """Return the options that choose the rows."""
        return Operating(share=self.share, tasks=self.tasks)


class Question(BaseModel):
    """A critique of a question, and a better pair."""

    critique: Annotated[str, Text(PAGE)]
    question: Annotated[str, Text(PAGE)]
    answer: Annotated[str, Text(PAGE)]


class BetterAnswer(BaseModel):
    """A critique of an answer, and a better one."""

    critique: Annotated[str, Text(PAGE)]
    answer: Annotated[str, Text(PAGE)]


SCHEMAS: dict[Part, type[BaseModel]] = {"question": Question, "answer": BetterAnswer}


def ask(rows: pa.Table, options: Options, context: Context, *, part: Part) -> Iterator[Request]:
    """Ask the teacher about each row."""
    prompt = context.prompt(options.prompt or f"recycle/{part}")
    sampling = Sampling(options.max_tokens, options.temperature)
    for row, parent in parents_of(rows, options.chosen(), context):
        if isinstance(parent, Parent):
            yield prompt.ask(
                row["id"],
                task=part,
                sampling=sampling,
                schema=SCHEMAS[part],
                passage=parent.material,
                question=parent.question,
                answer=parent.answer,
            )


def read(rows: pa.Table, answers: Answers, options: Options, context: Context, *, part: Part) -> Outcome:
    """
    Add the proposals as a column; every row is kept.

    Raises
    ------
    UserError
        If the rows already have such proposals.
    """
    column = f"{part}_proposal"
    if column in rows.column_names:
        raise UserError(f"{context.stage}: the rows already have a {column}; remove one of the stages")
    prompt = context.prompt(options.prompt or f"recycle/{part}")
    instruction = instruction_of(prompt, passage="", question="", answer="")
    proposals: list[Fields | None] = []
    for row, parent in parents_of(rows, options.chosen(), context):
        row_answers = answers.of(row["id"])
        proposed = isinstance(parent, Parent) and row_answers
        proposals.append(_proposal(row_answers[0], parent, part, instruction, context) if proposed else None)
    return Outcome.all_kept(rows.append_column(column, pa.array(proposals, PROPOSAL)))


def _proposal(
    answer: Answer, parent: Parent | Reject, part: Part, instruction: str, context: Context
) -> Fields:
    assert isinstance(parent, Parent)
    new_lineage = lineage(parent.row, context.stage, [answer], licence=context.model.licence)
    proposal: Fields = {
        "question": parent.question,
        "lineage": {**new_lineage, "parents": (parent.row["lineage"] or {}).get("parents") or []},
    }
    try:
        written = parse(answer, SCHEMAS[part]).model_dump()
        proposal |= written
        question = parent.question
        if part == "question":
            proposal["question"] = question = parent.check_question(written["question"], instruction)
            parent.check_intent(question)
        proposal["answer"] = answer_text = parent.check_answer(question, written["answer"], instruction)
        if part == "answer" and _bare(answer_text) == _bare(parent.answer):
            raise Reject("repeats the answer", answer_text)
        _related(parent, answer_text)
        _whole(parent, answer_text)
        checks.keeps(answer_text, parent.answer, parent.language)
        checks.denies_no_more(answer_text, f"{question}\n{parent.answer}", parent.language)
    except Reject as why:
        proposal["reason"] = str(why)[:300]
    return proposal


def _bare(answer: str) -> list[str]:
    return answer.casefold().rstrip(" .").split()


def _whole(parent: Parent, answer: str) -> None:
    """Reject prose longer than the old answer that is no sentence: "The line number of the frame is"."""
    said, words = words_of(answer), parent.language
    if parent.form == "prose" and len(said) > len(words_of(parent.answer)):
        checks.finished(answer)
        if said[-1] in words.prepositions | words.articles | words.verbs:
            raise Reject("unfinished sentence", answer)


def _related(parent: Parent, answer: str) -> None:
    """Reject an answer that shares few words with the parent's; one of function words is compared whole."""
    language = parent.language
    stems = [[language.stem(word) for word in words_of(text)] for text in (parent.answer, answer)]
    if overlap(language.content(parent.answer) or stems[0], stems[1]) < RELATED:
        raise Reject("unrelated to the answer", answer)


def _stage(part: Part, summary: str) -> ModelStage[Options]:
    return ModelStage(
        name=f"reflect_{part}s",
        summary=summary,
        takes="examples",
        gives="examples",
        ask=partial(ask, part=part),
        read=partial(read, part=part),
        options=Options,
        columns=lambda _: Columns(makes=pa.schema([(f"{part}_proposal", PROPOSAL)])),
        kinds=("instruction",),
    )


questions = _stage("question", "have the teacher criticise each question and propose a better pair")
answers_ = _stage("answer", "have the teacher criticise each answer and propose a better one")
