"""
Tokenize a column of texts into words at once, for dedup, decontaminate and search.

The columnar variant of `datagen.stages.shared.language.words`: words are folded (NFKC, case), numbers are
split at the decimal point and contractions at the apostrophe. Operators, brackets and other symbols are
optionally words, because `==` and `!=` are different subjects. Sentence punctuation, quotes and invisible
characters are ignored.

All texts are split at once, at byte level. Non-ASCII texts are first rewritten so that this split finds their
words; only these need Unicode tables.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from datagen.stages.shared.language.words import columnar_cluster, compatible
from datagen.stages.shared.similarity.ngrams import BLOCK, Hashes, Numbers, digest

# Replacements for non-ASCII texts, in this order.
INVISIBLE = (r"\p{Cf}+", "")  # joiners, soft hyphens, marks of direction
SYMBOLS = (r"((?:[!:]=|[\p{Sm}\p{Sc}\p{So}#%&*/@\\^(){}\[\]])+)", r" \1 ")
BUT_SYMBOLS = (r"[^\x00-\x7f\pL\pM\pN\p{Sm}\p{Sc}\p{So}]+", " ")
BUT_WORDS = (r"[^\x00-\x7f\pL\pM\pN]+", " ")

# Separators that stand between words without changing them: in NFKC, neither letters nor symbols.
SEPARATORS = "“”‘’„‚«»‹›–—‒―§¶•·†‡′¡¿"
FOREIGN = rf"[^\x00\x03-\x7f{SEPARATORS}]"  # the two control characters are `MARKED`

Bytes = npt.NDArray[np.uint8]

# Classes of bytes. A dash is a word, but between letters it is a hyphen and counts as a blank.
BLANK, WORD, SYMBOL, DASH = range(4)
LETTER = np.zeros(256, bool)
LETTER[[*b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", *range(128, 256)]] = True
PART = np.where(LETTER, WORD, BLANK).astype(np.uint8)
PART[[*b"0123456789_"]] = WORD
PART[[*rb"+<=>|~$#%&*/@\^(){}[]"]] = SYMBOL
PART[ord("-")] = DASH
ONLY_WORDS = np.where(PART == WORD, WORD, BLANK).astype(np.uint8)
LOWER = np.frombuffer(bytes(range(256)).lower(), np.uint8)
UPPER = np.zeros(256, bool)
UPPER[[*b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"]] = True

# The first letter of a word: lower case, a capital that may start a sentence, or a capital within a sentence.
SMALL, OPENING, NAME = range(3)
INSIDE = (*b",;)",)  # a capital after one of these and a blank is inside a sentence
LAST_LETTER = 0x3FFFF  # above all letters and digits
CAPITAL, LETTER_OR_DIGIT, SPACE, CLAUSE, APOSTROPHE, JOINT = (1 << bit for bit in range(6))
GAP = "\0\0\0"  # between texts that are processed together, so that neither affects the other
MARKED = {OPENING: "\x01", NAME: "\x02"}  # put before capitals of texts whose case is folded before splitting


@dataclass(frozen=True)
class Words:
    """
    The words of a column of texts, in one flat array.

    Parameters
    ----------
    words
        All words, text after text.
    lengths
        Number of words of each text; 0 for null.
    capitals
        `SMALL`, `OPENING` or `NAME` for each word, if requested.
    """

    words: pa.StringArray
    lengths: Numbers
    capitals: Bytes | None = None

    def texts(self) -> list[str]:
        """Return each text in normal form: its words joined by blanks."""
        result: list[str] = pc.binary_join(self._lists(), " ").to_pylist()
        return result

    def of(self, text: int) -> list[str]:
        """List the words of one text."""
        start = int(self.lengths[:text].sum())
        result: list[str] = self.words.slice(start, int(self.lengths[text])).to_pylist()
        return result

    @cached_property
    def coded(self) -> tuple["Words", Numbers]:
        """The distinct words, as texts of one word, and the place of every word among them."""
        encoded = self.words.dictionary_encode()
        distinct = Words(encoded.dictionary, np.ones(len(encoded.dictionary), np.int64))
        return distinct, encoded.indices.to_numpy()

    @cached_property
    def hashes(self) -> Hashes:
        """64-bit hash of every word, the same on every machine."""
        distinct, codes = self.coded
        ends = np.frombuffer(distinct.words.buffers()[1], np.int32)[: len(distinct.words) + 1]
        letters = np.frombuffer(distinct.words.buffers()[2] or b"", np.uint8)
        return digest(letters[: ends[-1]], np.diff(ends).astype(np.int64)).take(codes)

    def count(self, pattern: str) -> Numbers:
        """Count the words of each text that match a regular expression."""
        matching = pc.match_substring_regex(self.words, pattern).to_numpy(zero_copy_only=False)
        return np.bincount(self.owners()[matching], minlength=len(self.lengths))

    def owners(self) -> Numbers:
        """Return for every word the index of its text."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)

    def _lists(self) -> pa.ListArray:
        ends = np.concatenate([[0], np.cumsum(self.lengths)]).astype(np.int32)
        return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), self.words)


def words(texts: pa.Array | pa.ChunkedArray, symbols: bool = True, cased: bool = False) -> Words:
    """Split a column of texts into words, with or without symbols; `cased` adds `capitals`."""
    column = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    plain = _in_plain(pc.fill_null(column.cast(pa.string()), ""), symbols, cased)
    plain = pc.binary_join_element_wise(plain, "", " ")  # a blank after each text
    ends = np.frombuffer(plain.buffers()[1], np.int32)[plain.offset :][: len(plain) + 1]
    letters = np.frombuffer(plain.buffers()[2] or b"", np.uint8)[: ends[-1]]
    bounds = np.unique([*ends[np.searchsorted(ends, np.arange(0, len(letters), BLOCK))], len(letters)])
    blocks = [_cut(letters[start:end], symbols) for start, end in pairwise(bounds.tolist())]
    starts = np.concatenate(
        [np.empty(0, np.int64), *(block + at for at, (block, *_) in zip(bounds, blocks, strict=False))]
    )
    kept = np.concatenate([np.empty(0, np.uint8), *(kept for _, kept, _ in blocks)])
    sizes = np.concatenate([[0], *(sizes for *_, sizes in blocks)])
    offsets = np.cumsum(sizes, dtype=np.int32)
    cut = pa.StringArray.from_buffers(len(starts), pa.py_buffer(offsets), pa.py_buffer(kept))
    firsts = np.searchsorted(starts, ends)
    return Words(cut, np.diff(firsts), _capitals(letters, starts, firsts[:-1]) if cased else None)


def _cut(letters: Bytes, symbols: bool) -> tuple[Numbers, Bytes, Numbers]:
    """
    Cut whole texts, each with a blank after it, into words.

    Few texts at once stay in the processor's cache, and only their words are kept.

    Returns
    -------
    starts, kept, sizes
        Where each word starts, the bytes of all words in lower case, and the bytes of each word.
    """
    part = _parts(letters, symbols)
    begins = np.ones(len(part), bool)
    begins[1:] = (part[1:] != part[:-1]) | (part[1:] == DASH)
    inside = part != BLANK
    kept = LOWER.take(letters.compress(inside))  # twice as fast as in brackets
    sizes = np.diff(np.flatnonzero(begins.compress(inside)), append=len(kept))
    return np.flatnonzero(begins & inside), kept, sizes


def _capitals(letters: Bytes, starts: Numbers, firsts: Numbers) -> Bytes:
    """
    Classify the first letter of each word.

    Parameters
    ----------
    letters
        The bytes of all texts.
    starts
        Positions of the words in them.
    firsts
        Indices of the first word of each text.
    """
    upper = UPPER[letters[starts]]
    before, second_before = (letters[np.maximum(starts - back, 0)] for back in (1, 2))
    inside = (before == ord(" ")) & (
        LETTER[second_before] | np.isin(second_before, [*b"0123456789", *INSIDE])
    )
    inside[firsts[firsts < len(starts)]] = False
    result = np.where(upper & inside, NAME, np.where(upper, OPENING, SMALL)).astype(np.uint8)
    for level, mark in MARKED.items():
        result[before == ord(mark)] = level
    return result


def _in_plain(texts: pa.StringArray, symbols: bool, cased: bool) -> pa.StringArray:
    """Rewrite non-ASCII texts so that ASCII characters separate their words."""
    separated = pc.invert(pc.string_is_ascii(texts))
    if not pc.any(separated).as_py():
        return texts
    foreign = pc.and_(separated, pc.match_substring_regex(texts, FOREIGN))
    separated = pc.and_not(separated, foreign)
    texts = pc.replace_with_mask(texts, separated, _without_separators(texts.filter(separated), cased))
    if not pc.any(foreign).as_py():
        return texts
    plain = [compatible(text) for text in texts.filter(foreign).to_pylist()]
    folded = pa.array([text.casefold() for text in (_marked(plain) if cased else plain)], pa.string())
    apart = (f"({columnar_cluster()})", r" \1 ")
    for pattern, by in (INVISIBLE, apart, *((SYMBOLS, BUT_SYMBOLS) if symbols else (BUT_WORDS,))):
        folded = pc.replace_substring_regex(folded, pattern, by)
    return pc.replace_with_mask(texts, foreign, folded)


def _without_separators(texts: pa.StringArray, cased: bool) -> pa.StringArray:
    """Replace `SEPARATORS` in texts that are ASCII otherwise: most English texts, which need no folding."""
    if cased:
        texts = pc.ascii_lower(pa.array(_marked(texts.to_pylist()), pa.string()))
    return pc.replace_substring_regex(texts, f"[{SEPARATORS}]+", " ")


def _marked(texts: Sequence[str]) -> Iterator[str]:
    """Put `MARKED` before the capitals at the start of words."""
    block, size = [], 0
    for text in texts:
        block.append(text)
        size += len(text)
        if size > BLOCK:
            yield from _marked_together(block)
            block, size = [], 0
    yield from _marked_together(block)


def _marked_together(texts: Sequence[str]) -> Iterator[str]:
    """Do so for several texts at once, which is faster."""
    joined = GAP.join(texts)
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), np.uint32)
    traits = _traits().take(codes, mode="clip")
    at = np.flatnonzero(traits & CAPITAL)
    padded = np.concatenate([np.zeros(len(GAP), np.uint8), traits])
    before, second, third = (padded[at + back] for back in (2, 1, 0))  # the characters before, backwards
    letters = second & LETTER_OR_DIGIT
    after_clause = ((second & CLAUSE) != 0) & ((third & LETTER_OR_DIGIT) != 0)
    inside = ((before & SPACE) != 0) & ((letters != 0) | after_clause)
    inside |= ((before & APOSTROPHE) != 0) & (letters != 0)
    starts_word = inside | ((before & (LETTER_OR_DIGIT | APOSTROPHE | JOINT)) == 0)
    marks = np.where(inside, ord(MARKED[NAME]), ord(MARKED[OPENING]))[starts_word]
    at = at[starts_word]
    marked = np.insert(codes, at, marks).tobytes().decode("utf-32-le", "surrogatepass")
    lengths = np.array([len(text) for text in texts], np.int64)
    starts = np.cumsum(lengths + len(GAP)) - lengths - len(GAP)
    ends = starts + lengths
    starts, ends = starts + np.searchsorted(at, starts), ends + np.searchsorted(at, ends)
    return (marked[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True))


@cache
def _traits() -> Bytes:
    """Return the flags of each code point up to `LAST_LETTER`."""
    traits = np.zeros(LAST_LETTER + 1, np.uint8)
    characters = [chr(code) for code in range(LAST_LETTER)]
    traits[[ord(c) for c in characters if c.isalnum()]] |= LETTER_OR_DIGIT
    traits[[ord(c) for c in characters if c.isupper() and c.isalpha()]] |= CAPITAL
    for flag, members in ((SPACE, " "), (CLAUSE, ",;)"), (APOSTROPHE, "'’"), (JOINT, f"_-{MARKED[NAME]}")):
        traits[[*map(ord, members)]] |= flag
    return traits


def _parts(letters: Bytes, symbols: bool) -> Bytes:
    """Return the class of each byte."""
    if not symbols:
        return ONLY_WORDS.take(letters)
    part = PART.take(letters)
    equals = np.flatnonzero(letters[1:] == ord("="))  # the byte before each
    part[equals[np.isin(letters[equals], list(b"!:"))]] = SYMBOL
    dashes = np.flatnonzero(letters[1:-1] == ord("-")) + 1
    part[dashes[LETTER[letters[dashes - 1]] & LETTER[letters[dashes + 1]]]] = BLANK
    return part
