"""
Whether two texts are alike, measured on all their words and not on a sketch of them.

Long texts are alike by the Jaccard similarity of their 5-word shingles, as the public tools measure it
(datatrove, text-dedup), unless each says again and again what the other never says: the rules for two
proceedings may differ in nothing but their names. A short text has too few shingles. Two short texts are
alike when one is the other with words added, by the share of words in common (ROUGE-L F1, which is the
Indel similarity over words). A replaced word makes it another text: questions made from one template differ
in a single name. So does an added number, symbol or negation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from rapidfuzz import process
from rapidfuzz.distance import Indel

from datagen.stages.shared.language.columns import Words
from datagen.stages.shared.similarity.ngrams import Hashes, Numbers, ngrams

SHINGLE = 5  # words
BITS = np.uint64(44)  # of a shingle's hash, where it shares a number with a count of up to 2**20
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
        parts = [(column.hashes, column.lengths, column.count(TELLING)) for column in cut]
        return cls(*(np.concatenate(part) for part in zip(*parts, strict=True)))

    def owners(self) -> Numbers:
        """Tell for every word which text it is of."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)

    @cached_property
    def ends(self) -> Numbers:
        """Where each text ends in `words`."""
        return np.cumsum(self.lengths)

    @cached_property
    def sums(self) -> Hashes:
        """Sum of each text's hashes: equal for equal texts."""
        sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(self.words)])
        result: Hashes = sums[self.ends] - sums[self.ends - self.lengths]
        return result

    def __getitem__(self, text: int) -> Hashes:
        end = self.ends[text]
        return self.words[end - self.lengths[text] : end]

    def take(self, texts: Numbers) -> "Texts":
        """Keep some of the texts, in the order given."""
        lengths = self.lengths[texts]
        within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        places = np.repeat(self.ends[texts] - lengths, lengths) + within
        return Texts(self.words[places], lengths, self.telling[texts])


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
    long = np.minimum(texts.lengths[left], texts.lengths[right]) >= long_from
    similarity = np.zeros(len(left))
    similarity[~long] = _added(texts, left[~long], right[~long], least_short)
    pairs = np.flatnonzero(long)
    measured = _jaccard(texts, left[pairs], right[pairs])
    pairs, measured = pairs[measured >= least_long], measured[measured >= least_long]
    similarity[pairs] = np.where(_other_subject(texts, left[pairs], right[pairs]), 0, measured)
    return similarity, long


def _jaccard(texts: Texts, left: Numbers, right: Numbers) -> Similarities:
    """Jaccard similarity of the sets of shingles of pairs of long texts."""
    numbers, places = np.unique(np.concatenate([left, right]), return_inverse=True)
    some = texts.take(numbers)
    shingles, starts = ngrams(some.words, some.lengths, SHINGLE)
    members = np.sort(_numbered(some.owners()[starts], shingles))
    sets = members[np.concatenate([[True], members[1:] != members[:-1]])[: len(members)]]
    one, other = places.reshape(2, -1)
    shared = _shared(sets, one, sets, other)
    sizes = _sizes(sets, len(numbers))
    result: Similarities = shared / np.maximum(sizes[one] + sizes[other] - shared, 1)
    return result


def _other_subject(texts: Texts, left: Numbers, right: Numbers) -> npt.NDArray[np.bool_]:
    """Tell of pairs of long texts whether each has a word twice or more that the other has not."""
    numbers, places = np.unique(np.concatenate([left, right]), return_inverse=True)
    some = texts.take(numbers)
    said, times = np.unique(_numbered(some.owners(), some.words), return_counts=True)
    again = said[times > 1]
    one, other = places.reshape(2, -1)
    sizes = _sizes(again, len(numbers))
    own = sizes[one] > _shared(again, one, said, other)
    return own & (sizes[other] > _shared(again, other, said, one))


def _numbered(owners: Numbers, hashes: Hashes) -> Hashes:
    """
    Put the number of the text that it is of before each hash, of which 44 bits are left.

    A sort of plain numbers then makes sets, and another finds what two sets share. That two members of a
    pair of sets are taken for one happens in one of 10**9 pairs.
    """
    return (owners.astype(np.uint64) << BITS) | (hashes >> (np.uint64(64) - BITS))


def _sizes(sets: Hashes, count: int) -> Numbers:
    return np.bincount((sets >> BITS).astype(np.int64), minlength=count)


def _shared(ours: Hashes, one: Numbers, theirs: Hashes, other: Numbers) -> Numbers:
    """Count for each pair what set `one` of ours shares with set `other` of theirs."""
    both = np.concatenate([_of_pairs(ours, one), _of_pairs(theirs, other)])
    both.sort()
    return _sizes(both[1:][both[1:] == both[:-1]], len(one))


def _of_pairs(sets: Hashes, which: Numbers) -> Hashes:
    """List the members of a set for each pair, with the number of the pair before them."""
    sizes = _sizes(sets, int(which.max(initial=0)) + 1)
    wanted = sizes[which]
    within = np.arange(wanted.sum()) - np.repeat(np.cumsum(wanted) - wanted, wanted)
    members = sets[np.repeat((np.cumsum(sizes) - sizes)[which], wanted) + within]
    return _numbered(np.repeat(np.arange(len(which)), wanted), members << (np.uint64(64) - BITS))


def _added(texts: Texts, left: Numbers, right: Numbers, least: float) -> Similarities:
    """ROUGE-L F1 of pairs of which one text is the other with plain words added; 0 of the others."""
    together = texts.lengths[left] + texts.lengths[right]
    added = abs(texts.lengths[left] - texts.lengths[right])
    likely = 1 - added / np.maximum(together, 1)  # their similarity, if nothing else differs
    likely[likely < least] = 0
    likely[texts.telling[left] != texts.telling[right]] = 0
    likely[(added == 0) & (texts.sums[left] != texts.sums[right])] = 0
    pairs = np.flatnonzero((likely > 0) & (together > 0))
    words = [[texts[text].tolist() for text in side[pairs]] for side in (left, right)]
    edits = process.cpdist(*words, scorer=Indel.distance)
    likely[pairs[edits != added[pairs]]] = 0
    result: Similarities = likely
    return result
