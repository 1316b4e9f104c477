"""Summary: the passage in one or two sentences."""

from typing import Annotated

from pydantic import BaseModel, Field

from datagen.prompt import Prompt
from datagen.request import Answer
from datagen.stages.exercises.pair import Pair
from datagen.stages.exercises.task import StructuredTask, draw_text, instruction
from datagen.stages.shared import checks
from datagen.stages.shared.checks.field_patterns import SENTENCE_MARKS, Line, parse
from datagen.stages.shared.language.words import words_of
from datagen.stages.shared.passage import Passage


class Output(BaseModel):
    """What the model writes."""

    summary: list[Annotated[str, Line(250, SENTENCE_MARKS)]] = Field(min_length=1, max_length=2)


def read(answer: Answer, passage: Passage, prompt: Prompt) -> Pair:
    """Accept a summary in the passage's words that is shorter than the passage and not copied from it."""
    written, echoed = parse(answer, Output).summary, instruction(prompt)
    text = " ".join(written)
    for part in (*written, text):
        checks.clean(part, passage, echoed)
    checks.finished(text)
    checks.stands_alone(text, passage.words)
    checks.sized(text, 8, min(80, len(words_of(passage.text)) // 2))
    checks.about(text, passage, 0.75)
    checks.numbers(text, passage.text)
    checks.related(text, passage)
    checks.original(text, passage)
    question = draw_text(prompt, "questions", passage, text)
    return {"question": question, "context": passage.text, "answer": text, "evidence": passage.text}


task = StructuredTask(
    name="summary",
    summary="the passage in one or two sentences",
    prompt="instructions/summary",
    schema=Output,
    read=read,
)
