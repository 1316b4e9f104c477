"""Columns of texts in one vocabulary, so that words of answers, questions and passages compare as numbers."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from datagen.stages.shared.language.columns import words as cut_into_words
from datagen.stages.shared.language.rules import Language
from datagen.stages.shared.similarity import ngrams

Numbers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

FIRST = 0xE000  # code point that stands for the first stem: behind those that are halves of others
LAST = 0x10FFFF  # stands for all stems beyond the first million


class Wordings:
    """
    Columns of texts, cut into words once.

    Parameters
    ----------
    language
        Its stop words and endings: forms of one word are one stem.
    columns
        Name -> texts, one a row; a null has no words. Equal texts of a column are cut once.
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
        self._texts: dict[str, Numbers] = {}  # column -> which of the texts each row holds
        start = 0
        for name, texts in columns.items():
            self._texts[name] = start + texts.indices.to_numpy(zero_copy_only=False).astype(np.int64)
            start += len(texts.dictionary)

    @cached_property
    def content(self) -> Flags:
        """Of every word, whether it carries content: it is no stop word and no sign."""
        return self._told([word not in self._stop and any(map(str.isalnum, word)) for word in self._words])

    @cached_property
    def numbers(self) -> Flags:
        """Of every word, whether it has a digit."""
        return self._told([any(map(str.isdigit, word)) for word in self._words])

    def _told(self, words: list[bool]) -> Flags:
        result: Flags = np.array(words, bool)[self._word]
        return result

    def lines(self, name: str, some: Flags | None = None) -> list[str]:
        """Write each text of a column, or `some` of its words, with one character a stem."""
        kept = np.ones(len(self._stem), bool) if some is None else some
        letters = np.minimum(self._stem[kept] + FIRST, LAST).astype("<u4").tobytes().decode("utf-32-le")
        counts = np.bincount(self._owners[kept], minlength=len(self._lengths))
        ends = np.cumsum(counts)
        distinct, rows = np.unique(self._texts[name], return_inverse=True)
        written = [letters[ends[text] - counts[text] : ends[text]] for text in distinct.tolist()]
        return [written[row] for row in rows.tolist()]

    def share(self, name: str, others: Sequence[str], some: Flags) -> npt.NDArray[np.float64]:
        """
        Measure which share of each text's different words stands in the other columns of its row, too.

        Only `some` words count; nan for a text without any.
        """
        rows, mine = self._members(name, some)
        known = np.zeros(len(mine), bool)
        for other in others:
            known |= np.isin(mine, self._members(other, some)[1], assume_unique=True)
        return self._mean(name, rows, known)

    def copied(self, name: str, source: str, but: str, run: int) -> npt.NDArray[np.float64]:
        """
        Measure which share of each text's runs of words stands in a column of its row, `but` not in another.

        nan for a text that is shorter than a run.
        """
        runs, starts = ngrams.ngrams(self._stem.astype(np.uint64), self._lengths, run)
        owners = self._owners[starts]
        mine, theirs, others = (self._keyed(column, owners, runs) for column in (name, source, but))
        rows, _ = self._spread(name, owners, runs)
        return self._mean(name, rows, np.isin(mine, theirs) & ~np.isin(mine, others))

    def _mean(self, name: str, rows: Numbers, flags: Flags) -> npt.NDArray[np.float64]:
        count = len(self._texts[name])
        with np.errstate(invalid="ignore"):
            return np.bincount(rows, flags, count) / np.bincount(rows, minlength=count)

    def _members(self, name: str, some: Flags) -> tuple[Numbers, Numbers]:
        """List the different words of each row: its number, and row and word in one."""
        rows, stems = self._spread(name, self._owners[some], self._stem[some])
        members = np.sort(rows * self._stems + stems)
        members = members[np.diff(members, prepend=-1) > 0]
        return members // self._stems, members

    def _keyed(self, name: str, owners: Numbers, runs: ngrams.Hashes) -> ngrams.Hashes:
        rows, hashes = self._spread(name, owners, runs)
        return ngrams.mix(hashes + rows.astype(np.uint64) * ngrams.OTHER)

    def _spread(
        self, name: str, owners: Numbers, values: npt.NDArray[Any]
    ) -> tuple[Numbers, npt.NDArray[Any]]:
        """Give every row the values of the text that it holds: row and value of each. `owners` is sorted."""
        texts = self._texts[name]
        starts, ends = (np.searchsorted(owners, texts, side) for side in ("left", "right"))
        sizes = ends - starts
        within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        return np.repeat(np.arange(len(texts)), sizes), values[np.repeat(starts, sizes) + within]
