"""
Coreference: what the pronoun at the start of a sentence refers to.

Rules check where the answer is from, not whether it is the right noun: use this task with a generator that
you trust.
"""

from typing import Annotated

from pydantic import BaseModel

from datagen.prompt import Prompt
from datagen.request import Answer, Reject
from datagen.stages.exercises.pair import Pair
from datagen.stages.exercises.task import StructuredTask, draw_text, instruction
from datagen.stages.shared import checks
from datagen.stages.shared.checks.field_patterns import Line, parse
from datagen.stages.shared.language.words import words_of
from datagen.stages.shared.passage import Passage
from datagen.stages.shared.render.exercises import fill

LONGEST = 8  # words of a noun phrase


class Output(BaseModel):
    """What the model writes."""

    evidence: str
    refers_to: Annotated[str, Line(100)]


def read(answer: Answer, passage: Passage, prompt: Prompt) -> Pair:
    """Accept a noun phrase of the sentence before the one that opens with the pronoun."""
    output = parse(answer, Output)
    checks.clean(output.refers_to, passage, instruction(prompt))
    checks.sized(output.refers_to, 1, LONGEST)
    lines = [line for _, line in passage.sentences]
    evidence = " ".join(checks.verbatim(output.evidence, passage).split())
    if evidence not in passage.once(pointing):
        raise Reject("nothing to refer to", evidence)
    before = lines[lines.index(evidence) - 1]
    found = Passage({"text": before}, passage.words).find(output.refers_to)
    if found is None:
        raise Reject("answer not in the sentence before", f"{output.refers_to}, before: {evidence}")
    if not passage.words.content(found) or passage.words.pointing & set(words_of(found)):
        raise Reject("no noun", output.refers_to)
    question = fill(
        draw_text(prompt, "questions", passage, evidence),
        sentence=evidence,
        pronoun=evidence.split()[0].strip(",;:"),
    )
    return {"question": question, "context": passage.text, "answer": found, "evidence": before}


def pointing(passage: Passage) -> list[str]:
    """List the sentences that open with a pronoun and have a sentence before them."""
    lines = [line for _, line in passage.sentences]
    return [line for line in lines[1:] if words_of(line)[:1] and words_of(line)[0] in passage.words.pointing]


task = StructuredTask(
    name="coreference",
    summary="what the pronoun at the start of a sentence refers to",
    prompt="instructions/coreference",
    schema=Output,
    read=read,
    quotes=pointing,
)
