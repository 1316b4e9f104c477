"""
Marked question: a question for an answer that a rule has found in the passage beforehand.

The answer stands in the passage whatever the model writes; that the question leads to it is checked twice:
by the rules below, and by a round trip (`datagen.stages.instruct.round_trip`).
"""

from typing import Any

from datagen.prompt import Prompt
from datagen.request import Answer
from datagen.stages.instruct.candidates import Candidate, candidates
from datagen.stages.instruct.tasks import Task, instruction
from datagen.stages.text import checks
from datagen.stages.text.fields import QUESTION_MARKS, Line
from datagen.stages.text.passage import Passage

QUESTION = Line(160, QUESTION_MARKS)


def read(answer: Answer, passage: Passage, prompt: Prompt) -> dict[str, Any]:
    """Keep a question that stands alone and is about a sentence with its answer, which it does not tell."""
    marked = Candidate.load(answer.request.about)
    question = QUESTION.read(answer.text, "question")
    checks.clean(question, passage, instruction(prompt))
    evidence = leads_to(question, marked.answer, passage)
    return {"question": question, "context": passage.text, "answer": marked.answer, "evidence": evidence}


def leads_to(question: str, answer: str, passage: Passage) -> str:
    """Return the sentence that a question with its answer is about; refuse a pair that has none."""
    words = passage.words
    checks.question(question, words)
    checks.stands_alone(question, words, asks=True)
    checks.particular(question, words)
    checks.about(question, passage, 0.4)
    checks.withholds(question, answer, words)
    checks.of_a_kind(question, answer, words)
    return checks.located(question, answer, passage)


task = Task(
    name="marked_question",
    summary="a question for an answer that was found in the passage by rule, confirmed by a round trip",
    prompt="instructions/marked_question",
    schema=None,
    read=read,
    max_tokens=48,
    candidates=candidates,
    confirmed=True,
)
