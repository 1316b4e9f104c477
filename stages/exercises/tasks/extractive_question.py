"""Extractive question: the answer is a few words of the passage, verbatim."""

from typing import Annotated

from pydantic import BaseModel

from datagen.prompt import Prompt
from datagen.request import Answer
from datagen.stages.exercises.pair import Pair
from datagen.stages.exercises.task import StructuredTask, instruction
from datagen.stages.shared import checks
from datagen.stages.shared.checks import claims
from datagen.stages.shared.checks.field_patterns import QUESTION_MARKS, Line, parse
from datagen.stages.shared.passage import Passage
from datagen.stages.shared.segment.sentences import unwrap


class Output(BaseModel):
    """What the model writes."""

    question: Annotated[str, Line(160, QUESTION_MARKS)]
    answer: Annotated[str, Line(80)]


def read(answer: Answer, passage: Passage, prompt: Prompt) -> Pair:
    """Accept a question whose answer occurs in a sentence that the question is about."""
    output, echoed = parse(answer, Output), instruction(prompt)
    checks.clean(output.question, passage, echoed)
    checks.clean(output.answer, passage, echoed)
    checks.question(output.question, passage.words)
    quoted = " ".join(checks.verbatim(output.answer, passage, "answer").split())
    checks.withholds(output.question, quoted, passage.words)
    checks.of_a_kind(output.question, quoted, passage.words)
    evidence = checks.located(output.question, quoted, passage)
    claims.entailed(output.question, quoted, unwrap(evidence), passage.words)
    return {"question": output.question, "context": passage.text, "answer": quoted, "evidence": evidence}


task = StructuredTask(
    name="extractive_question",
    summary="a question whose answer is copied from the passage",
    prompt="instructions/extractive_question",
    schema=Output,
    read=read,
)
