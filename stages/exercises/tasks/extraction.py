"""Extraction: facts that the passage states about a thing, as a JSON object with given keys."""

import json
import re
from typing import Annotated

from pydantic import BaseModel, Field

from datagen.prompt import Prompt
from datagen.request import Answer, Reject
from datagen.stages.exercises.pair import Pair
from datagen.stages.exercises.task import StructuredTask, draw_text, instruction
from datagen.stages.shared import checks, formats
from datagen.stages.shared.checks.field_patterns import Line, parse
from datagen.stages.shared.passage import Passage
from datagen.stages.shared.render.exercises import fill

# Names that name nothing.
EMPTY = frozenset(
    {"null", "none", "nil", "nan", "undefined", "true", "false", "string", "key", "value", "field"}
)
NAME = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+){0,4}")


class Fact(BaseModel):
    """A field with its value."""

    name: str
    value: str


class Output(BaseModel):
    """What the model writes."""

    subject: Annotated[str, Line(80)]
    fields: list[Fact] = Field(min_length=2, max_length=6)


def read(answer: Answer, passage: Passage, prompt: Prompt) -> Pair:
    """Keep fields whose values occur in the passage, under names that differ."""
    output, asked = parse(answer, Output), instruction(prompt)
    checks.clean(output.subject, passage, asked)
    checks.about(output.subject, passage)
    values: dict[str, str] = {}
    for fact in output.fields:
        if not NAME.fullmatch(fact.name) or len(fact.name) > 40 or fact.name in EMPTY:
            raise Reject("not a field name", fact.name[:80])
        if fact.name in values:
            raise Reject("repeated field", fact.name)
        line = Line(160).read(fact.value, fact.name)
        checks.clean(line, passage, asked)
        value = " ".join(checks.verbatim(line, passage, "value").split())
        if value.casefold() in (known.casefold() for known in values.values()):
            raise Reject("repeated value", value)
        values[fact.name] = value
    written = json.dumps(values, ensure_ascii=False)
    if formats.read("json", written).names != tuple(values):
        raise Reject("not the demanded format", written)
    names = ", ".join(values)
    question = fill(draw_text(prompt, "questions", passage, names), subject=output.subject, names=names)
    return {"question": question, "context": passage.text, "answer": written, "evidence": passage.text}


task = StructuredTask(
    name="extraction",
    summary="facts of the passage as a JSON object with given keys",
    prompt="instructions/extraction",
    schema=Output,
    read=read,
)
