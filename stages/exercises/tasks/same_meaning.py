"""
Same meaning: whether two sentences say the same.

The model writes a sentence of the passage in other words, and one that contradicts it. Both are checked
against the sentence, and its hash selects the one to show, so that the answers are balanced.
"""

from typing import Annotated

from pydantic import BaseModel

from datagen.prompt import Prompt
from datagen.request import Answer, Reject
from datagen.schema import fraction
from datagen.stages.exercises.pair import Pair
from datagen.stages.exercises.task import StructuredTask, draw_form, instruction
from datagen.stages.shared import checks
from datagen.stages.shared.checks import claims, multi_part_checks
from datagen.stages.shared.checks.field_patterns import STATEMENT, parse
from datagen.stages.shared.passage import Passage
from datagen.stages.shared.render.exercises import fill


class Output(BaseModel):
    """What the model writes."""

    evidence: str
    same: Annotated[str, STATEMENT]
    different: Annotated[str, STATEMENT]


def read(answer: Answer, passage: Passage, prompt: Prompt) -> Pair:
    """Accept one of the two sentences if the one rewords the evidence and the other contradicts it."""
    output, echoed, words = parse(answer, Output), instruction(prompt), passage.words
    evidence = checks.verbatim(output.evidence, passage)
    for sentence in (output.same, output.different):
        checks.clean(sentence, passage, echoed)
        checks.finished(sentence)
        checks.stands_alone(sentence, words)
    multi_part_checks.reworded(output.same, evidence, passage)
    if checks.verdict(output.different, evidence, words) is not False:
        raise Reject("not shown to be false", f"{output.different} by: {output.evidence}")
    claims.consistent(output.different, evidence, words)
    is_same = fraction(passage.row["id"], output.evidence) < 0.5
    form = draw_form(prompt, passage, evidence)
    other = output.same if is_same else output.different
    return {
        "question": fill(form["question"], first=" ".join(evidence.split()), second=other),
        "context": None,
        "answer": form["same" if is_same else "different"],
        "evidence": evidence,
    }


task = StructuredTask(
    name="same_meaning",
    summary="whether two sentences say the same",
    prompt="instructions/same_meaning",
    schema=Output,
    read=read,
    quotes=multi_part_checks.stated,
)
