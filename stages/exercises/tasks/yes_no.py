"""Yes or no: a question about the passage that one of its sentences decides."""

from typing import Annotated, Literal

from pydantic import BaseModel

from datagen.prompt import Prompt
from datagen.request import Answer, Reject
from datagen.stages.exercises.pair import Pair
from datagen.stages.exercises.task import StructuredTask, instruction
from datagen.stages.shared import checks
from datagen.stages.shared.checks.field_patterns import QUESTION_MARKS, Line, parse
from datagen.stages.shared.language.words import words_of
from datagen.stages.shared.passage import Passage


class Output(BaseModel):
    """What the model writes."""

    evidence: str
    question: Annotated[str, Line(200, QUESTION_MARKS)]
    answer: Literal["yes", "no"]


def read(answer: Answer, passage: Passage, prompt: Prompt) -> Pair:
    """Accept a question if its sentence decides it, and decides it as the model answered."""
    output, echoed, words = parse(answer, Output), instruction(prompt), passage.words
    evidence = checks.verbatim(output.evidence, passage)
    checks.clean(output.question, passage, echoed)
    checks.question(output.question, words)
    opening = words_of(output.question)[:2]  # "What is", "In which", "Some are"
    if words.open_ended & set(opening) or (words.asking and not words.asking & set(opening[:1])):
        raise Reject("not a yes or no question", output.question)
    checks.about(output.question, passage)
    verdict = checks.verdict(output.question, evidence, words)
    if verdict is None:
        raise Reject("not decided by its evidence", f"{output.question} by: {output.evidence}")
    if verdict is not (output.answer == "yes"):
        raise Reject("contradicts its evidence", f"{output.question} {output.answer}, by: {output.evidence}")
    reply = prompt.fields["answers"][output.answer]
    return {"question": output.question, "context": passage.text, "answer": reply, "evidence": evidence}


task = StructuredTask(
    name="yes_no",
    summary="a question that the passage answers with yes or no",
    prompt="instructions/yes_no",
    schema=Output,
    read=read,
    quotes=lambda passage: passage.quotable,
)
