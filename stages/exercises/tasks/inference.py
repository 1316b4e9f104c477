"""
Inference: whether a statement follows from a sentence, contradicts it or is left open by it.

The model writes one statement of each kind about a sentence. All three are checked against the sentence, and
its hash selects the one to show, so that the labels are balanced whatever the model prefers.
"""

from typing import Annotated

from pydantic import BaseModel

from datagen.prompt import Prompt
from datagen.request import Answer, Reject
from datagen.schema import pick
from datagen.stages.exercises.pair import Pair
from datagen.stages.exercises.task import StructuredTask, draw_form, instruction
from datagen.stages.shared import checks
from datagen.stages.shared.checks import claims, multi_part_checks
from datagen.stages.shared.checks.field_patterns import STATEMENT, parse
from datagen.stages.shared.language.words import words_of
from datagen.stages.shared.passage import Passage
from datagen.stages.shared.render.exercises import fill

LABELS = ("entailed", "contradicted", "open")


class Output(BaseModel):
    """What the model writes: a statement of each label, about one sentence."""

    evidence: str
    entailed: Annotated[str, STATEMENT]
    contradicted: Annotated[str, STATEMENT]
    open: Annotated[str, STATEMENT]


def read(answer: Answer, passage: Passage, prompt: Prompt) -> Pair:
    """Accept one of the three statements if each has the intended relation to the sentence."""
    output, echoed, words = parse(answer, Output), instruction(prompt), passage.words
    evidence = checks.verbatim(output.evidence, passage)
    for label in LABELS:
        statement = getattr(output, label)
        checks.clean(statement, passage, echoed)
        checks.finished(statement)
        checks.stands_alone(statement, words)
    if words_of(output.entailed) == words_of(evidence):
        raise Reject("copies the passage", output.entailed)
    if checks.verdict(output.entailed, evidence, words) is not True:
        raise Reject("not shown to be true", f"{output.entailed} by: {output.evidence}")
    if checks.verdict(output.contradicted, evidence, words) is not False:
        raise Reject("not shown to be false", f"{output.contradicted} by: {output.evidence}")
    claims.consistent(output.contradicted, evidence, words)
    multi_part_checks.left_open(output.open, evidence, passage)
    label = pick(LABELS, passage.row["id"], output.evidence)
    form = draw_form(prompt, passage, evidence)
    premise = " ".join(evidence.split())
    return {
        "question": fill(form["question"], premise=premise, statement=getattr(output, label)),
        "context": None,
        "answer": form[label],
        "evidence": evidence,
    }


task = StructuredTask(
    name="inference",
    summary="whether a statement follows from a sentence, contradicts it or is left open",
    prompt="instructions/inference",
    schema=Output,
    read=read,
    quotes=multi_part_checks.stated,
)
