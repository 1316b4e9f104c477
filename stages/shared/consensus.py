"""
Consensus of several outputs for the same input, by the rule of Ensemble-Instruct (arXiv 2310.13961).

1. The first output that equals another one is taken.
2. Otherwise the outputs are compared pairwise by ROUGE-L. If a pair has no more than `LEAST`, there is no
   consensus; else the output with the largest sum is taken.

Texts are compared by their words, stemmed by the language's rules, without case and punctuation.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Indel

from datagen.stages.shared.language.rules import Language
from datagen.stages.shared.language.words import words_of

LEAST = 0.01


@dataclass(frozen=True)
class Agreement:
    """
    How far several outputs agree.

    Parameters
    ----------
    winner
        Index of the output that is taken; None without consensus.
    score
        Mean ROUGE-L of the winner with the others, 1 if it equals another one; without consensus the smallest
        ROUGE-L of a pair.
    """

    winner: int | None
    score: float


def rouge_l(first: Sequence[str], second: Sequence[str]) -> float:
    """
    Return the ROUGE-L F1 of two sequences of words, 0 to 1.

    It is 2 LCS / (m + n), which is the normalised Indel similarity; 0 if either is empty.
    """
    return Indel.normalized_similarity(first, second) if first and second else 0.0


def consensus(texts: Sequence[str], language: Language, least: float = LEAST) -> Agreement:
    """
    Find the output that the others support.

    Parameters
    ----------
    texts
        At least two outputs, in order of preference.
    language
        The rules of their language.
    least
        ROUGE-L that every pair must exceed.
    """
    words = [[language.stem(word) for word in words_of(text)] for text in texts]
    plain = [words_of(text) for text in texts]
    for place, one in enumerate(plain):
        if one and plain.count(one) > 1:
            return Agreement(place, 1.0)
    scores = [[rouge_l(one, other) for other in words] for one in words]
    pairs = [scores[i][j] for i in range(len(words)) for j in range(i)]
    if min(pairs) <= least:
        return Agreement(None, min(pairs))
    sums = [sum(row) - row[place] for place, row in enumerate(scores)]
    winner = max(range(len(sums)), key=lambda place: sums[place])
    return Agreement(winner, sums[winner] / (len(texts) - 1))
