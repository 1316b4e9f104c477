"""
Verify whether two texts are near duplicates, on all their words instead of a sketch.

Long texts are compared by the Jaccard similarity of their 5-word shingles, as in public tools (datatrove,
text-dedup). Short texts have too few shingles: they are similar if one is the other with words added, by the
share of words in common (ROUGE-L F1, which equals the Indel similarity over words).

Texts are not duplicates, however similar, if they differ in

* critical words: numbers, negations, qualifiers, units, signs, flags
  (`datagen.stages.shared.similarity.meaning`);
* names: words with a capital inside a sentence, in either text, must occur in both in the same order; if each
  text has a capitalised first word that the other does not contain, these may be names too;
* the subject of long texts: each repeats a word that the other does not contain. The rules for two procedures
  may only differ in their names.
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
BITS = np.uint64(44)  # bits kept of a hash, below an index of up to 2**20

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
        Number of hashes of each text.
    """

    values: Hashes
    lengths: Numbers

    def owners(self) -> Numbers:
        """Return for every hash the index of its text."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)

    @cached_property
    def ends(self) -> Numbers:
        """The end of each list in `values`."""
        return np.cumsum(self.lengths)

    @cached_property
    def sums(self) -> Hashes:
        """The sum of each list; equal for equal lists."""
        sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(self.values)])
        result: Hashes = sums[self.ends] - sums[self.ends - self.lengths]
        return result

    def __getitem__(self, text: int) -> Hashes:
        end = self.ends[text]
        return self.values[end - self.lengths[text] : end]

    def take(self, texts: Numbers) -> "Lists":
        """Select some of the lists, in the given order."""
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
        The words with a capital inside a sentence, and the other capitalised words.
    telling, strict
        Hash of the critical words of each text, for pairs of long and of short texts
        (`datagen.stages.shared.similarity.meaning.digests`).
    """

    words: Lists
    names: Lists
    openers: Lists
    telling: Hashes
    strict: Hashes

    @classmethod
    def of(cls, cut: Words, written: Hashes) -> "Texts":
        """Hash texts, from their words with `capitals` and the hash of their verbatim parts."""
        if cut.capitals is None:
            raise ValueError("split the words with cased=True")
        opening = cut.capitals == OPENING
        opening[opening] = ~is_common(cut.hashes[opening])
        names, openers = (_some(cut, which) for which in (cut.capitals == NAME, opening))
        return cls(Lists(cut.hashes, cut.lengths), names, openers, *digests(cut, written))

    @property
    def lengths(self) -> Numbers:
        """The number of words of each text."""
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
        The pairs, as indices of `texts`.
    long_from
        Fewest words of a long text; a pair is long if both texts are.
    least_long, least_short
        Least similarity of near duplicates.

    Returns
    -------
    similarity, long
        The similarity, 0 for a pair that is not a near duplicate; and whether it was compared as long texts.
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
    """Return the Jaccard similarity of the shingles of pairs of long texts; 0 below `least`."""
    members, first, second = _members(words, left, right)
    shingles, starts = ngrams(members.values, members.lengths, SHINGLE)
    sets = _sets(members.owners()[starts], shingles)
    shared = _shared(sets, first, sets, second)
    sizes = _sizes(sets, len(members.lengths))
    result: Similarities = shared / np.maximum(sizes[first] + sizes[second] - shared, 1)
    result[result < least] = 0
    return result


def _other_subject(words: Lists, left: Numbers, right: Numbers) -> Mask:
    """Find the pairs in which each text repeats a word that the other does not contain."""
    members, first, second = _members(words, left, right)
    distinct, counts = np.unique(_numbered(members.owners(), members.values), return_counts=True)
    return _each_has_own(distinct[counts > 1], distinct, first, second, len(members.lengths))


def _other_names(texts: Texts, left: Numbers, right: Numbers) -> Mask:
    """Find the pairs that differ in their names, or in the order of their names."""
    members, first, second = _members(texts.words, left, right)
    indices = np.unique(np.concatenate([left, right]))
    distinct = _sets(members.owners(), members.values)
    names, openers = (
        _sets(lists.owners(), lists.values)
        for lists in (texts.names.take(indices), texts.openers.take(indices))
    )
    differ = _each_has_own(openers, distinct, first, second, len(indices))
    names_of_pairs = np.unique(np.concatenate([_of_pairs(names, first), _of_pairs(names, second)]))
    if len(names_of_pairs):
        sequences = [_sequences(members.take(side), names_of_pairs) for side in (first, second)]
        differ |= sequences[0] != sequences[1]
    return differ


def _sequences(words: Lists, names: Hashes) -> Hashes:
    """Hash, for each text in a list of pairs, the names of its pair in the order of the text."""
    owners = words.owners()
    keys = _numbered(owners, words.values)
    at = np.searchsorted(names, keys).clip(max=len(names) - 1)
    kept = names[at] == keys
    result: Hashes = digest(words.values[kept], np.bincount(owners[kept], minlength=len(words.lengths)))
    return result


def _each_has_own(subset: Hashes, words: Hashes, first: Numbers, second: Numbers, count: int) -> Mask:
    """Find the pairs in which each text has a word of `subset` that the other does not contain."""
    sizes = _sizes(subset, count)
    own: Mask = sizes[first] > _shared(subset, first, words, second)
    return own & (sizes[second] > _shared(subset, second, words, first))


def _members(words: Lists, left: Numbers, right: Numbers) -> tuple[Lists, Numbers, Numbers]:
    """Select the texts of some pairs; return them and the pairs as indices of the selection."""
    indices, places = np.unique(np.concatenate([left, right]), return_inverse=True)
    first, second = places.reshape(2, -1)
    return words.take(indices), first, second


def _sets(owners: Numbers, hashes: Hashes) -> Hashes:
    """Return the set of hashes of each text."""
    members = np.sort(_numbered(owners, hashes))
    result: Hashes = members[np.concatenate([[True], members[1:] != members[:-1]])[: len(members)]]
    return result


def _numbered(owners: Numbers, hashes: Hashes) -> Hashes:
    """
    Prefix each hash, reduced to 44 bits, with the index of its text.

    Sorting plain numbers then builds sets, and a second sort finds the intersection of two sets. Different
    members of a pair of sets collide in one of 10**9 pairs.
    """
    return (owners.astype(np.uint64) << BITS) | (hashes >> (np.uint64(64) - BITS))


def _sizes(sets: Hashes, count: int) -> Numbers:
    return np.bincount((sets >> BITS).astype(np.int64), minlength=count)


def _shared(sets: Hashes, first: Numbers, other_sets: Hashes, second: Numbers) -> Numbers:
    """Return the size of the intersection of each pair: of `sets` at `first` and `other_sets` at `second`."""
    both = np.concatenate([_of_pairs(sets, first), _of_pairs(other_sets, second)])
    both.sort()
    return _sizes(both[1:][both[1:] == both[:-1]], len(first))


def _of_pairs(sets: Hashes, which: Numbers) -> Hashes:
    """List the members of one set per pair, prefixed with the index of the pair."""
    sizes = _sizes(sets, int(which.max(initial=0)) + 1)
    counts = sizes[which]
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    members = sets[np.repeat((np.cumsum(sizes) - sizes)[which], counts) + within]
    return _numbered(np.repeat(np.arange(len(which)), counts), members << (np.uint64(64) - BITS))


def _added(words: Lists, left: Numbers, right: Numbers, least: float) -> Similarities:
    """Return the ROUGE-L F1 of pairs in which one text is the other with words added; 0 for other pairs."""
    total = words.lengths[left] + words.lengths[right]
    added = abs(words.lengths[left] - words.lengths[right])
    similarity: Similarities = 1 - added / np.maximum(total, 1)  # if nothing else differs
    similarity[similarity < least] = 0
    similarity[(added == 0) & (words.sums[left] != words.sums[right])] = 0
    pairs = np.flatnonzero((similarity > 0) & (total > 0))
    sequences = [[words[text].tolist() for text in side[pairs]] for side in (left, right)]
    edits = process.cpdist(*sequences, scorer=Indel.distance)
    similarity[pairs[edits != added[pairs]]] = 0
    return similarity
