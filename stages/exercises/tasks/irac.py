"""
Issue, rule, application, conclusion: how a rule of law in the passage decides an invented case.

The rule is a sentence of the passage that states an obligation, a permission or a prohibition. The checks
verify that the parts fit together: the facts raise the issue, the application combines rule and facts, the
conclusion is about the issue. They cannot verify that the law is applied correctly: use this task with a
generator that you trust, and score its rows with the score stage.
"""

from typing import Annotated

from pydantic import BaseModel

from datagen.prompt import Prompt
from datagen.request import Answer
from datagen.stages.exercises.pair import Pair
from datagen.stages.exercises.task import StructuredTask, draw_text, instruction
from datagen.stages.shared import checks
from datagen.stages.shared.checks import multi_part_checks
from datagen.stages.shared.checks.field_patterns import QUESTION_MARKS, SENTENCE_MARKS, Line, parse
from datagen.stages.shared.language.words import words_of
from datagen.stages.shared.passage import Passage, phrase_in
from datagen.stages.shared.render.exercises import fill


class Output(BaseModel):
    """What the model writes; the evidence is the rule."""

    evidence: str
    facts: Annotated[str, Line(250, SENTENCE_MARKS)]
    issue: Annotated[str, Line(160, QUESTION_MARKS)]
    application: Annotated[str, Line(250, SENTENCE_MARKS)]
    conclusion: Annotated[str, Line(160, SENTENCE_MARKS)]


def binding(passage: Passage) -> list[str]:
    """List the sentences that state an obligation or a permission."""
    return [line for line in passage.quotable if phrase_in(words_of(line), passage.words.binding)]


def read(answer: Answer, passage: Passage, prompt: Prompt) -> Pair:
    """Accept a case whose parts fit each other and the rule."""
    output, echoed, words = parse(answer, Output), instruction(prompt), passage.words
    rule = checks.verbatim(output.evidence, passage)
    for text in (output.facts, output.issue, output.application, output.conclusion):
        checks.clean(text, passage, echoed)
    checks.question(output.issue, words)
    for text in (output.facts, output.conclusion):
        checks.stands_alone(text, words)
        checks.finished(text)
    checks.numbers(f"{output.application} {output.conclusion}", f"{rule} {output.facts}")
    checks.original(output.facts, passage)
    multi_part_checks.applies(output.application, rule, output.facts, words)
    checks.withholds(output.issue, output.conclusion, words)
    multi_part_checks.joined(output.issue, f"{rule} {output.facts}", words)
    multi_part_checks.joined(output.conclusion, f"{output.issue} {output.application}", words)
    question = draw_text(prompt, "questions", passage, rule)
    return {
        "question": fill(question, facts=output.facts),
        "context": passage.text,
        "answer": fill(
            prompt.fields["answer"],
            issue=output.issue,
            rule=" ".join(rule.split()),
            application=output.application,
            conclusion=output.conclusion,
        ),
        "evidence": rule,
    }


task = StructuredTask(
    name="irac",
    summary="issue, rule, application and conclusion of a case under a rule of the passage",
    prompt="instructions/irac",
    schema=Output,
    read=read,
    quotes=binding,
)
