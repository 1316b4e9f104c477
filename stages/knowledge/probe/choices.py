"""
Questions with lettered options: the letter that a model would answer with, from its first token.

A question is lettered if it ends in lines such as ``A) Lima`` and ``(B) Cusco``, from A without gaps. The
probability of each letter is read from the engine by token id, never from text. Small models prefer a letter
regardless of its option, so the options are shown in both orders and their probabilities averaged.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from datagen.prompt import Prompt
from datagen.request import Answer, Reject, Request, Sampling
from datagen.stages.shared.language.matching import likeness, words
from datagen.stages.shared.language.rules import Language

_OPTION = re.compile(r"^[ \t]*\(?([A-Z])[).:][ \t]+(\S.*)$", re.MULTILINE)
_LETTER = re.compile(r"\s*\(?([A-Z])(?:[).:](?:\s.*)?)?\s*", re.DOTALL)
ORDERS = (1, -1)  # of the options: original and reversed


@dataclass(frozen=True)
class Lettered:
    """A question's stem, its options in order, and the letter of the right one."""

    stem: str
    options: tuple[str, ...]
    right: str

    @property
    def letters(self) -> tuple[str, ...]:
        """The letters of the options."""
        return tuple(chr(ord("A") + number) for number in range(len(self.options)))

    def shown(self, order: int = 1) -> str:
        """Return the question with its options in an order."""
        lines = zip(self.letters, self.options[::order], strict=True)
        return "\n".join([self.stem, *(f"{letter}) {option}" for letter, option in lines)])


def lettered(question: str, answer: str, language: Language) -> Lettered | None:
    """Parse a question with lettered options; None for any other, and if no option is the answer."""
    matches = list(_OPTION.finditer(question))
    letters = "".join(match[1] for match in matches)
    if len(matches) < 2 or letters != "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[: len(matches)]:
        return None
    if question[matches[-1].end() :].strip() or not (stem := question[: matches[0].start()].strip()):
        return None
    options = tuple(match[2].rstrip(" \t") for match in matches)
    if letter := _LETTER.fullmatch(answer):
        right = letter[1]
    else:
        similarities = [
            likeness(option, answer, language=language) if words(option, language=language) else 0.0
            for option in options
        ]
        right = letters[similarities.index(max(similarities))] if max(similarities) == 1 else ""
    return Lettered(stem, options, right) if right and right in letters else None


def ask(prompt: Prompt, row: str, question: Lettered) -> Iterator[Request]:
    """Ask for the letter, once in each order."""
    for order in ORDERS:
        yield prompt.ask(
            row,
            task="multiple_choice",
            sampling=Sampling(max_tokens=1),
            choices=question.letters,
            about=str(order),
            question=question.shown(order),
        )


def probabilities(answers: Sequence[Answer]) -> list[float]:
    """
    Compute the probability of each option, averaged over the orders: the softmax over the letters only.

    Raises
    ------
    Reject
        When the engine failed or returned no probabilities.
    """
    by_order = []
    for answer in answers:
        scores = answer.completion.choices
        if answer.completion.finish == "error":
            raise Reject("engine error", answer.completion.error)
        if len(scores) != len(answer.request.choices) or all(math.isinf(score) for score in scores):
            raise Reject("no probabilities", answer.completion.text)
        weights = [math.exp(score - max(scores)) for score in scores][:: int(answer.request.about or 1)]
        by_order.append([weight / sum(weights) for weight in weights])
    return [sum(option) / len(by_order) for option in zip(*by_order, strict=True)]
