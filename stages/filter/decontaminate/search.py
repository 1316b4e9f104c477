"""Runs of words that rows share with test items, and how like an item a part of a row is."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from rapidfuzz import fuzz

from datagen.errors import UserError
from datagen.stages.filter.decontaminate.options import Options
from datagen.stages.shared.eval_sets import read_texts
from datagen.stages.shared.language.columns import Words, words
from datagen.stages.shared.similarity.ngrams import Hashes, Numbers, ngrams

FIELDS = ("question", "context", "answer", "rejected", "text")
LOOSE = 5  # words of a run that tells what to compare
BATCH = 10_000  # texts of test items that are cut at once
INSIDE, WHOLE, LOOSELY = "inside", "whole", "loosely"  # how a run is looked for


@dataclass(frozen=True)
class Runs:
    """
    Runs of one length: sorted hashes, and the item's text of each.

    Parameters
    ----------
    length
        Words in a run.
    how
        `INSIDE` of texts; as the `WHOLE` of a question; or `LOOSELY`, to tell what to compare.
    first
        The number of the first of these runs among the runs of all lengths.
    """

    length: int
    how: str
    first: int
    hashes: Hashes
    texts: Numbers

    def find(self, grams: Hashes) -> tuple[Numbers, Numbers]:
        """Find which of some n-grams are among them: their positions, and the runs."""
        low, high = (np.searchsorted(self.hashes, grams, side) for side in ("left", "right"))
        places = np.repeat(np.arange(len(grams)), high - low)
        within = np.arange(len(places)) - np.repeat(np.cumsum(high - low) - (high - low), high - low)
        return places, np.repeat(low, high - low) + within


@dataclass(frozen=True)
class Items:
    """The texts of all test items: the item that each is of, its words as hashes, and their runs."""

    names: list[str]
    said: Hashes
    lengths: Numbers
    runs: list[Runs]

    def text(self, number: int) -> list[int]:
        """Give a text as hashes of its words."""
        end = int(self.lengths[: number + 1].sum())
        result: list[int] = self.said[end - int(self.lengths[number]) : end].tolist()
        return result


def index(options: Options, folder: Path) -> Items:
    """
    Hash the runs of all test items.

    Raises
    ------
    UserError
        When a test set is not there, cannot be read or holds no text.
    """
    names: list[str] = []
    said, lengths = [], []
    for given in options.against:
        before = len(names)
        texts = read_texts(given, folder)
        while batch := list(islice(texts, BATCH)):
            names += [name for name, _ in batch]
            cut = words(pa.array([text for _, text in batch]), symbols=False)
            said.append(cut.hashes)
            lengths.append(cut.lengths)
        if len(names) == before:
            raise UserError(f"decontaminate.against: {given.path} holds no text")
    items = Items(names, np.concatenate(said), np.concatenate(lengths), [])
    for length, how, mine in _kinds(items.lengths, options):
        hashes, starts = ngrams(items.said, items.lengths, length)
        texts_of = np.repeat(np.arange(len(names)), items.lengths)[starts]
        hashes, texts_of = hashes[mine[texts_of]], texts_of[mine[texts_of]]
        order = np.argsort(hashes, kind="stable")
        if how != LOOSELY:  # one item is enough to name
            order = order[np.unique(hashes[order], return_index=True)[1]]
        first = items.runs[-1].first + len(items.runs[-1].hashes) if items.runs else 0
        items.runs.append(Runs(length, how, first, hashes[order], texts_of[order]))
    return items


def _kinds(lengths: Numbers, options: Options) -> Iterator[tuple[int, str, np.ndarray]]:
    """Say by which runs the texts of each length are looked for."""
    sizes = np.minimum(lengths, options.words)
    for length in np.unique(sizes[sizes > 0]).tolist():
        inside = length >= min(options.shortest, options.words)
        yield length, INSIDE if inside else WHOLE, sizes == length
    if options.similar < 1 and (lengths >= options.words).any():
        yield min(LOOSE, options.words), LOOSELY, lengths >= options.words


@dataclass(frozen=True)
class Hits:
    """Where a field's texts hold runs of one length: rows, first words, and the runs."""

    field: str
    cut: Words
    runs: Runs
    rows: Numbers
    starts: Numbers
    found: Numbers


def _search(table: pa.Table, items: Items) -> Iterator[Hits]:
    for name in FIELDS:
        if name not in table.column_names:
            continue
        cut = words(table[name], symbols=False)
        owners = cut.owners()
        for runs in items.runs:
            if runs.how == WHOLE and name != "question":
                continue
            grams, starts = ngrams(cut.hashes, cut.lengths, runs.length)
            if runs.how == WHOLE:
                alone = cut.lengths[owners[starts]] == runs.length
                grams, starts = grams[alone], starts[alone]
            places, found = runs.find(grams)
            yield Hits(name, cut, runs, owners[starts[places]], starts[places], found)


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


def find_leaks(table: pa.Table, items: Items, boilerplate: Numbers, similar: float) -> dict[int, str]:
    """Name for each row that leaks the item and what they share."""
    leaks: dict[int, str] = {}
    for hits in _search(table, items):
        telling = ~np.isin(hits.runs.first + hits.found, boilerplate)
        rows, starts = hits.rows[telling], hits.starts[telling]
        texts = hits.runs.texts[hits.found[telling]]
        if hits.runs.how == LOOSELY:
            _compare(hits, rows, texts, items, similar, leaks)
            continue
        for row, start, text in zip(rows.tolist(), starts.tolist(), texts.tolist(), strict=True):
            if row not in leaks:
                shared = hits.cut.words.slice(start, hits.runs.length).to_pylist()
                leaks[row] = f"{hits.field} shares with {items.names[text]}: {' '.join(shared)}"
    return leaks


def _compare(
    hits: Hits, rows: Numbers, texts: Numbers, items: Items, similar: float, leaks: dict[int, str]
) -> None:
    """Compare rows with the items that they share a short run with."""
    ends = np.cumsum(hits.cut.lengths)
    for row, text in np.unique(np.stack([rows, texts]), axis=1).T.tolist():
        if row in leaks:
            continue
        said = hits.cut.hashes[ends[row] - hits.cut.lengths[row] : ends[row]].tolist()
        item = items.text(text)
        score, part = fuzz.ratio(said, item), slice(0, len(said))
        best = fuzz.partial_ratio_alignment(item, said) if len(said) > len(item) else None
        if best is not None:
            score, part = best.score, slice(best.dest_start, best.dest_end)
        if score >= 100 * similar:
            shared = " ".join(hits.cut.of(row)[part])
            leaks[row] = f"{hits.field} is {score / 100:.2f} alike to {items.names[text]}: {shared}"
