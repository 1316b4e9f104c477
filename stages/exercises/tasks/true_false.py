"""
True or false: a statement to be judged, with the reason.

The model writes a true and a false statement about a sentence. Both are checked against the sentence, and its
hash selects the one to show, so that the verdicts are balanced whatever the model prefers. A statement whose
subject is only identified in the passage ("the method") is shown with the passage.
"""

from typing import Annotated

from pydantic import BaseModel

from datagen.prompt import Prompt
from datagen.request import Answer, Reject
from datagen.schema import fraction
from datagen.stages.exercises.pair import Pair
from datagen.stages.exercises.task import StructuredTask, draw_text, instruction
from datagen.stages.shared import checks
from datagen.stages.shared.checks import claims, multi_part_checks
from datagen.stages.shared.checks.field_patterns import STATEMENT, parse
from datagen.stages.shared.passage import Passage
from datagen.stages.shared.render.exercises import fill


class Output(BaseModel):
    """What the model writes."""

    evidence: str
    true_statement: Annotated[str, STATEMENT]
    false_statement: Annotated[str, STATEMENT]


def read(answer: Answer, passage: Passage, prompt: Prompt) -> Pair:
    """Accept one of the two statements if the sentence supports the one and contradicts the other."""
    output, echoed, words = parse(answer, Output), instruction(prompt), passage.words
    evidence = checks.verbatim(output.evidence, passage)
    statements = output.true_statement, output.false_statement
    for statement in statements:
        checks.clean(statement, passage, echoed)
        checks.finished(statement)
        checks.stands_alone(statement, words)
    if checks.verdict(output.true_statement, evidence, words) is not True:
        raise Reject("not shown to be true", f"{output.true_statement} by: {output.evidence}")
    if checks.verdict(output.false_statement, evidence, words) is not False:
        raise Reject("not shown to be false", f"{output.false_statement} by: {output.evidence}")
    claims.consistent(output.false_statement, evidence, words)
    show_true = fraction(passage.row["id"], output.evidence) < 0.5
    return {
        "question": fill(
            draw_text(prompt, "questions", passage, evidence),
            statement=output.true_statement if show_true else output.false_statement,
        ),
        "context": None if checks.names_its_subject(output.true_statement, words) else passage.text,
        "answer": fill(
            draw_text(prompt, "answers_true" if show_true else "answers_false", passage, evidence),
            statement=output.true_statement,
        ),
        "evidence": evidence,
    }


task = StructuredTask(
    name="true_false",
    summary="a statement to be judged true or false, with the reason",
    prompt="instructions/true_false",
    schema=Output,
    read=read,
    quotes=multi_part_checks.stated,
)
