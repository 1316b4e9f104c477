"""Closed-book question: question and answer are understood without the passage, which supports them."""

from typing import Annotated

from pydantic import BaseModel

from datagen.prompt import Prompt
from datagen.request import Answer
from datagen.stages.exercises.pair import Pair
from datagen.stages.exercises.task import StructuredTask, instruction
from datagen.stages.shared import checks
from datagen.stages.shared.checks.field_patterns import QUESTION_MARKS, SENTENCE_MARKS, Line, parse
from datagen.stages.shared.passage import Passage


class Output(BaseModel):
    """What the model writes."""

    question: Annotated[str, Line(160, QUESTION_MARKS)]
    answer: Annotated[str, Line(250, SENTENCE_MARKS)]


def read(answer: Answer, passage: Passage, prompt: Prompt) -> Pair:
    """Accept a pair that stands alone and whose answer is supported by a sentence of the passage."""
    output, echoed, words = parse(answer, Output), instruction(prompt), passage.words
    checks.clean(output.question, passage, echoed)
    checks.clean(output.answer, passage, echoed)
    checks.question(output.question, words)
    checks.stands_alone(output.question, words, asks=True)
    checks.stands_alone(output.answer, words)
    checks.withholds(output.question, output.answer, words)
    checks.of_a_kind(output.question, output.answer, words)
    evidence = checks.supported(output.question, output.answer, passage)
    return {"question": output.question, "context": None, "answer": output.answer, "evidence": evidence}


task = StructuredTask(
    name="closed_book_question",
    summary="a question and its answer that both stand alone, with the sentence that supports them",
    prompt="instructions/closed_book_question",
    schema=Output,
    read=read,
)
