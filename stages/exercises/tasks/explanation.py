"""
Explanation: the passage in everyday words, for readers new to its subject.

Because the words differ from the passage, the checks cover subject, numbers and form, not correctness. Use
this task with a generator that you trust, and score its rows with the score stage.
"""

from typing import Annotated

from pydantic import BaseModel, Field

from datagen.prompt import Prompt
from datagen.request import Answer
from datagen.stages.exercises.pair import Pair
from datagen.stages.exercises.task import StructuredTask, draw_text, instruction
from datagen.stages.shared import checks
from datagen.stages.shared.checks.field_patterns import SENTENCE_MARKS, Line, parse
from datagen.stages.shared.passage import Passage


class Output(BaseModel):
    """What the model writes."""

    explanation: list[Annotated[str, Line(250, SENTENCE_MARKS)]] = Field(min_length=1, max_length=4)


def read(answer: Answer, passage: Passage, prompt: Prompt) -> Pair:
    """Accept an explanation that stays on the subject of the passage and uses other words."""
    written, echoed = parse(answer, Output).explanation, instruction(prompt)
    text = " ".join(written)
    for part in (*written, text):
        checks.clean(part, passage, echoed)
    checks.finished(text)
    checks.sized(text, 15, 120)
    checks.about(text, passage, 0.5)
    checks.grounded(text, passage)
    checks.numbers(text, passage.text)
    checks.original(text, passage, 0.5)
    question = draw_text(prompt, "questions", passage, text)
    return {"question": question, "context": passage.text, "answer": text, "evidence": passage.text}


task = StructuredTask(
    name="explanation",
    summary="the passage in everyday words",
    prompt="reading/explanation",
    schema=Output,
    read=read,
)
