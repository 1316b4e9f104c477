"""Estimate what a model knows from its answers to a question."""

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
    The results of probing a question, as the columns of a probe.

    Parameters
    ----------
    answers, matches, right
        The answers, the greedy one first; the similarity of each to the right answer, 0 to 1; whether it is
        right, None if undecided.
    accuracy
        Share of right samples; of the greedy answer if there are no samples.
    entropy
        Entropy of the samples in nats; equivalent answers count as one.
    confidence
        Geometric mean of the probabilities of the greedy answer's tokens; None if they are unknown.
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
    Estimate knowledge from answers in words by how well they match.

    Known if all answers match, unknown if none does (WACK, arXiv 2410.22071), unless `shares` differ.
    Accuracy is that of Alignment for Honesty (arXiv 2312.07000), entropy that of R-Tuning (arXiv 2311.09677),
    which computes it over equal strings.

    Parameters
    ----------
    answers, matches
        The answers, the greedy one first, and the similarity of each to the right answer.
    logprob
        Mean log probability of the greedy answer's tokens.
    bounds
        A match up to the first bound is wrong, from the second on right.
    shares
        As in `label`.
    question, language
        Words of the question, and stop words, do not distinguish answers.
    """
    upper_wrong, lower_right = bounds
    right = [True if match >= lower_right else False if match <= upper_wrong else None for match in matches]
    groups = Counter(gist(text, question, language.stop, language=language) for text in samples_of(answers))
    confidence = None if logprob is None else math.exp(logprob)
    return Knowledge(
        answers, matches, right, accuracy(right), entropy(groups.values()), confidence, label(right, *shares)
    )


def samples_of(answers: Sequence[T]) -> Sequence[T]:
    """Exclude the greedy answer if there are samples."""
    return answers[1:] or answers


def accuracy(right: Sequence[bool | None]) -> float:
    """Return the share of right samples."""
    samples = samples_of(right)
    return sum(verdict is True for verdict in samples) / len(samples)


def label(right: Sequence[bool | None], known: float, unknown: float) -> str:
    """
    Label what the target knows by which of its answers are right.

    `known` is the minimum share of right answers, `unknown` the maximum share of answers that are not wrong.
    """
    if sum(verdict is True for verdict in right) >= known * len(right):
        return "known"
    not_wrong = sum(verdict is not False for verdict in right)
    return "unknown" if not_wrong <= unknown * len(right) else "ambiguous"


def estimate_by_choice(lettered: Lettered, probabilities: Sequence[float], right: float) -> Knowledge:
    """
    Estimate knowledge from the probabilities of lettered options.

    Known if the right option has at least probability `right`; unknown if it is not the most likely one and
    no likelier than chance. Accuracy and entropy of samples follow from the probabilities.
    """
    best = max(range(len(probabilities)), key=probabilities.__getitem__)
    letter, share = lettered.letters[best], probabilities[lettered.letters.index(lettered.right)]
    chosen = letter == lettered.right
    verdict = "ambiguous"
    if share >= right:
        verdict = "known"
    elif not chosen and share <= 1 / len(probabilities):
        verdict = "unknown"
    return Knowledge(
        answers=[letter],
        matches=[float(chosen)],
        right=[chosen],
        accuracy=share,
        entropy=entropy(probabilities),
        confidence=probabilities[best],
        label=verdict,
    )


def entropy(weights: Collection[float]) -> float:
    """Compute the Shannon entropy in nats of a distribution, given weights that need not add up to 1."""
    total = sum(weights)
    shares = [weight / total for weight in weights if weight > 0]
    return abs(sum(share * math.log(share) for share in shares))


def text_of(answer: Answer) -> str:
    """
    Return the text of an answer, which may be truncated.

    A truncated answer ends after its last complete sentence, if it has one.

    Raises
    ------
    Reject
        When the engine failed.
    """
    completion = answer.completion
    if completion.finish == "error":
        raise Reject("engine error", completion.error)
    text = completion.text.strip()
    if completion.finish == "length" and (sentences := re.match(r".*[.!?。！？](?=\s)", text, re.DOTALL)):
        return sentences[0]
    return text
