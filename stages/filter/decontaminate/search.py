"""Rows that contain test items: shared runs of words, and parts that are similar to an item."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from datagen.stages.filter.decontaminate.compare import edited, likeness, reordered
from datagen.stages.filter.decontaminate.items import CLOSELY, LOOSELY, SENTENCE, WHOLE, Items, Runs
from datagen.stages.shared.language.columns import Words, words
from datagen.stages.shared.similarity.ngrams import Numbers, ngrams
from datagen.stages.shared.similarity.plain import plain

FIELDS = ("question", "context", "answer", "rejected", "text", "reasoning")
PROMPT = "prompt"  # its turns before the last one, which is made of context and question
JOINED = "context and question"  # also searched as one text: an item may be split between them
HALF = 0.5  # share of an item's runs in a row from which common runs are not excused


@dataclass(frozen=True)
class Hits:
    """Occurrences of runs of one length in a field's texts: rows, first words, and the runs."""

    field: str
    texts: pa.StringArray
    cut: Words
    runs: Runs
    rows: Numbers
    starts: Numbers
    matched: Numbers

    def take(self, mask: npt.NDArray[np.bool_]) -> "Hits":
        """Select hits."""
        return replace(self, rows=self.rows[mask], starts=self.starts[mask], matched=self.matched[mask])

    def shares(self, items: Items) -> npt.NDArray[np.float64]:
        """Return for each hit the share of its item's runs that the row contains."""
        if not len(self.rows):
            return np.empty(0)
        texts = self.runs.texts[self.matched]
        pairs, which = np.unique(np.stack([self.rows, texts]), axis=1, return_inverse=True)
        which = which.reshape(-1)
        distinct = np.unique(np.stack([which, self.matched]), axis=1)[0]
        shared = np.bincount(distinct, minlength=pairs.shape[1])
        total = np.maximum(items.lengths[pairs[1]] - self.runs.length + 1, 1)
        return np.asarray((shared / total)[which])


def _fields(table: pa.Table) -> Iterator[tuple[str, pa.StringArray]]:
    for name in FIELDS:
        if name in table.column_names:
            yield name, plain(table[name])
    if PROMPT in table.column_names:
        earlier = _earlier_turns(table[PROMPT])
        if earlier.null_count < len(earlier):
            yield PROMPT, plain(earlier)
    if {"context", "question"} <= {*table.column_names}:
        both = pc.binary_join_element_wise(table["context"], table["question"], "\n")
        if both.null_count < len(both):
            yield JOINED, plain(both)


def _earlier_turns(prompts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Join the turns before the last one; null for prompts of one turn."""
    texts: list[str | None] = [None] * len(prompts)
    for row in pc.indices_nonzero(pc.greater(pc.fill_null(pc.list_value_length(prompts), 0), 1)).to_pylist():
        texts[row] = "\n\n".join(turn["content"] or "" for turn in prompts[row].as_py()[:-1])
    return pa.chunked_array([pa.array(texts, pa.string())])


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
            places, matched = runs.find(grams)
            hits = Hits(name, texts, cut, runs, owners[starts[places]], starts[places], matched)
            yield hits.take(_are_sentences(hits)) if runs.how == SENTENCE else hits


def _are_sentences(hits: Hits) -> npt.NDArray[np.bool_]:
    """Return which runs are complete sentences: with only punctuation before and after."""
    complete = np.zeros(len(hits.rows), bool)
    for hit, (row, start) in enumerate(zip(hits.rows.tolist(), hits.starts.tolist(), strict=True)):
        run = r"\W+".join(map(re.escape, hits.cut.words.slice(start, hits.runs.length).to_pylist()))
        pattern = rf"(?:^|[\n.:!?\"'“”„«»(>\]-]\s*)\W*{run}\s*(?:$|[\n.!?\"'“”„«»)<])"
        complete[hit] = re.search(pattern, hits.texts[row].as_py(), re.IGNORECASE) is not None
    return complete


def find_runs(table: pa.Table, items: Items, documents: pa.ChunkedArray) -> tuple[np.ndarray, Numbers]:
    """List the runs that rows contain with the hashes of the rows' documents, and the rows with any run."""
    ids = pc.fill_null(documents, "")
    ids = ids.combine_chunks() if isinstance(ids, pa.ChunkedArray) else ids
    hashed = Words(ids, np.ones(len(ids), np.int64)).hashes
    pairs, rows = [np.empty((0, 2), np.uint64)], [np.empty(0, np.int64)]
    for hits in _search(table, items):
        pairs.append(
            np.stack([(hits.runs.first + hits.matched).astype(np.uint64), hashed[hits.rows]], axis=1)
        )
        rows.append(hits.rows)
    return np.unique(np.concatenate(pairs), axis=0), np.unique(np.concatenate(rows))


def find_leaks(table: pa.Table, items: Items, common: Numbers, similar: float) -> dict[int, str]:
    """
    Find the rows that leak: row -> name of the item, and the shared words.

    Parameters
    ----------
    table
        The rows.
    items
        The test items.
    common
        Runs that occur in many documents. Such a run is excused if several items share it, or if the row
        contains less than half of the item and nothing similar to all of it.
    similar
        Minimum ROUGE-L between an item and a part of a row.
    """
    leaks: dict[int, str] = {}
    for hits in _search(table, items):
        is_common = np.isin(hits.runs.first + hits.matched, common)
        phrases, shares = is_common & hits.runs.phrases()[hits.matched], hits.shares(items)
        if hits.runs.how in (LOOSELY, CLOSELY):  # an edit breaks most runs, so a low share is no evidence
            _compare(hits.take(~phrases), shares[~phrases], items, similar, leaks)
            continue
        hits = hits.take(~(phrases | is_common & (shares < HALF)))
        texts = hits.runs.texts[hits.matched]
        for row, start, text in zip(hits.rows.tolist(), hits.starts.tolist(), texts.tolist(), strict=True):
            if row not in leaks:
                shared = hits.cut.words.slice(start, hits.runs.length).to_pylist()
                leaks[row] = f"{hits.field} shares with {items.names[text]}: {' '.join(shared)}"
    return leaks


def _compare(
    hits: Hits, shares: npt.NDArray[np.float64], items: Items, similar: float, leaks: dict[int, str]
) -> None:
    """Compare rows with the items with which they share a short run."""
    ends = np.cumsum(hits.cut.lengths)
    pairs = np.stack([hits.rows, hits.runs.texts[hits.matched]])
    pairs, first = np.unique(pairs, axis=1, return_index=True)
    for (row, text), share in zip(pairs.T.tolist(), shares[first].tolist(), strict=True):
        if row in leaks:
            continue
        text_hashes = hits.cut.hashes[ends[row] - hits.cut.lengths[row] : ends[row]].tolist()
        item, name = items.words(text), items.names[text]
        if hits.runs.how == CLOSELY:
            part = edited(items.texts[text], item, hits.texts[row].as_py(), text_hashes)
            if part:
                shared = " ".join(hits.cut.of(row)[part])
                leaks[row] = f"{hits.field} matches {name} except for one word: {shared}"
            continue
        score, part = likeness(text_hashes, item)
        if score >= similar:
            shared = " ".join(hits.cut.of(row)[part])
            leaks[row] = f"{hits.field} has a ROUGE-L of {score:.2f} with {name}: {shared}"
        elif share >= HALF and (contained := reordered(text_hashes, item)) >= max(similar, 0.9):
            leaks[row] = f"{hits.field} contains {contained:.0%} of the words of {name}, in another order"
