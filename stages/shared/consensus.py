"""
Consensus of several outputs for the same input, by the rule of Ensemble-Instruct (arXiv 2310.13961).

1. The first output that equals another one wins.
2. Otherwise the outputs are compared pairwise by ROUGE-L. If any pair scores at most `LEAST`, there is no
   consensus; else the output with the largest sum wins.

Texts are compared as stemmed words; case and punctuation are ignored.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from datagen.stages.shared.language.rules import Language
from datagen.stages.shared.language.words import words_of
from datagen.stages.shared.similarity.rouge import rouge_l

LEAST = 0.01


@dataclass(frozen=True)
class Agreement:
    """
    How far several outputs agree.

    Parameters
    ----------
    winner
        Index of the winning output; None without consensus.
    score
        Mean ROUGE-L of the winner with the others, 1 if it equals another one; without consensus the smallest
        ROUGE-L of a pair.
    """

    winner: int | None
    score: float


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
    for index, text_words in enumerate(plain):
        if text_words and plain.count(text_words) > 1:
            return Agreement(index, 1.0)
    scores = [[rouge_l(first, second) for second in words] for first in words]
    pairs = [scores[i][j] for i in range(len(words)) for j in range(i)]
    if min(pairs) <= least:
        return Agreement(None, min(pairs))
    sums = [sum(row) - row[index] for index, row in enumerate(scores)]
    winner = max(range(len(sums)), key=lambda index: sums[index])
    return Agreement(winner, sums[winner] / (len(texts) - 1))
