"""
ROUGE-L F1 of two sequences of words: ``2 LCS / (m + n)``, with LCS their longest common subsequence.

It equals the normalised Indel similarity, because inserting and deleting words is all that turns one sequence
into the other. 0 if either is empty.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from rapidfuzz import process
from rapidfuzz.distance import Indel

Scores = npt.NDArray[np.float64]


def rouge_l(first: Sequence[str], second: Sequence[str]) -> float:
    """Return the ROUGE-L F1 of two sequences of words, 0 to 1."""
    return Indel.normalized_similarity(first, second) if first and second else 0.0


def rouge_l_of_pairs(first: Sequence[str], second: Sequence[str]) -> Scores:
    """Return the ROUGE-L F1 of each pair of texts, in which every word is encoded as one character."""
    totals = np.array([len(left) + len(right) for left, right in zip(first, second, strict=True)])
    distances = process.cpdist(first, second, scorer=Indel.distance, dtype=np.int64, workers=-1)
    scores: Scores = (totals - distances) / np.maximum(totals, 1)
    return scores
