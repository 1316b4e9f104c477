"""
Explanation: what the passage says, in everyday words for somebody new to its subject.

In other words than the passage's, so the checks see its subject, its numbers and its form, and not
whether it is right: a task for a generator that is trusted, and one that the score stage should judge.
"""

from typing import Annotated

from pydantic import BaseModel, Field

from datagen.prompt import Prompt
from datagen.request import Answer
from datagen.stages.exercises.pair import Pair
from datagen.stages.exercises.task import StructuredTask, draw_template, instruction
from datagen.stages.shared import checks
from datagen.stages.shared.checks.field_patterns import SENTENCE_MARKS, Line, parse
from datagen.stages.shared.passage import Passage


class Output(BaseModel):
    """What the model writes."""

    explanation: list[Annotated[str, Line(250, SENTENCE_MARKS)]] = Field(min_length=1, max_length=4)


def read(answer: Answer, passage: Passage, prompt: Prompt) -> Pair:
    """Keep an explanation that keeps to the passage's subject and says it in other words."""
    text, asked = " ".join(parse(answer, Output).explanation), instruction(prompt)
    checks.clean(text, passage, asked)
    checks.finished(text)
    checks.sized(text, 15, 120)
    checks.about(text, passage, 0.5)
    checks.grounded(text, passage)
    checks.numbers(text, passage.text)
    checks.original(text, passage, 0.5)
    question = draw_template(prompt, "questions", passage, text)
    return {"question": question, "context": passage.text, "answer": text, "evidence": passage.text}


task = StructuredTask(
    name="explanation",
    summary="the passage in everyday words",
    prompt="reading/explanation",
    schema=Output,
    read=read,
)
