"""
A question to a judge with two answers, read from the probabilities of its first token.

The two answers are shown behind the letters A and B. Which comes first is drawn by hash, and by default
both orders are asked and their probabilities averaged: a small model prefers a letter whatever stands
behind it, and that preference cancels out.
"""

import math
from collections.abc import Iterable, Iterator
from typing import Any

from datagen.prompt import Prompt
from datagen.records import fraction
from datagen.request import Answer, Request, Sampling

LETTERS = ("A", "B")


def ask(
    prompt: Prompt, row: str, *draw: str | None, task: str, orders: int = 2, **values: str
) -> Iterator[Request]:
    """
    Write the request, or the two, that put a question to the judge.

    Parameters
    ----------
    prompt, row, task
        As in `Prompt.ask`. The prompt's field ``options`` lists the two answers, first the one whose
        probability is wanted. Its template is given ``options``: pairs of letter and answer.
    draw
        What the first order is drawn by.
    orders
        1: that order only. 2: also the other.
    values
        Fill the template.
    """
    first = LETTERS if fraction("order of options", *draw) < 0.5 else LETTERS[::-1]
    for letters in (first, first[::-1])[:orders]:
        shown = sorted(zip(letters, prompt.fields["options"], strict=True))
        fields: dict[str, Any] = values | {"options": shown}
        yield prompt.ask(row, task=task, sampling=Sampling(max_tokens=1), choices=letters, **fields)


def probability(answers: Iterable[Answer]) -> float | None:
    """
    Give the probability of the first of the prompt's options, averaged over the orders asked.

    It is the softmax over the two letters alone, as in P(true) of Kadavath et al. (arXiv 2207.05221).
    None where the engine failed or gave no probabilities.
    """
    found = []
    for answer in answers:
        if answer.completion.finish == "error" or len(answer.completion.choices) != len(LETTERS):
            return None
        wanted, other = answer.completion.choices
        if math.isinf(wanted) and math.isinf(other):
            return None
        found.append(1 / (1 + math.exp(min(other - wanted, 700.0))))
    return sum(found) / len(found) if found else None
