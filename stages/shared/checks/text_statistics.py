"""
What can be measured on the surface of texts, a whole column at a time.

Each function takes an Arrow array of strings and returns a NumPy array with one entry a text; null counts
as empty. Nothing here decides anything.
"""

from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datagen.stages.shared.language import scripts
from datagen.stages.shared.language.columns import words
from datagen.stages.shared.language.words import count

SCRIPTS = tuple(script.name for script in scripts.SCRIPTS)  # what is none of these is not counted


def word_counts(texts: pa.Array) -> np.ndarray:
    """Count the words of each text."""
    return _numpy(count(_filled(texts)))


def longest_loop(texts: pa.Array, longest_period: int = 24) -> np.ndarray:
    """
    Measure the longest loop of each text: words that repeat those right before them, twice or more.

    "a b a b a b" is a loop of 6 words: a block of period 2 that comes three times in a row. Case does
    not matter, and signs alone make no loop. 0 where there is none.
    """
    codes, lengths = _words(texts)
    row = np.repeat(np.arange(len(texts), dtype=np.int32), lengths)
    found = np.zeros(len(texts), dtype=np.int64)
    for period in range(1, min(longest_period, int(lengths.max(initial=0)) // 3) + 1):
        same = (codes[period:] == codes[:-period]) & (row[period:] == row[:-period])
        edges = np.flatnonzero(np.diff(same.view(np.int8), prepend=0, append=0))
        starts, runs = edges[::2], edges[1::2] - edges[::2]
        looped = runs >= 2 * period
        np.maximum.at(found, row[starts[looped]], runs[looped] + period)
    return found


def lexical_diversity(texts: pa.Array, window: int = 50) -> np.ndarray:
    """
    Measure the share of different words in a window that moves along each text, averaged over its places.

    The moving-average type-token ratio of Covington and McFall (2010, Journal of Quantitative Linguistics
    17:94-100), which does not fall with a text's length as the plain ratio does. A text shorter than the
    window is one window; nan where there are no words.
    """
    codes, lengths = _words(texts)
    starts = np.cumsum(lengths) - lengths
    row = np.repeat(np.arange(len(texts)), lengths)
    numbers = codes - codes.min(initial=0)
    order = np.argsort(
        row * (numbers.max(initial=0) + 1) + numbers, kind="stable"
    )  # equal words side by side
    before = np.full(len(codes), -1)  # where in its text the word stood last
    again = (codes[order[1:]] == codes[order[:-1]]) & (row[order[1:]] == row[order[:-1]])
    place = np.arange(len(codes)) - starts[row]
    before[order[1:][again]] = place[order[:-1][again]]
    size = np.minimum(window, lengths)[row]
    # The windows in which this is the first of its words begin behind the last one, and hold it.
    first, last = np.maximum(before, place - size) + 1, np.minimum(place, lengths[row] - size)
    types = np.bincount(row, np.maximum(last - first + 1, 0), len(texts))
    width = np.minimum(window, lengths)
    with np.errstate(invalid="ignore"):
        result: np.ndarray = types / (width * (lengths - width + 1))
        return result


def script_counts(texts: pa.Array) -> np.ndarray:
    """Count the letters of each text by script: an array of texts by `SCRIPTS`. Equal texts cost one."""
    distinct = _filled(texts).dictionary_encode()
    found = np.zeros((len(distinct.dictionary), len(SCRIPTS)), np.int64)
    plain = _numpy(pc.string_is_ascii(distinct.dictionary))
    latin = pc.replace_substring_regex(distinct.dictionary.filter(pa.array(plain)), "[^A-Za-z]+", "")
    found[plain, SCRIPTS.index("LATIN")] = _numpy(pc.utf8_length(latin))
    found[~plain] = _counted(distinct.dictionary.filter(pa.array(~plain)))
    result: np.ndarray = found[_numpy(distinct.indices)]
    return result


def _counted(texts: pa.Array) -> np.ndarray:
    """Count the letters of texts of any script, code point by code point."""
    points = np.frombuffer("".join(texts.to_pylist()).encode("utf-32-le", "replace"), np.uint32)
    table = _script_table()
    script = table[np.minimum(points, len(table) - 1)]
    row = np.repeat(np.arange(len(texts)), _numpy(pc.utf8_length(texts)))
    letters = script < len(SCRIPTS)
    cells = row[letters] * len(SCRIPTS) + script[letters]
    counts = np.bincount(cells, minlength=len(texts) * len(SCRIPTS))
    return counts.reshape(len(texts), len(SCRIPTS))


def _words(texts: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Cut texts into words: their numbers, as `_word_codes` gives them, and how many each text has."""
    cut = words(texts)
    return _word_codes(cut.words), cut.lengths


def _word_codes(words: pa.Array) -> np.ndarray:
    """Number the words, equal ones alike whatever signs stand around them; signs alone equal nothing."""
    found = words.dictionary_encode()
    bare = pc.replace_substring_regex(found.dictionary, r"[^\p{L}\p{M}\p{N}]+", "").dictionary_encode()
    codes = _numpy(bare.indices)[_numpy(found.indices)]
    signs = codes == pc.index(bare.dictionary, "").as_py()
    codes[signs] = -1 - np.arange(np.count_nonzero(signs))
    result: np.ndarray = codes
    return result


@cache
def _script_table() -> np.ndarray:
    """Code point -> index into SCRIPTS; one past the end for all else. Beyond the table: CJK extensions."""
    table = np.full(0x20001, len(SCRIPTS), np.uint8)
    for number, script in enumerate(scripts.SCRIPTS):
        for first, last in script.letters:
            for point in range(first, min(last + 1, len(table))):
                if chr(point).isalpha() and chr(point) not in scripts.COMMON:
                    table[point] = number
    return table


def _filled(texts: pa.Array) -> pa.Array:
    whole = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    return pc.fill_null(whole, "")


def _numpy(values: pa.Array) -> np.ndarray:
    result: np.ndarray = values.to_numpy(zero_copy_only=False)
    return result
