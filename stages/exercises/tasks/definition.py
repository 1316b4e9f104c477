"""Definition: a term of the passage and its meaning, from a sentence that defines it."""

from typing import Annotated

from pydantic import BaseModel

from datagen.prompt import Prompt
from datagen.request import Answer
from datagen.stages.exercises.pair import Pair
from datagen.stages.exercises.task import StructuredTask, draw_text, instruction
from datagen.stages.shared import checks
from datagen.stages.shared.checks.field_patterns import SENTENCE_MARKS, Line, parse
from datagen.stages.shared.language.words import words_of
from datagen.stages.shared.passage import Passage, phrase_in
from datagen.stages.shared.render.exercises import fill


class Output(BaseModel):
    """What the model writes."""

    evidence: str
    term: Annotated[str, Line(40)]
    definition: Annotated[str, Line(250, SENTENCE_MARKS)]


def defining(passage: Passage) -> list[str]:
    """List the sentences that may be definitions."""
    return [line for line in passage.quotable if phrase_in(words_of(line), passage.words.defining)]


def read(answer: Answer, passage: Passage, prompt: Prompt) -> Pair:
    """Accept a term whose definition is supported by its sentence."""
    output, echoed, words = parse(answer, Output), instruction(prompt), passage.words
    evidence = checks.verbatim(output.evidence, passage)
    checks.clean(output.term, passage, echoed)
    checks.clean(output.definition, passage, echoed)
    checks.defined(output.term, evidence, words)
    checks.stands_alone(output.definition, words)
    question = fill(draw_text(prompt, "questions", passage, evidence), term=output.term)
    checks.withholds(question, output.definition, words)
    checks.supported_by(question, output.definition, evidence, words)
    return {"question": question, "context": None, "answer": output.definition, "evidence": evidence}


task = StructuredTask(
    name="definition",
    summary="what a term of the passage means",
    prompt="instructions/definition",
    schema=Output,
    read=read,
    quotes=defining,
)
