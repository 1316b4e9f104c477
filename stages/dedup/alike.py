"""
Whether two texts are alike, measured on all their words and not on a sketch of them.

Long texts are alike by the Jaccard similarity of their 5-word shingles, as the public tools measure it
(datatrove, text-dedup). A short text has too few of these. Two short texts are alike when one is the other
with words added, by the share of words in common (ROUGE-L F1, which is the Indel similarity over words). A
replaced word makes it another text: questions made from one template differ in a single name. So does an
added number, symbol or negation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from rapidfuzz import process
from rapidfuzz.distance import Indel

from datagen.stages.text.ngrams import Hashes, Numbers, Words, ngrams

SHINGLE = 5  # words
TELLING = r"^(?:.*[^\pL\pM].*|not?|never|nor|none|without|cannot)$"  # the negations are English

Similarities = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Texts:
    """
    Texts as hashes of their words.

    Parameters
    ----------
    words
        The words of all texts, text after text.
    lengths
        Words of each text.
    telling
        How many of them are numbers, symbols or negations.
    """

    words: Hashes
    lengths: Numbers
    telling: Numbers

    @classmethod
    def of(cls, cut: Sequence[Words]) -> "Texts":
        """Take the texts of some columns, column after column."""
        parts = [(column.hashes(), column.lengths, column.count(TELLING)) for column in cut]
        return cls(*(np.concatenate(part) for part in zip(*parts, strict=True)))

    @cached_property
    def ends(self) -> Numbers:
        """Where each text ends in `words`."""
        return np.cumsum(self.lengths)

    @cached_property
    def sums(self) -> Hashes:
        """Sum of each text's hashes: equal for equal texts."""
        sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(self.words)])
        return sums[self.ends] - sums[self.ends - self.lengths]

    def __getitem__(self, text: int) -> Hashes:
        end = self.ends[text]
        return self.words[end - self.lengths[text] : end]

    def shingles(self, text: int) -> Hashes:
        """Hash a text's runs of `SHINGLE` words, each once."""
        return np.unique(ngrams(self[text], self.lengths[text : text + 1], SHINGLE)[0])


def compare(
    texts: Texts, left: Numbers, right: Numbers, long_from: int, least_long: float, least_short: float
) -> tuple[Similarities, npt.NDArray[np.bool_]]:
    """
    Measure pairs of texts.

    Parameters
    ----------
    texts
        The texts.
    left, right
        The pairs, as positions in `texts`.
    long_from
        Words from which a text is long; a pair is when both are.
    least_long, least_short
        Similarity below which a pair is not alike.

    Returns
    -------
    similarity, long
        0 for a pair that is not alike; and whether it was measured as long texts.
    """
    similarity = _added(texts, left, right, least_short)
    long = np.minimum(texts.lengths[left], texts.lengths[right]) >= long_from
    for pair in np.flatnonzero(long):
        measured = _jaccard(texts, left[pair], right[pair])
        similarity[pair] = measured if measured >= least_long else 0
    return similarity, long


def _jaccard(texts: Texts, left: int, right: int) -> float:
    one, other = texts.shingles(left), texts.shingles(right)
    shared = len(np.intersect1d(one, other, assume_unique=True))
    return shared / (len(one) + len(other) - shared)


def _added(texts: Texts, left: Numbers, right: Numbers, least: float) -> Similarities:
    """ROUGE-L F1 of pairs of which one text is the other with plain words added; 0 of the others."""
    together = texts.lengths[left] + texts.lengths[right]
    added = abs(texts.lengths[left] - texts.lengths[right])
    likely = 1 - added / np.maximum(together, 1)  # their similarity, if nothing else differs
    likely[likely < least] = 0
    likely[texts.telling[left] != texts.telling[right]] = 0
    likely[(added == 0) & (texts.sums[left] != texts.sums[right])] = 0
    pairs = np.flatnonzero(likely)
    words = [[texts[text].tolist() for text in side[pairs]] for side in (left, right)]
    edits = process.cpdist(*words, scorer=Indel.distance)
    likely[pairs[edits != added[pairs]]] = 0
    return likely
