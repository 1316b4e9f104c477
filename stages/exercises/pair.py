"""What a task makes of an answer."""

from typing import NotRequired, TypedDict

from datagen.request import Message
from datagen.schema import chat


class Pair(TypedDict):
    """A question with its answer, and the words of the passage that support it."""

    question: str
    context: str | None  # the passage that the answer must come from; None for a closed-book question
    answer: str
    evidence: str
    reasoning: NotRequired[str]  # how the answer follows, where it is a part of its own
    earlier: NotRequired[list[Message]]  # turns before the question, where it is the last of a conversation


def prompt_of(pair: Pair, system: str = "") -> list[Message]:
    """Write the messages before a pair's answer: a system message if any, the passage, all questions."""
    asked = [*pair.get("earlier", []), {"role": "user", "content": pair["question"]}]
    return [*chat(asked[0]["content"], pair["context"], system or None), *asked[1:]]
