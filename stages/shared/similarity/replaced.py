"""
Find long texts that say different things because a word was replaced by another.

"The queue is kept in kafka on the host" and "... in rabbitmq on the host" share nearly all their words. No
list has all such words, so two texts in natural language are different if each has a content word where the
other has not: the words are aligned (Levenshtein distance), and both sides of the differences must have one.
A text with words added remains a near duplicate. Frequent words do not count, nor do other spellings.

In texts with few frequent words, such as code and tables, only words beyond ASCII are natural language.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import OSA, Levenshtein

from datagen.stages.shared.similarity.alike import Lists
from datagen.stages.shared.similarity.meaning import are_natural, says_little
from datagen.stages.shared.similarity.ngrams import Hashes, Numbers

SWAPPED_FROM = 4  # letters of a word in which two swapped neighbours are a typo
WRONG_FROM = 9  # letters of a word in which any one wrong, missing or added letter is a typo

Spelled = Callable[[Hashes], list[str]]  # hashes of words -> the words; "" for unknown ones


def have_replaced(words: Lists, left: Numbers, right: Numbers, spelled: Spelled) -> npt.NDArray[np.bool_]:
    """
    Find the pairs in which each text has content words where the other has none of them.

    Parameters
    ----------
    words
        The words of the texts.
    left, right
        The pairs, as indices of `words`.
    spelled
        Looks up words by their hashes.
    """
    different = [_differences(words[one], words[other]) for one, other in zip(left, right, strict=True)]
    sides = [side for pair in different for side in pair]
    hashes = np.unique(np.concatenate([np.empty(0, np.uint64), *sides]))
    hashes = hashes[~says_little(hashes)]
    content = dict(zip(hashes.tolist(), spelled(hashes), strict=True))
    natural = are_natural(words.values, words.lengths)
    return np.array(
        [
            _are_replaced(
                *([content.get(word, "") for word in side.tolist()] for side in pair),
                natural=bool(natural[one] and natural[other]),
            )
            for pair, one, other in zip(different, left, right, strict=True)
        ],
        np.bool_,
    )


def _differences(one: Hashes, other: Hashes) -> tuple[Hashes, Hashes]:
    """Align two texts; return the words of each that the other does not have at that place."""
    edits = Levenshtein.editops(one.tolist(), other.tolist())
    mine = [edit.src_pos for edit in edits if edit.tag != "insert"]
    theirs = [edit.dest_pos for edit in edits if edit.tag != "delete"]
    return one[np.array(mine, np.int64)], other[np.array(theirs, np.int64)]


def _are_replaced(mine: list[str], theirs: list[str], natural: bool) -> bool:
    """
    Test whether both sides have content words, other than spellings of the same words.

    A moved word counts on both sides.
    """
    mine, theirs = (
        [word for word in side if any(map(str.isalpha, word)) and (natural or not word.isascii())]
        for side in (mine, theirs)
    )
    if "".join(mine) == "".join(theirs) and len(mine) != len(theirs):
        return False  # written as one word or as two
    for word in tuple(mine):
        same = next((other for other in theirs if is_same_word(word, other)), None)
        if same is not None:
            mine.remove(word)
            theirs.remove(same)
    return bool(mine and theirs)


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
