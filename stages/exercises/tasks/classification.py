"""Classification: a sentence of the passage put into one of several classes."""

from typing import Annotated

from pydantic import BaseModel, Field

from datagen.prompt import Prompt
from datagen.request import Answer, Reject
from datagen.stages.exercises.pair import Pair
from datagen.stages.exercises.task import StructuredTask, draw_text, instruction
from datagen.stages.shared import checks
from datagen.stages.shared.checks.field_patterns import Line, parse
from datagen.stages.shared.language.words import words_of
from datagen.stages.shared.passage import Passage, phrase_in
from datagen.stages.shared.render.exercises import fill

WORDS = 5  # of an aspect or a class, at most

Phrase = Annotated[str, Line(60)]


class Output(BaseModel):
    """What the model writes."""

    evidence: str
    aspect: Phrase
    classes: list[Phrase] = Field(min_length=3, max_length=5)
    label: Phrase


def quotable(passage: Passage) -> list[str]:
    """List the sentences that can be classified."""
    return passage.quotable


def read(answer: Answer, passage: Passage, prompt: Prompt) -> Pair:
    """Keep a sentence with classes that differ, its label among them; the row shows the sentence alone."""
    output, asked = parse(answer, Output), instruction(prompt)
    evidence = checks.verbatim(output.evidence, passage)
    for phrase in (output.aspect, *output.classes, output.label):
        checks.clean(phrase, passage, asked)
        checks.sized(phrase, 1, WORDS)
    classes = [words_of(label) for label in output.classes]
    for one in classes:
        if sum(bool(phrase_in(other, [" ".join(one)])) for other in classes) > 1:
            raise Reject("classes overlap", ", ".join(output.classes))
    if words_of(output.label) not in classes:
        raise Reject("label is none of the classes", f"{output.label}: {', '.join(output.classes)}")
    label = output.classes[classes.index(words_of(output.label))]
    values = {"aspect": output.aspect, "classes": ", ".join(output.classes)}
    question = fill(draw_text(prompt, "questions", passage, evidence), **values)
    return {"question": question, "context": evidence, "answer": label, "evidence": evidence}


task = StructuredTask(
    name="classification",
    summary="a sentence of the passage put into one of several classes",
    prompt="instructions/classification",
    schema=Output,
    read=read,
    quotes=quotable,
)
