"""The exercise that a task makes from an answer."""

from typing import NotRequired, TypeAlias, TypedDict

from datagen.request import Answer, Message, Reject
from datagen.schema import chat


class Pair(TypedDict):
    """A question, its answer, and the text of the passage that supports it."""

    question: str
    context: str | None  # the passage that the answer must come from; None for a closed-book question
    answer: str
    evidence: str
    reasoning: NotRequired[str]  # how the answer follows, where it is written separately
    earlier: NotRequired[list[Message]]  # earlier turns of the conversation


class Unconfirmed(Reject):
    """A pair that its round trip does not confirm."""

    def __init__(self, reject: Reject, pair: Pair) -> None:
        super().__init__(reject.reason, reject.detail)
        self.pair = pair


# The name of a task, an answer followed by those of its round trip, and the pair or the reason there is none.
Written: TypeAlias = tuple[str, list[Answer], Pair | Reject]


def prompt_of(pair: Pair, system: str = "") -> list[Message]:
    """Return the messages before the answer of a pair: a system message if any, the passage, all turns."""
    turns = [*pair.get("earlier", []), {"role": "user", "content": pair["question"]}]
    return [*chat(turns[0]["content"], pair["context"], system or None), *turns[1:]]
