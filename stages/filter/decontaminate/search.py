"""Which rows hold test items: runs of words that they share, and parts that are like an item."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from datagen.stages.filter.decontaminate.compare import edited, likeness, reordered
from datagen.stages.filter.decontaminate.items import CLOSELY, LOOSELY, SENTENCE, WHOLE, Items, Runs
from datagen.stages.shared.language.columns import Words, words
from datagen.stages.shared.similarity.ngrams import Numbers, ngrams
from datagen.stages.shared.similarity.plain import plain

FIELDS = ("question", "context", "answer", "rejected", "text")
JOINED = "context and question"  # searched as one text, too: an item may be split between them
HALF = 0.5  # share of an item's runs in a row, from which what is common is no excuse


@dataclass(frozen=True)
class Hits:
    """Where a field's texts hold runs of one length: rows, first words, and the runs."""

    field: str
    texts: pa.StringArray
    cut: Words
    runs: Runs
    rows: Numbers
    starts: Numbers
    found: Numbers

    def take(self, which: npt.NDArray[np.bool_]) -> "Hits":
        """Keep some."""
        kept = self.rows[which], self.starts[which], self.found[which]
        return Hits(self.field, self.texts, self.cut, self.runs, *kept)

    def shares(self, items: Items) -> npt.NDArray[np.float64]:
        """Give for each hit how much of its item the row holds: of the item's runs, those that it shares."""
        if not len(self.rows):
            return np.empty(0)
        texts = self.runs.texts[self.found]
        pairs, which = np.unique(np.stack([self.rows, texts]), axis=1, return_inverse=True)
        which = which.reshape(-1)
        different = np.unique(np.stack([which, self.found]), axis=1)[0]
        held = np.bincount(different, minlength=pairs.shape[1])
        total = np.maximum(items.lengths[pairs[1]] - self.runs.length + 1, 1)
        result: npt.NDArray[np.float64] = (held / total)[which]
        return result


def _fields(table: pa.Table) -> Iterator[tuple[str, pa.StringArray]]:
    for name in FIELDS:
        if name in table.column_names:
            yield name, plain(table[name])
    if {"context", "question"} <= {*table.column_names}:
        both = pc.binary_join_element_wise(table["context"], table["question"], "\n")
        if both.null_count < len(both):
            yield JOINED, plain(both)


def _search(table: pa.Table, items: Items) -> Iterator[Hits]:
    for name, texts in _fields(table):
        cut = words(texts, symbols=False)
        owners = cut.owners()
        for runs in items.runs:
            if runs.how == WHOLE and name != "question":
                continue
            grams, starts = ngrams(cut.hashes, cut.lengths, runs.length)
            if runs.how == WHOLE:
                alone = cut.lengths[owners[starts]] == runs.length
                grams, starts = grams[alone], starts[alone]
            places, found = runs.find(grams)
            hits = Hits(name, texts, cut, runs, owners[starts[places]], starts[places], found)
            yield hits.take(_are_sentences(hits)) if runs.how == SENTENCE else hits


def _are_sentences(hits: Hits) -> npt.NDArray[np.bool_]:
    """Find the runs that stand as a sentence of their own: nothing but its marks before and after."""
    result = np.zeros(len(hits.rows), bool)
    for hit, (row, start) in enumerate(zip(hits.rows.tolist(), hits.starts.tolist(), strict=True)):
        run = r"\W+".join(map(re.escape, hits.cut.words.slice(start, hits.runs.length).to_pylist()))
        pattern = rf"(?:^|[\n.:!?\"'“”„«»(>\]-]\s*)\W*{run}\s*(?:$|[\n.!?\"'“”„«»)<])"
        result[hit] = re.search(pattern, hits.texts[row].as_py(), re.IGNORECASE) is not None
    return result


def find_runs(table: pa.Table, items: Items, documents: pa.ChunkedArray) -> np.ndarray:
    """List the runs that rows hold, and hashes of the documents that these rows are of."""
    ids = pc.fill_null(documents, "")
    ids = ids.combine_chunks() if isinstance(ids, pa.ChunkedArray) else ids
    hashed = Words(ids, np.ones(len(ids), np.int64)).hashes
    pairs = [
        np.stack([(hits.runs.first + hits.found).astype(np.uint64), hashed[hits.rows]], axis=1)
        for hits in _search(table, items)
    ]
    return np.concatenate([np.empty((0, 2), np.uint64), *pairs])


def find_leaks(table: pa.Table, items: Items, common: Numbers, similar: float) -> dict[int, str]:
    """
    Name for each row that leaks the item and what they share.

    Parameters
    ----------
    table
        The rows.
    items
        The test items.
    common
        Runs that stand in many documents. Such a run is an excuse where the row holds less than half of the
        item, and where several items share it.
    similar
        ROUGE-L from which a part of a row is an item.
    """
    leaks: dict[int, str] = {}
    for hits in _search(table, items):
        excused = np.isin(hits.runs.first + hits.found, common)
        shares = hits.shares(items)
        excused &= (shares < HALF) | hits.runs.phrases()[hits.found]
        if hits.runs.how in (LOOSELY, CLOSELY):
            _compare(hits.take(~excused), shares[~excused], items, similar, leaks)
            continue
        told = hits.take(~excused)
        texts = told.runs.texts[told.found]
        for row, start, text in zip(told.rows.tolist(), told.starts.tolist(), texts.tolist(), strict=True):
            if row not in leaks:
                shared = told.cut.words.slice(start, told.runs.length).to_pylist()
                leaks[row] = f"{told.field} shares with {items.names[text]}: {' '.join(shared)}"
    return leaks


def _compare(
    hits: Hits, shares: npt.NDArray[np.float64], items: Items, similar: float, leaks: dict[int, str]
) -> None:
    """Compare rows with the items that they share a short run with."""
    ends = np.cumsum(hits.cut.lengths)
    pairs = np.stack([hits.rows, hits.runs.texts[hits.found]])
    pairs, first = np.unique(pairs, axis=1, return_index=True)
    for (row, text), share in zip(pairs.T.tolist(), shares[first].tolist(), strict=True):
        if row in leaks:
            continue
        said = hits.cut.hashes[ends[row] - hits.cut.lengths[row] : ends[row]].tolist()
        item, name = items.words(text), items.names[text]
        if hits.runs.how == CLOSELY:
            part = edited(items.texts[text], item, hits.cut.of(row), said, hits.texts[row].as_py())
            if part:
                shared = " ".join(hits.cut.of(row)[part])
                leaks[row] = f"{hits.field} is {name} but for one word: {shared}"
            continue
        score, part = likeness(said, item)
        if score >= similar:
            shared = " ".join(hits.cut.of(row)[part])
            leaks[row] = f"{hits.field} is {score:.2f} alike to {name}: {shared}"
        elif share >= HALF and (held := reordered(said, item)) >= max(similar, 0.9):
            leaks[row] = f"{hits.field} holds {held:.0%} of the words of {name}, in another order"
