"""What a model's answers to one question say about what it knows."""

import math
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TypeVar

from datagen.request import Answer, Reject
from datagen.stages.knowledge.probe.choices import Lettered
from datagen.stages.shared.language.matching import gist
from datagen.stages.shared.language.rules import Language

T = TypeVar("T")


@dataclass(frozen=True)
class Knowledge:
    """
    What was seen, in the columns of a probe.

    Parameters
    ----------
    answers, matches, right
        What was said, the greedy answer first; how like the right answer each is, 0 to 1; whether it is
        right, None where that does not tell.
    accuracy
        Share of the samples that are right; of the greedy answer where none was drawn.
    entropy
        Of what the samples say, in nats; answers that say the same are one.
    confidence
        Geometric mean of the probabilities of the greedy answer's tokens; None where they are not known.
    label
        known, unknown or ambiguous.
    """

    answers: list[str]
    matches: list[float]
    right: list[bool | None]
    accuracy: float
    entropy: float
    confidence: float | None
    label: str


def estimate(
    answers: list[str],
    matches: list[float],
    logprob: float | None,
    bounds: tuple[float, float],
    shares: tuple[float, float],
    question: str,
    language: Language,
) -> Knowledge:
    """
    Judge answers in words by how well they match.

    Known where all do, unknown where none does (WACK, arXiv 2410.22071), unless `shares` say otherwise.
    Accuracy is that of Alignment for Honesty (arXiv 2312.07000), entropy that of R-Tuning (arXiv 2311.09677),
    there over equal strings.

    Parameters
    ----------
    answers, matches
        What was said, the greedy answer first, and how like the right answer each is.
    logprob
        Mean log probability of the greedy answer's tokens.
    bounds
        A match at most the first is wrong, at least the second right.
    shares
        As in `label`.
    question, language
        Words of the question, and stop words, do not tell answers apart.
    """
    wrong, least = bounds
    right = [True if match >= least else False if match <= wrong else None for match in matches]
    times = Counter(gist(text, question, language.stop, language=language) for text in drawn(answers))
    confidence = None if logprob is None else math.exp(logprob)
    return Knowledge(
        answers, matches, right, accuracy(right), entropy(times.values()), confidence, label(right, *shares)
    )


def drawn(answers: Sequence[T]) -> Sequence[T]:
    """Leave out the greedy answer where others were drawn."""
    return answers[1:] or answers


def accuracy(right: Sequence[bool | None]) -> float:
    """Give the share of the samples that are right."""
    samples = drawn(right)
    return sum(one is True for one in samples) / len(samples)


def label(right: Sequence[bool | None], known: float, unknown: float) -> str:
    """
    Say what the target knows by which of its answers are right.

    Known from a share of right ones on; unknown up to a share of those that are not wrong.
    """
    if sum(one is True for one in right) >= known * len(right):
        return "known"
    return "unknown" if sum(one is not False for one in right) <= unknown * len(right) else "ambiguous"


def estimate_by_choice(lettered: Lettered, probabilities: Sequence[float], right: float) -> Knowledge:
    """
    Judge a choice among lettered options by the probability of each.

    Known where the right one has at least `right`; unknown where it is not the likeliest and no likelier than
    by chance. What samples would be right and what they would say is read from the probabilities.
    """
    best = max(range(len(probabilities)), key=probabilities.__getitem__)
    letter, share = lettered.letters[best], probabilities[lettered.letters.index(lettered.right)]
    chosen = letter == lettered.right
    known = "ambiguous"
    if share >= right:
        known = "known"
    elif not chosen and share <= 1 / len(probabilities):
        known = "unknown"
    spread = entropy(probabilities)
    return Knowledge([letter], [float(chosen)], [chosen], share, spread, probabilities[best], known)


def entropy(weights: Collection[float]) -> float:
    """Shannon entropy in nats of what has these weights, which need not add up to 1."""
    total = sum(weights)
    shares = [weight / total for weight in weights if weight > 0]
    return abs(sum(share * math.log(share) for share in shares))


def said(answer: Answer) -> str:
    """
    Give what a model said, which may have been cut off.

    What is left of a cut-off answer ends with its last complete sentence, if it has one.

    Raises
    ------
    Reject
        When the engine failed.
    """
    completion = answer.completion
    if completion.finish == "error":
        raise Reject("engine error", completion.error)
    text = completion.text.strip()
    if completion.finish == "length" and (whole := re.match(r".*[.!?。！？](?=\s)", text, re.DOTALL)):
        return whole[0]
    return text
