"""Columns of texts in one vocabulary, so that words of answers, questions and passages compare as numbers."""

from collections.abc import Sequence
from functools import cached_property
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from datagen.stages.shared.language.columns import words as cut_into_words
from datagen.stages.shared.language.rules import Language
from datagen.stages.shared.similarity import ngrams

Numbers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
S = TypeVar("S", bound=np.generic)

FIRST = 0xE000  # code point of the first stem, after the surrogates
LAST = 0x10FFFF  # code point of all stems beyond the first million


class Wordings:
    """
    Columns of texts, tokenised once.

    Parameters
    ----------
    language
        Supplies stop words and stemming: forms of a word share a stem.
    columns
        Name -> texts, one per row; a null has no words. Equal texts of a column are tokenised once.
    """

    def __init__(self, language: Language, **columns: pa.Array) -> None:
        columns = {name: pc.fill_null(texts, "").dictionary_encode() for name, texts in columns.items()}
        cut = cut_into_words(pa.concat_arrays([texts.dictionary for texts in columns.values()]))
        words = cut.words.dictionary_encode()
        self._words = words.dictionary.to_pylist()
        self._word = words.indices.to_numpy(zero_copy_only=False)
        stems = [language.stem(word) for word in self._words]
        numbers = {stem: number for number, stem in enumerate(dict.fromkeys(stems))}
        self._stem = np.array([numbers[stem] for stem in stems], np.int64)[self._word]
        self._stop, self._stems = language.stop, max(len(numbers), 1)
        self._lengths, self._owners = cut.lengths, cut.owners()
        self._texts: dict[str, Numbers] = {}  # column -> index of each row's text
        start = 0
        for name, texts in columns.items():
            self._texts[name] = start + texts.indices.to_numpy(zero_copy_only=False).astype(np.int64)
            start += len(texts.dictionary)

    @cached_property
    def content(self) -> Flags:
        """Whether each word is a content word: neither a stop word nor punctuation."""
        return self._per_word(
            [word not in self._stop and any(map(str.isalnum, word)) for word in self._words]
        )

    @cached_property
    def numbers(self) -> Flags:
        """Whether each word has a digit."""
        return self._per_word([any(map(str.isdigit, word)) for word in self._words])

    def _per_word(self, flags: list[bool]) -> Flags:
        return np.asarray(np.array(flags, bool)[self._word])

    def lines(self, name: str, mask: Flags | None = None) -> list[str]:
        """Encode each text of a column, or its words in `mask`, with one character per stem."""
        kept = np.ones(len(self._stem), bool) if mask is None else mask
        letters = np.minimum(self._stem[kept] + FIRST, LAST).astype("<u4").tobytes().decode("utf-32-le")
        counts = np.bincount(self._owners[kept], minlength=len(self._lengths))
        ends = np.cumsum(counts)
        distinct, rows = np.unique(self._texts[name], return_inverse=True)
        encoded = [letters[ends[text] - counts[text] : ends[text]] for text in distinct.tolist()]
        return [encoded[row] for row in rows.tolist()]

    def share(self, name: str, others: Sequence[str], mask: Flags) -> npt.NDArray[np.float64]:
        """
        Compute the share of each text's distinct words that also occur in other columns of its row.

        Only words in `mask` count; nan for a text without any.
        """
        rows, words = self._members(name, mask)
        shared = np.zeros(len(words), bool)
        for other in others:
            shared |= np.isin(words, self._members(other, mask)[1], assume_unique=True)
        return self._mean(name, rows, shared)

    def copied(self, name: str, source: str, exclude: str, length: int) -> npt.NDArray[np.float64]:
        """
        Compute the share of each text's n-grams that are in column `source` of its row but not in `exclude`.

        nan for a text shorter than `length` words.
        """
        runs, starts = ngrams.ngrams(self._stem.astype(np.uint64), self._lengths, length)
        owners = self._owners[starts]
        keys, sources, excluded = (self._keyed(column, owners, runs) for column in (name, source, exclude))
        rows, _ = self._spread(name, owners, runs)
        return self._mean(name, rows, np.isin(keys, sources) & ~np.isin(keys, excluded))

    def _mean(self, name: str, rows: Numbers, flags: Flags) -> npt.NDArray[np.float64]:
        count = len(self._texts[name])
        with np.errstate(invalid="ignore"):
            return np.bincount(rows, flags, count) / np.bincount(rows, minlength=count)

    def _members(self, name: str, mask: Flags) -> tuple[Numbers, Numbers]:
        """Return the distinct words of each row: row numbers, and keys that combine row and word."""
        rows, stems = self._spread(name, self._owners[mask], self._stem[mask])
        members = np.sort(rows * self._stems + stems)
        members = members[np.diff(members, prepend=-1) > 0]
        return members // self._stems, members

    def _keyed(self, name: str, owners: Numbers, runs: ngrams.Hashes) -> ngrams.Hashes:
        rows, hashes = self._spread(name, owners, runs)
        return ngrams.mix(hashes + rows.astype(np.uint64) * ngrams.OTHER)

    def _spread(self, name: str, owners: Numbers, values: npt.NDArray[S]) -> tuple[Numbers, npt.NDArray[S]]:
        """Expand values per text to values per row: row and value of each. `owners` is sorted."""
        texts = self._texts[name]
        starts, ends = (np.searchsorted(owners, texts, side) for side in ("left", "right"))
        sizes = ends - starts
        within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        return np.repeat(np.arange(len(texts)), sizes), values[np.repeat(starts, sizes) + within]
