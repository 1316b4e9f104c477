"""
Conversation: two to four turns about the passage, where each follow-up builds on the previous answer.

The last answer is the training target; the earlier turns are part of the prompt.
"""

from typing import Annotated

from pydantic import BaseModel, Field

from datagen.prompt import Prompt
from datagen.request import Answer, Message, Reject
from datagen.stages.exercises.named_checks import Written, check_named
from datagen.stages.exercises.pair import Pair
from datagen.stages.exercises.task import StructuredTask, instruction
from datagen.stages.shared import checks
from datagen.stages.shared.checks.field_patterns import QUESTION_MARKS, Line, Text, parse
from datagen.stages.shared.language.words import words_of
from datagen.stages.shared.passage import Passage

CHECKS = ("language", "words 3-400", "finished", "withholds", "numbers", "about 0.4")  # of each turn

QUESTION, ANSWER = Line(300, QUESTION_MARKS), Text(4000)


class Turn(BaseModel):
    """A question with its answer."""

    question: Annotated[str, QUESTION]
    answer: Annotated[str, ANSWER]


class Output(BaseModel):
    """What the model writes."""

    turns: list[Turn] = Field(min_length=2, max_length=4)


def read(answer: Answer, passage: Passage, prompt: Prompt) -> Pair:
    """Accept a conversation whose turns are all answered from the passage and do not repeat each other."""
    output, echoed, words = parse(answer, Output), instruction(prompt), passage.words
    turns = [(QUESTION.read(t.question, "question"), ANSWER.read(t.answer, "answer")) for t in output.turns]
    checks.stands_alone(turns[0][0], words, asks=True)
    seen: set[str] = set()
    for question, reply in turns:
        for text in (question, reply):
            checks.clean(text, passage, echoed)
            if (normalised := " ".join(words_of(text))) in seen:
                raise Reject("repetition loop", text)
            seen.add(normalised)
        checks.question(question, words)
        for check in CHECKS:
            check_named(check, Written(question, reply, passage))
    earlier: list[Message] = []
    for question, reply in turns[:-1]:
        earlier += [{"role": "user", "content": question}, {"role": "assistant", "content": reply}]
    question, reply = turns[-1]
    return {
        "question": question,
        "context": passage.text,
        "answer": reply,
        "evidence": passage.text,
        "earlier": earlier,
    }


task = StructuredTask(
    name="conversation",
    summary="a conversation of several turns about the passage",
    prompt="instructions/conversation",
    schema=Output,
    read=read,
)
