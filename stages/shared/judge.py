"""
A question to a judge with a few answers, read from the probabilities of its first token.

The answers are shown behind the letters A, B, and so on. Which stands behind which is drawn by hash. Asked in
as many orders as there are answers, each has stood behind each letter, and the probabilities are averaged: a
small model prefers a letter whatever stands behind it, and that preference cancels out.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from string import ascii_uppercase
from typing import Any

from datagen.prompt import Prompt
from datagen.request import Answer, Request, Sampling
from datagen.schema import fraction


def ask(
    prompt: Prompt, row: str, *draw: str | None, task: str, orders: int = 2, **values: Any
) -> Iterator[Request]:
    """
    Write the requests that put a question to the judge.

    Parameters
    ----------
    prompt, row, task
        As in `Prompt.ask`. The prompt's field ``options`` lists the answers. Its template is given
        ``options``: pairs of letter and answer, in the order of the letters.
    draw
        What the first order is drawn by.
    orders
        How many of the orders are asked, of which there are as many as answers: each is the one before,
        every answer moved on by a letter.
    values
        Fill the template; ``about`` is the request's.
    """
    options = prompt.fields["options"]
    letters = ascii_uppercase[: len(options)]
    first = int(fraction("order of options", *draw) * len(letters))
    for start in range(first, first + min(orders, len(letters))):
        turned = tuple(letters[(start + place) % len(letters)] for place in range(len(letters)))
        fields: dict[str, Any] = values | {"options": sorted(zip(turned, options, strict=True))}
        yield prompt.ask(row, task=task, sampling=Sampling(max_tokens=1), choices=turned, **fields)


def probability(answers: Iterable[Answer]) -> float | None:
    """Give the probability of the first of a prompt's two options; see `expectation`."""
    return expectation(answers, (1.0, 0.0))


def expectation(answers: Iterable[Answer], weights: Sequence[float]) -> float | None:
    """
    Give what the prompt's options are worth on average, by the judge's probabilities of them.

    The probabilities are the softmax over the letters alone, as in P(true) of Kadavath et al. (arXiv
    2207.05221), averaged over all orders and questions asked. None where nothing was asked, or the engine
    failed or gave no probabilities once.

    Parameters
    ----------
    answers
        To what `ask` asked.
    weights
        One an option, in the prompt's order.
    """
    found = []
    for answer in answers:
        logs = answer.completion.choices
        if answer.completion.finish == "error" or len(logs) != len(weights) or math.isinf(max(logs)):
            return None
        likely = [math.exp(log - max(logs)) for log in logs]
        worth = sum(weight * part for weight, part in zip(weights, likely, strict=True))
        found.append(worth / sum(likely))
    return sum(found) / len(found) if found else None
