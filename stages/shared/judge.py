"""
Multiple-choice requests to a judge, scored by the probabilities of the first token.

The options are labelled A, B, and so on, in an order selected by hash. With as many orders as options, each
option has each letter once, and the probabilities are averaged: small models prefer certain letters, and
averaging cancels this bias.
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
    Build the requests for a question to the judge.

    Parameters
    ----------
    prompt, row, task
        As in `Prompt.ask`. The prompt's field ``options`` lists the options. Its template receives
        ``options``: pairs of letter and option, in the order of the letters.
    draw
        Strings whose hash selects the first order.
    orders
        Number of orders to request, at most the number of options; each is the previous one rotated by one
        letter.
    values
        Values for the template, and the request's ``about``.
    """
    options = prompt.fields["options"]
    letters = ascii_uppercase[: len(options)]
    first = int(fraction("order of options", *draw) * len(letters))
    for start in range(first, first + min(orders, len(letters))):
        rotated = tuple(letters[(start + place) % len(letters)] for place in range(len(letters)))
        fields = values | {"options": sorted(zip(rotated, options, strict=True))}
        yield prompt.ask(row, task=task, sampling=Sampling(max_tokens=1), choices=rotated, **fields)


def probability(answers: Iterable[Answer]) -> float | None:
    """Return the probability of the first of a prompt's two options; see `expectation`."""
    return expectation(answers, (1.0, 0.0))


def expectation(answers: Iterable[Answer], weights: Sequence[float]) -> float | None:
    """
    Return the expected weight of the prompt's options under the judge's probabilities.

    The probabilities are the softmax over the letters only, as in P(true) of Kadavath et al. (arXiv
    2207.05221), averaged over all orders and questions. None if there are no answers, or if the engine failed
    or returned no probabilities for any of them.

    Parameters
    ----------
    answers
        Answers to the requests of `ask`.
    weights
        One per option, in the prompt's order.
    """
    expectations = []
    for answer in answers:
        logs = answer.completion.choices
        if answer.completion.finish == "error" or len(logs) != len(weights) or math.isinf(max(logs)):
            return None
        likely = [math.exp(log - max(logs)) for log in logs]
        worth = sum(weight * part for weight, part in zip(weights, likely, strict=True))
        expectations.append(worth / sum(likely))
    return sum(expectations) / len(expectations) if expectations else None
