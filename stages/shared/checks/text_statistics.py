"""
Surface statistics of texts, computed for a whole column.

Each function takes an Arrow array of strings, or their words as `CodedWords`, and returns a NumPy array with
one entry per text; null counts as empty.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datagen import scripts
from datagen.stages.shared.language.columns import words
from datagen.stages.shared.language.pieces import sum_over_pieces
from datagen.stages.shared.language.words import count

SCRIPTS = tuple(script.name for script in scripts.SCRIPTS)  # other letters are not counted


def word_counts(texts: pa.Array) -> np.ndarray:
    """Count the words of each text."""
    return sum_over_pieces(_filled(texts), lambda pieces: _numpy(count(pieces)))


@dataclass(frozen=True)
class CodedWords:
    """
    The words of a column of texts as integers.

    Parameters
    ----------
    codes
        Equal words have equal codes; each word of symbols alone has a code of its own.
    lengths
        Number of words of each text.
    """

    codes: np.ndarray
    lengths: np.ndarray

    @classmethod
    def of(cls, texts: pa.Array) -> "CodedWords":
        """Split texts into words; case and symbols around a word do not count."""
        cut = words(texts)
        return cls(_word_codes(cut.words), cut.lengths)


def longest_loop(coded: CodedWords, longest_period: int = 24) -> np.ndarray:
    """
    Return the length in words of the longest loop of each text; 0 if there is none.

    A loop is a block of words that occurs three or more times in a row: "a b a b a b" is a loop of 6 words
    with period 2. Case is ignored, and symbols alone do not form a loop.
    """
    codes, lengths = coded.codes, coded.lengths
    row = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    longest = np.zeros(len(lengths), dtype=np.int64)
    for period in range(1, min(longest_period, int(lengths.max(initial=0)) // 3) + 1):
        same = (codes[period:] == codes[:-period]) & (row[period:] == row[:-period])
        at = np.flatnonzero(same)
        first = np.flatnonzero(np.diff(at, prepend=-2) != 1)  # of each run of equal words
        runs = np.diff(first, append=len(at))
        looped = runs >= 2 * period
        np.maximum.at(longest, row[at[first[looped]]], runs[looped] + period)
    return longest


def lexical_diversity(coded: CodedWords, window: int = 50) -> np.ndarray:
    """
    Return the share of distinct words in a sliding window, averaged over all positions in each text.

    The moving-average type-token ratio of Covington and McFall (2010, Journal of Quantitative Linguistics
    17:94-100), which unlike the plain ratio does not depend on length. A text shorter than the window is one
    window; nan if there are no words.
    """
    codes, lengths = coded.codes, coded.lengths
    starts = np.cumsum(lengths) - lengths
    row = np.repeat(np.arange(len(lengths)), lengths)
    numbers = codes - codes.min(initial=0)
    # Equal words of a text are adjacent. Numbers of 16 bits are sorted ten times as fast.
    order = np.argsort(numbers.astype(np.min_scalar_type(numbers.max(initial=0))), kind="stable")
    before = np.full(len(codes), -1)  # position of the word's previous occurrence in its text
    again = (codes[order[1:]] == codes[order[:-1]]) & (row[order[1:]] == row[order[:-1]])
    place = np.arange(len(codes)) - starts[row]
    before[order[1:][again]] = place[order[:-1][again]]
    size = np.minimum(window, lengths)[row]
    # A word is its first occurrence in the windows that start after the previous occurrence and contain it.
    first, last = np.maximum(before, place - size) + 1, np.minimum(place, lengths[row] - size)
    types = np.bincount(row, np.maximum(last - first + 1, 0), len(lengths))
    width = np.minimum(window, lengths)
    with np.errstate(invalid="ignore"):
        result: np.ndarray = types / (width * (lengths - width + 1))
        return result


def script_counts(texts: pa.Array) -> np.ndarray:
    """Count the letters of each text by script, (texts, `SCRIPTS`); equal texts are counted once."""
    distinct = _filled(texts).dictionary_encode()
    counts = np.zeros((len(distinct.dictionary), len(SCRIPTS)), np.int64)
    plain = _numpy(pc.string_is_ascii(distinct.dictionary))
    latin = pc.replace_substring_regex(distinct.dictionary.filter(pa.array(plain)), "[^A-Za-z]+", "")
    counts[plain, SCRIPTS.index("LATIN")] = _numpy(pc.utf8_length(latin))
    counts[~plain] = _counted(distinct.dictionary.filter(pa.array(~plain)))
    result: np.ndarray = counts[_numpy(distinct.indices)]
    return result


def _counted(texts: pa.Array) -> np.ndarray:
    """Count the letters of texts in any script, by code point."""
    points = np.frombuffer("".join(texts.to_pylist()).encode("utf-32-le", "replace"), np.uint32)
    table = _script_table()
    script = table[np.minimum(points, len(table) - 1)]
    row = np.repeat(np.arange(len(texts)), _numpy(pc.utf8_length(texts)))
    letters = script < len(SCRIPTS)
    cells = row[letters] * len(SCRIPTS) + script[letters]
    counts = np.bincount(cells, minlength=len(texts) * len(SCRIPTS))
    return counts.reshape(len(texts), len(SCRIPTS))


def _word_codes(words: pa.Array) -> np.ndarray:
    """Encode words as integers, ignoring symbols around them; words of symbols get unique codes."""
    encoded = words.dictionary_encode()
    bare = pc.replace_substring_regex(encoded.dictionary, r"[^\p{L}\p{M}\p{N}]+", "").dictionary_encode()
    codes = _numpy(bare.indices)[_numpy(encoded.indices)]
    signs = codes == pc.index(bare.dictionary, "").as_py()
    codes[signs] = -1 - np.arange(np.count_nonzero(signs))
    result: np.ndarray = codes
    return result


@cache
def _script_table() -> np.ndarray:
    """Code point -> index into SCRIPTS; len(SCRIPTS) for others. The last entry covers the CJK extensions."""
    table = np.full(0x20001, len(SCRIPTS), np.uint8)
    for number, script in enumerate(scripts.SCRIPTS):
        for first, last in script.letters:
            for point in range(first, min(last + 1, len(table))):
                if chr(point).isalpha() and chr(point) not in scripts.COMMON:
                    table[point] = number
    return table


def _filled(texts: pa.Array) -> pa.Array:
    array = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    return pc.fill_null(array, "")


def _numpy(values: pa.Array) -> np.ndarray:
    result: np.ndarray = values.to_numpy(zero_copy_only=False)
    return result
