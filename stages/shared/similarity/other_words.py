"""
Find texts that say different things because a word was replaced or added.

"The queue is kept in kafka on the host" and "... in rabbitmq on the host" share nearly all their words, as do
"the exam is in the hall" and "the mock exam ...". No list has all such words, so the words of two texts in
natural language are aligned (Levenshtein distance), and the texts are different if

* each has a content word where the other has not, or
* one has a content word more, alone or with a few others. More words in a row are a further clause, which a
  near duplicate may have, unless the texts are short.

Frequent words do not count, nor do other spellings. In texts with few frequent words, such as code and
tables, only replaced words beyond ASCII are natural language.
"""

from collections.abc import Callable
from itertools import chain

import numpy as np
from rapidfuzz.distance import OSA, Levenshtein

from datagen.stages.shared.similarity.alike import Lists, Mask
from datagen.stages.shared.similarity.meaning import are_natural, says_little
from datagen.stages.shared.similarity.ngrams import Hashes, Numbers

SWAPPED_FROM = 4  # letters of a word in which two swapped neighbours are a typo
CLAUSE = 4  # words added in a row that are a clause rather than a modifier
WRONG_FROM = 9  # letters of a word in which any one wrong, missing or added letter is a typo

Spelled = Callable[[Hashes], list[str]]  # hashes of words -> the words; "" for unknown ones


def have_other_words(words: Lists, left: Numbers, right: Numbers, long: Mask, spelled: Spelled) -> Mask:
    """
    Find the pairs in which content words were replaced or added.

    Parameters
    ----------
    words
        The words of the texts.
    left, right
        The pairs, as indices of `words`.
    long
        Whether each pair was compared as long texts.
    spelled
        Looks up words by their hashes.
    """
    different = [_differences(words[one], words[other]) for one, other in zip(left, right, strict=True)]
    hashes = np.unique(
        np.concatenate([np.empty(0, np.uint64), *(run for pair in different for run in chain(*pair))])
    )
    hashes = hashes[~says_little(hashes)]
    content = dict(zip(hashes.tolist(), spelled(hashes), strict=True))
    natural = are_natural(words.values, words.lengths)
    found = np.zeros(len(different), np.bool_)
    for number, (pair, one, other) in enumerate(zip(different, left, right, strict=True)):
        mine, theirs = ([[content.get(word, "") for word in run.tolist()] for run in side] for side in pair)
        clause = CLAUSE if long[number] else len(words[one]) + len(words[other])
        found[number] = _are_other(mine, theirs, bool(natural[one] and natural[other]), clause)
    return found


def _differences(one: Hashes, other: Hashes) -> tuple[list[Hashes], list[Hashes]]:
    """Align two texts; return the runs of words of each that the other does not have at that place."""
    edits = Levenshtein.editops(one.tolist(), other.tolist())
    mine = np.array([edit.src_pos for edit in edits if edit.tag != "insert"], np.int64)
    theirs = np.array([edit.dest_pos for edit in edits if edit.tag != "delete"], np.int64)
    return _runs(one, mine), _runs(other, theirs)


def _runs(words: Hashes, places: Numbers) -> list[Hashes]:
    return np.split(words[places], np.flatnonzero(np.diff(places) > 1) + 1) if len(places) else []


def _are_other(mine: list[list[str]], theirs: list[list[str]], natural: bool, clause: int) -> bool:
    """
    Test whether both sides have content words, or one has some in a run of fewer than `clause` words.

    Words other than content words are "". Spellings of the same word do not count; a moved word counts on
    both sides.
    """
    own, others = (
        [word for run in side for word in run if _counts(word, natural)] for side in (mine, theirs)
    )
    if "".join(own) == "".join(others) and len(own) != len(others):
        return False  # written as one word or as two
    for word in tuple(own):
        same = next((other for other in others if is_same_word(word, other)), None)
        if same is not None:
            own.remove(word)
            others.remove(same)
    if own and others:
        return True
    more, left = (mine, own) if own else (theirs, others)
    return natural and any(len(run) < clause and not set(left).isdisjoint(run) for run in more)


def _counts(word: str, natural: bool) -> bool:
    return any(map(str.isalpha, word)) and (natural or not word.isascii())


def is_same_word(one: str, other: str) -> bool:
    """
    Test whether one of two different words is probably a misspelling or another spelling of the other.

    Short words with one other letter are mostly other words (fee, fine). Pairs of longer words that differ in
    one letter and in meaning are listed in ``prompts/meaning/telling.yaml``.
    """
    if OSA.distance(one, other, score_cutoff=1) != 1:
        return False
    longer = max(len(one), len(other))
    if sorted(one) == sorted(other) or one.replace("s", "z") == other.replace("s", "z"):
        return longer >= SWAPPED_FROM
    return longer >= WRONG_FROM and one[0] == other[0]
