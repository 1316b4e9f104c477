"""
Texts as words and as n-grams of words, a partition at a time: what dedup and decontaminate compare.

A word is a run of letters, marks and digits, folded (NFKC, case). Scripts that put no blanks between
words (Han, kana, Thai, Lao, Khmer, Burmese) give a word per sign, so that no text is wordless for its
language. Operators, brackets and other symbols count as words where asked for: `==` and `!=` are
different subjects. Sentence punctuation, quotes and invisible characters count for nothing.

The cut is made in bytes, for all texts at once. A text that is not ASCII is first written such that this
cut finds its words: only it has to go through the tables of Unicode.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Hashes = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.int64]

# What a text that is not ASCII goes through, in this order.
INVISIBLE = (r"\p{Cf}+", "")  # joiners, soft hyphens, marks of direction
SIGN_BY_SIGN = (r"([\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}])", r" \1 ")
SYMBOLS = (r"((?:[!:]=|[\p{Sm}\p{Sc}\p{So}#%&*/@\\^(){}\[\]])+)", r" \1 ")
BUT_SYMBOLS = (r"[^\x00-\x7f\pL\pM\pN\p{Sm}\p{Sc}\p{So}]+", " ")
BUT_WORDS = (r"[^\x00-\x7f\pL\pM\pN]+", " ")

# What a byte is part of. A dash is a word by itself, but a blank between letters: a hyphen.
BLANK, WORD, SYMBOL, DASH = range(4)
LETTER = np.zeros(256, bool)
LETTER[[*b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", *range(128, 256)]] = True
PART = np.where(LETTER, WORD, BLANK).astype(np.uint8)
PART[[*b"0123456789_"]] = WORD
PART[[*rb"+<=>|~$#%&*/@\^(){}[]"]] = SYMBOL
PART[ord("-")] = DASH
LOWER = np.frombuffer(bytes(range(256)).lower(), np.uint8)

BLOCK = 2**17  # values hashed at once: what fits a processor's cache

FACTOR = np.uint64(0x9E3779B97F4A7C15)  # 2**64 divided by the golden ratio, odd: mixes all bits upwards
OTHER = np.uint64(0xD1B54A32D192ED03)  # another such, for a second hash that is independent of the first


@dataclass(frozen=True)
class Words:
    """
    The words of a column of texts, in one flat row.

    Parameters
    ----------
    words
        All words, text after text.
    lengths
        Words of each text; 0 for a null.
    """

    words: pa.StringArray
    lengths: Numbers

    def texts(self) -> list[str]:
        """Write each text in normal form: its words with one blank between them."""
        result: list[str] = pc.binary_join(self._lists(), " ").to_pylist()
        return result

    def of(self, text: int) -> list[str]:
        """List the words of one text."""
        start = int(self.lengths[:text].sum())
        result: list[str] = self.words.slice(start, int(self.lengths[text])).to_pylist()
        return result

    def take(self, texts: Sequence[int] | Numbers) -> "Words":
        """Keep some of the texts, in the order given."""
        lists = self._lists().take(pa.array(texts, pa.int64()))
        return Words(lists.flatten(), self.lengths[np.array(texts, np.int64)])

    @cached_property
    def hashes(self) -> Hashes:
        """Every word hashed to 64 bits, alike on every machine."""
        ends = np.frombuffer(self.words.buffers()[1], np.int32)[self.words.offset :][: len(self.words) + 1]
        letters = np.frombuffer(self.words.buffers()[2] or b"", np.uint8)
        return digest(letters[ends[0] : ends[-1]], np.diff(ends).astype(np.int64))

    def count(self, pattern: str) -> Numbers:
        """Count the words of each text that match a regular expression."""
        matching = pc.match_substring_regex(self.words, pattern).to_numpy(zero_copy_only=False)
        return np.bincount(self.owners()[matching], minlength=len(self.lengths))

    def owners(self) -> Numbers:
        """Tell for every word which text it is of."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)

    def _lists(self) -> pa.ListArray:
        ends = np.concatenate([[0], np.cumsum(self.lengths)]).astype(np.int32)
        return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), self.words)


def words(texts: pa.Array | pa.ChunkedArray, symbols: bool = True) -> Words:
    """Cut a column of texts into words, with or without the symbols among them."""
    column = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    plain = _in_plain(pc.fill_null(column.cast(pa.string()), ""), symbols)
    plain = pc.binary_join_element_wise(plain, "", " ")  # a blank after each
    ends = np.frombuffer(plain.buffers()[1], np.int32)[plain.offset :][: len(plain) + 1]
    letters = np.frombuffer(plain.buffers()[2] or b"", np.uint8)[: ends[-1]]
    part = _parts(letters, symbols)
    begins = np.ones(len(part), bool)
    begins[1:] = (part[1:] != part[:-1]) | (part[1:] == DASH)
    inside = part != BLANK
    starts = np.flatnonzero(begins & inside)
    kept = LOWER[letters[inside]]
    offsets = np.append(np.flatnonzero(begins[inside]), len(kept)).astype(np.int32)
    cut = pa.StringArray.from_buffers(len(starts), pa.py_buffer(offsets), pa.py_buffer(kept))
    return Words(cut, np.diff(np.searchsorted(starts, ends)))


def _in_plain(texts: pa.StringArray, symbols: bool) -> pa.StringArray:
    """Write the texts that are not ASCII such that all that parts their words is."""
    foreign = pc.invert(pc.string_is_ascii(texts))
    if not pc.any(foreign).as_py():
        return texts
    said = texts.filter(foreign).to_pylist()
    folded = pa.array([unicodedata.normalize("NFKC", text).casefold() for text in said], pa.string())
    for pattern, by in (INVISIBLE, SIGN_BY_SIGN, *((SYMBOLS, BUT_SYMBOLS) if symbols else (BUT_WORDS,))):
        folded = pc.replace_substring_regex(folded, pattern, by)
    return pc.replace_with_mask(texts, foreign, folded)


def _parts(letters: npt.NDArray[np.uint8], symbols: bool) -> npt.NDArray[np.uint8]:
    """Tell for each byte what it is part of."""
    part = PART[letters]
    if not symbols:
        return np.where(part == WORD, np.uint8(WORD), np.uint8(BLANK))
    equals = np.flatnonzero(letters[1:] == ord("="))  # the byte before each
    part[equals[np.isin(letters[equals], list(b"!:"))]] = SYMBOL
    dashes = np.flatnonzero(letters[1:-1] == ord("-")) + 1
    part[dashes[LETTER[letters[dashes - 1]] & LETTER[letters[dashes + 1]]]] = BLANK
    return part


def ngrams(hashes: Hashes, lengths: Numbers, n: int, salt: int = 0) -> tuple[Hashes, Numbers]:
    """
    Hash every run of n words that lies within one text.

    Parameters
    ----------
    hashes, lengths
        Hashes of the words of all texts, and how many each text has.
    n
        Words in a run.
    salt
        Another salt gives other hashes, so that n-grams of different fields can share a set.

    Returns
    -------
    hashes, starts
        Hash of each n-gram, and the position of its first word in `hashes`.
    """
    count = max(len(hashes) - n + 1, 0)
    runs = np.full(count, (salt * int(OTHER) + n) % 2**64, np.uint64)
    for step, power in enumerate(_powers(n)):
        runs += hashes[step : step + count] * power
    within = np.ones(count, bool)
    ends = np.cumsum(lengths)[:-1]
    for step in range(1, n):  # a run that begins so many words before the end of a text
        places = ends - step
        within[places[(places >= 0) & (places < count)]] = False
    starts = np.flatnonzero(within)
    return mix(runs[starts]), starts


def digest(values: npt.NDArray[np.unsignedinteger], lengths: Numbers, factor: np.uint64 = FACTOR) -> Hashes:
    """
    Hash each run of values, in their order, to 64 bits.

    A polynomial in `factor` modulo 2**64, its bits mixed. Runs that differ only in their zeros at the
    end are told apart by their lengths.
    """
    ends = np.cumsum(lengths)
    powers = _powers(int(lengths.max(initial=0)), factor)
    sums = lengths.astype(np.uint64) * OTHER
    cuts = np.unique(np.searchsorted(ends, np.arange(0, len(values) + BLOCK, BLOCK)))
    for low, high in zip([0, *cuts], [*cuts, len(lengths)], strict=True):
        filled = low + np.flatnonzero(lengths[low:high])
        if len(filled):
            some = lengths[filled]
            starts = np.cumsum(some) - some
            begin = ends[filled[0]] - some[0]
            place = np.arange(starts[-1] + some[-1]) - np.repeat(starts, some)
            terms = values[begin : begin + len(place)] * powers[place]
            sums[filled] += np.add.reduceat(terms, starts)
    return mix(sums)


def mix(values: Hashes) -> Hashes:
    """Spread every bit of each value over all bits (the finalizer of SplitMix64)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _powers(count: int, factor: np.uint64 = FACTOR) -> Hashes:
    return np.cumprod(np.full(count, factor, np.uint64), dtype=np.uint64)
