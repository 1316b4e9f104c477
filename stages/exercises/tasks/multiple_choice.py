"""
Multiple choice: a question with four options, one of which is correct.

The correct option is copied from the passage, and its sentence contains none of the others. The options are
ordered by hash, so that every letter is correct equally often, whatever the model prefers.
"""

from typing import Annotated

from pydantic import BaseModel, Field

from datagen.prompt import Prompt
from datagen.request import Answer
from datagen.schema import content_id
from datagen.stages.exercises.pair import Pair
from datagen.stages.exercises.task import StructuredTask, draw_form, instruction
from datagen.stages.shared import checks
from datagen.stages.shared.checks import claims, multi_part_checks
from datagen.stages.shared.checks.field_patterns import QUESTION_MARKS, Line, parse
from datagen.stages.shared.passage import Passage
from datagen.stages.shared.render.exercises import fill
from datagen.stages.shared.segment.sentences import unwrap


class Output(BaseModel):
    """What the model writes."""

    question: Annotated[str, Line(160, QUESTION_MARKS)]
    answer: Annotated[str, Line(80)]
    wrong: list[Annotated[str, Line(80)]] = Field(min_length=3, max_length=3)


def read(answer: Answer, passage: Passage, prompt: Prompt) -> Pair:
    """Accept a question if exactly one of its options answers it."""
    output, echoed, words = parse(answer, Output), instruction(prompt), passage.words
    for text in (output.question, output.answer, *output.wrong):
        checks.clean(text, passage, echoed)
    checks.question(output.question, words)
    right = " ".join(checks.verbatim(output.answer, passage, "answer").split())
    checks.withholds(output.question, right, words)
    evidence = checks.located(output.question, right, passage)
    claims.entailed(output.question, right, unwrap(evidence), passage.words)
    for option in (right, *output.wrong):
        checks.of_a_kind(output.question, option, words)
        checks.stands_alone(option, words)
    multi_part_checks.one_right(right, output.wrong, evidence, words)
    key = passage.row["id"], output.question
    options = sorted((right, *output.wrong), key=lambda option: content_id(*key, option))
    form = draw_form(prompt, passage, output.question)
    shown = [
        fill(form["option"], mark=mark, option=option)
        for mark, option in zip(form["marks"], options, strict=True)
    ]
    return {
        "question": fill(form["question"], question=output.question, options="\n".join(shown)),
        "context": passage.text,
        "answer": fill(form["answer"], mark=form["marks"][options.index(right)], option=right),
        "evidence": evidence,
    }


task = StructuredTask(
    name="multiple_choice",
    summary="a question with four options, exactly one of which is correct",
    prompt="instructions/multiple_choice",
    schema=Output,
    read=read,
)
