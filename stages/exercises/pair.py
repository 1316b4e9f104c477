"""What a task makes of an answer."""

from typing import TypedDict


class Pair(TypedDict):
    """A question with its answer, and the words of the passage that support it."""

    question: str
    context: str | None  # the passage that the answer must come from; None for a closed-book question
    answer: str
    evidence: str
