"""
Texts as words and as n-grams of words, a partition at a time: what dedup and decontaminate compare.

A word is a run of letters, marks and digits, folded (NFKC, case). Scripts that put no blanks between
words (Han, kana, Thai, Lao, Khmer, Burmese) give a word per sign, so that no text is wordless for its
language. Operators, brackets and other symbols count as words where asked for: `==` and `!=` are
different subjects. Sentence punctuation, quotes and invisible characters count for nothing.
"""

import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Hashes = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.int64]

INVISIBLE = (r"\p{Cf}+", "")  # joiners, soft hyphens, marks of direction
SIGN_BY_SIGN = (r"([\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}])", r" \1 ")
# Blanks are left to the splitting: to replace them too takes four times as long.
ONLY_WORDS = ((r"[^\pL\pM\pN_ ]+", " "),)
AND_SYMBOLS = (
    (r"!=", "≠"),  # the only operators that a mark of punctuation begins
    (r":=", "≔"),
    (r"(\pL)[-\x{2010}\x{2011}](\pL)", r"\1 \2"),  # a hyphen, no minus
    (r"([\p{Sm}\p{Sc}\p{So}#%&*/@\\^(){}\[\]-]+)", r" \1 "),
    (r"[^\pL\pM\pN_\p{Sm}\p{Sc}\p{So}#%&*/@\\^(){}\[\] -]+", " "),
)

FACTOR = np.uint64(0x9E3779B97F4A7C15)  # 2**64 divided by the golden ratio, odd: mixes all bits upwards


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
        return pc.binary_join(self._lists(), " ").to_pylist()

    def of(self, text: int) -> list[str]:
        """List the words of one text."""
        start = int(self.lengths[:text].sum())
        return self.words.slice(start, int(self.lengths[text])).to_pylist()

    def take(self, texts: Sequence[int]) -> "Words":
        """Keep some of the texts, in the order given."""
        lists = self._lists().take(pa.array(texts, pa.int64()))
        return Words(lists.flatten(), self.lengths[np.array(texts, np.int64)])

    def hashes(self) -> Hashes:
        """Hash every word to 64 bits, alike on every machine."""
        known = self.words.dictionary_encode()
        hashed = [_hash(word) for word in known.dictionary.to_pylist()]
        return np.array(hashed, np.uint64)[known.indices.to_numpy()]

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
    said = [unicodedata.normalize("NFKC", text or "").casefold() for text in texts.to_pylist()]
    folded = pa.array(said, pa.string())
    for pattern, by in (INVISIBLE, SIGN_BY_SIGN, *(AND_SYMBOLS if symbols else ONLY_WORDS)):
        folded = pc.replace_substring_regex(folded, pattern, by)
    folded = pc.utf8_trim_whitespace(folded)
    cut = pc.utf8_split_whitespace(pc.if_else(pc.equal(folded, ""), pa.scalar(None, pa.string()), folded))
    lengths = pc.fill_null(pc.list_value_length(cut), 0).to_numpy().astype(np.int64)
    return Words(cut.flatten(), lengths)


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
    owners = np.repeat(np.arange(len(lengths)), lengths)
    last = max(len(hashes) - n + 1, 0)
    starts = np.flatnonzero(owners[:last] == owners[n - 1 : n - 1 + last])
    folded = np.full(len(starts), (salt * int(FACTOR) + n) % 2**64, np.uint64)
    for step in range(n):
        folded = fold(folded, hashes[starts + step])
    return folded, starts


def fold(state: Hashes, value: Hashes) -> Hashes:
    """Take one more value into a running 64-bit hash (multiply, add, and mix the high bits down)."""
    state = (state ^ (state >> np.uint64(29))) * FACTOR + value
    return state ^ (state >> np.uint64(32))


def _hash(word: str) -> int:
    return int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "little")
