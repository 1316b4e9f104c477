"""Paraphrase: a sentence of the passage in other words."""

from typing import Annotated

from pydantic import BaseModel

from datagen.prompt import Prompt
from datagen.request import Answer
from datagen.stages.exercises.pair import Pair
from datagen.stages.exercises.task import StructuredTask, draw_text, instruction
from datagen.stages.shared import checks
from datagen.stages.shared.checks import multi_part_checks
from datagen.stages.shared.checks.field_patterns import STATEMENT, parse
from datagen.stages.shared.passage import Passage
from datagen.stages.shared.render.exercises import fill


class Output(BaseModel):
    """What the model writes."""

    evidence: str
    paraphrase: Annotated[str, STATEMENT]


def read(answer: Answer, passage: Passage, prompt: Prompt) -> Pair:
    """Accept a sentence that says the same in other words, as far as rules over words can tell."""
    output, echoed = parse(answer, Output), instruction(prompt)
    evidence = checks.verbatim(output.evidence, passage)
    checks.clean(output.paraphrase, passage, echoed)
    checks.finished(output.paraphrase)
    multi_part_checks.reworded(output.paraphrase, evidence, passage)
    sentence = " ".join(evidence.split())
    question = fill(draw_text(prompt, "questions", passage, evidence), sentence=sentence)
    return {"question": question, "context": None, "answer": output.paraphrase, "evidence": evidence}


task = StructuredTask(
    name="paraphrase",
    summary="a sentence of the passage in other words",
    prompt="instructions/paraphrase",
    schema=Output,
    read=read,
    quotes=multi_part_checks.stated,
)
