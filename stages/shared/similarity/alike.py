"""
Whether two texts say the same, measured on all their words and not on a sketch of them.

Long texts are alike by the Jaccard similarity of their 5-word shingles, as public tools measure it
(datatrove, text-dedup). A short text has too few shingles: two short texts are alike when one is the other
with words added, by the share of words in common (ROUGE-L F1, which is the Indel similarity over words).

However alike they are, two texts are not duplicates when they differ in

* what tells: numbers, negations, qualifiers, units, signs, flags
  (`datagen.stages.shared.similarity.meaning`);
* names: words with a capital inside a sentence, in either of the two, must occur in both in the same order;
  and where each has a capitalised first word that the other does not have, these may be names, too;
* the subject of long texts: each repeats a word that the other does not have. The rules for two proceedings
  may differ in nothing but their names.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from rapidfuzz import process
from rapidfuzz.distance import Indel

from datagen.stages.shared.language.columns import NAME, OPENING, Words
from datagen.stages.shared.similarity.meaning import STRICT_BELOW, digests, is_common
from datagen.stages.shared.similarity.ngrams import Hashes, Numbers, digest, ngrams

SHINGLE = 5  # words
BITS = np.uint64(44)  # of a shingle's hash, where it shares a number with a count of up to 2**20

Similarities = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Lists:
    """
    A list of hashes for each text.

    Parameters
    ----------
    values
        The hashes, text after text.
    lengths
        How many each text has.
    """

    values: Hashes
    lengths: Numbers

    def owners(self) -> Numbers:
        """Give the text of every hash."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)

    @cached_property
    def ends(self) -> Numbers:
        """Where each list ends in `values`."""
        return np.cumsum(self.lengths)

    @cached_property
    def sums(self) -> Hashes:
        """Sum of each list: equal for equal lists."""
        sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(self.values)])
        result: Hashes = sums[self.ends] - sums[self.ends - self.lengths]
        return result

    def __getitem__(self, text: int) -> Hashes:
        end = self.ends[text]
        return self.values[end - self.lengths[text] : end]

    def take(self, texts: Numbers) -> "Lists":
        """Keep some of the lists, in the order given."""
        lengths = self.lengths[texts]
        within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        places = np.repeat(self.ends[texts] - lengths, lengths) + within
        return Lists(self.values[places], lengths)


@dataclass(frozen=True)
class Texts:
    """
    Texts as hashes.

    Parameters
    ----------
    words
        Their words.
    names, openers
        Those with a capital inside a sentence, and the others with a capital.
    telling, strict
        Hash of what tells in each text, for pairs of long and of short texts
        (`datagen.stages.shared.similarity.meaning.digests`).
    """

    words: Lists
    names: Lists
    openers: Lists
    telling: Hashes
    strict: Hashes

    @classmethod
    def of(cls, cut: Words, written: Hashes) -> "Texts":
        """Take texts by their words with capitals, and what is compared as it is written."""
        if cut.capitals is None:
            raise ValueError("cut the words with cased=True")
        opening = cut.capitals == OPENING
        opening[opening] = ~is_common(cut.hashes[opening])
        names, openers = (_some(cut, which) for which in (cut.capitals == NAME, opening))
        return cls(Lists(cut.hashes, cut.lengths), names, openers, *digests(cut, written))

    @property
    def lengths(self) -> Numbers:
        """Words of each text."""
        return self.words.lengths


def _some(cut: Words, which: Mask) -> Lists:
    return Lists(cut.hashes[which], np.bincount(cut.owners()[which], minlength=len(cut.lengths)))


def compare(
    texts: Texts, left: Numbers, right: Numbers, long_from: int, least_long: float, least_short: float
) -> tuple[Similarities, Mask]:
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
    shorter = np.minimum(texts.lengths[left], texts.lengths[right])
    long = shorter >= long_from
    same = np.where(
        shorter < STRICT_BELOW,
        texts.strict[left] == texts.strict[right],
        texts.telling[left] == texts.telling[right],
    )
    similarity = np.zeros(len(left))
    for which, measure, least in ((~long, _added, least_short), (long, _jaccard, least_long)):
        pairs = np.flatnonzero(which & same)
        measured = measure(texts.words, left[pairs], right[pairs], least)
        pairs, measured = pairs[measured > 0], measured[measured > 0]
        similarity[pairs] = np.where(_other_names(texts, left[pairs], right[pairs]), 0, measured)
    pairs = np.flatnonzero(long & (similarity > 0))
    similarity[pairs[_other_subject(texts.words, left[pairs], right[pairs])]] = 0
    return similarity, long


def _jaccard(words: Lists, left: Numbers, right: Numbers, least: float) -> Similarities:
    """Jaccard similarity of the sets of shingles of pairs of long texts; 0 below `least`."""
    some, one, other = _of(words, left, right)
    shingles, starts = ngrams(some.values, some.lengths, SHINGLE)
    sets = _sets(some.owners()[starts], shingles)
    shared = _shared(sets, one, sets, other)
    sizes = _sizes(sets, len(some.lengths))
    result: Similarities = shared / np.maximum(sizes[one] + sizes[other] - shared, 1)
    result[result < least] = 0
    return result


def _other_subject(words: Lists, left: Numbers, right: Numbers) -> Mask:
    """Find the pairs of which each text has a word twice or more that the other does not have."""
    some, one, other = _of(words, left, right)
    said, times = np.unique(_numbered(some.owners(), some.values), return_counts=True)
    return _each_has_own(said[times > 1], said, one, other, len(some.lengths))


def _other_names(texts: Texts, left: Numbers, right: Numbers) -> Mask:
    """Find the pairs that differ in their names, or in the order of these."""
    some, one, other = _of(texts.words, left, right)
    numbers = np.unique(np.concatenate([left, right]))
    said = _sets(some.owners(), some.values)
    names, openers = (
        _sets(of.owners(), of.values) for of in (texts.names.take(numbers), texts.openers.take(numbers))
    )
    differ = _each_has_own(openers, said, one, other, len(numbers))
    wanted = np.unique(np.concatenate([_of_pairs(names, one), _of_pairs(names, other)]))
    if len(wanted):
        sequences = [_sequences(some.take(side), wanted) for side in (one, other)]
        differ |= sequences[0] != sequences[1]
    return differ


def _sequences(words: Lists, wanted: Hashes) -> Hashes:
    """Hash of each text of a list of pairs the words that are wanted of it, in their order."""
    owners = words.owners()
    keys = _numbered(owners, words.values)
    at = np.searchsorted(wanted, keys).clip(max=len(wanted) - 1)
    kept = wanted[at] == keys
    result: Hashes = digest(words.values[kept], np.bincount(owners[kept], minlength=len(words.lengths)))
    return result


def _each_has_own(some: Hashes, said: Hashes, one: Numbers, other: Numbers, count: int) -> Mask:
    """Find the pairs of which each text has one of some words that the other does not have at all."""
    sizes = _sizes(some, count)
    own: Mask = sizes[one] > _shared(some, one, said, other)
    return own & (sizes[other] > _shared(some, other, said, one))


def _of(words: Lists, left: Numbers, right: Numbers) -> tuple[Lists, Numbers, Numbers]:
    """Take the texts of some pairs; give them and the pairs as positions among them."""
    numbers, places = np.unique(np.concatenate([left, right]), return_inverse=True)
    one, other = places.reshape(2, -1)
    return words.take(numbers), one, other


def _sets(owners: Numbers, hashes: Hashes) -> Hashes:
    """Make a set of the hashes of each text."""
    members = np.sort(_numbered(owners, hashes))
    result: Hashes = members[np.concatenate([[True], members[1:] != members[:-1]])[: len(members)]]
    return result


def _numbered(owners: Numbers, hashes: Hashes) -> Hashes:
    """
    Put the number of the text that it is of before each hash, of which 44 bits are kept.

    A sort of plain numbers then makes sets, and another finds what two sets share. Two different members of a
    pair of sets are taken for the same one in one of 10**9 pairs.
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


def _added(words: Lists, left: Numbers, right: Numbers, least: float) -> Similarities:
    """ROUGE-L F1 of pairs of which one text is the other with words added; 0 of the others."""
    together = words.lengths[left] + words.lengths[right]
    added = abs(words.lengths[left] - words.lengths[right])
    likely = 1 - added / np.maximum(together, 1)  # their similarity, if nothing else differs
    likely[likely < least] = 0
    likely[(added == 0) & (words.sums[left] != words.sums[right])] = 0
    pairs = np.flatnonzero((likely > 0) & (together > 0))
    cut = [[words[text].tolist() for text in side[pairs]] for side in (left, right)]
    edits = process.cpdist(*cut, scorer=Indel.distance)
    likely[pairs[edits != added[pairs]]] = 0
    result: Similarities = likely
    return result
