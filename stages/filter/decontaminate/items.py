"""The texts of test items, and the runs of words by which they are found in rows."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datagen.errors import UserError
from datagen.stages.filter.decontaminate.options import Options
from datagen.stages.shared.eval_sets import read_texts
from datagen.stages.shared.language.columns import words
from datagen.stages.shared.similarity.ngrams import Hashes, Numbers, ngrams
from datagen.stages.shared.similarity.plain import plain

BATCH = 10_000  # texts of test items per batch
TINY = 5  # minimum words of an item that is searched for as a sentence
LOOSE, CLOSE = 5, 4  # words of a run that selects candidates for comparison: with long and with short items
TEMPLATE = 0.5  # a text that more than this share of a set's items have is an instruction, not an item
FIRST_BITS = np.uint64(44)  # shift that leaves the first 20 bits of a hash: a table of one megabyte
SEVERAL = 3  # minimum items that share a run for it to count as a phrase of the test set

# How a run is searched for: inside texts; as a sentence of a text; as a whole question; or only to select
# candidates for comparison with long items, and with items of `shortest` to `words` words.
INSIDE, SENTENCE, WHOLE, LOOSELY, CLOSELY = "inside", "sentence", "whole", "loosely", "closely"


@dataclass(frozen=True)
class Runs:
    """
    Runs of one length: sorted hashes, and the item text of each.

    Parameters
    ----------
    length
        Words in a run.
    how
        How it is searched for.
    first
        Number of the first of these runs among the runs of all lengths.
    """

    length: int
    how: str
    first: int
    hashes: Hashes
    texts: Numbers

    def find(self, grams: Hashes) -> tuple[Numbers, Numbers]:
        """Find the n-grams that are among these runs: their positions, and the runs."""
        possible = np.flatnonzero(
            self._first_bits[grams >> FIRST_BITS]
        )  # a search costs more than this lookup
        low, high = (np.searchsorted(self.hashes, grams[possible], side) for side in ("left", "right"))
        places = np.repeat(possible, high - low)
        within = np.arange(len(places)) - np.repeat(np.cumsum(high - low) - (high - low), high - low)
        return places, np.repeat(low, high - low) + within

    @cached_property
    def _first_bits(self) -> npt.NDArray[np.bool_]:
        """Whether a hash with these first bits is among the runs, for all combinations of first bits."""
        table = np.zeros(2 ** (64 - int(FIRST_BITS)), bool)
        table[self.hashes >> FIRST_BITS] = True
        return table

    def phrases(self) -> npt.NDArray[np.bool_]:
        """Return which runs several items share."""
        _, which, times = np.unique(self.hashes, return_inverse=True, return_counts=True)
        return np.asarray(times[which] >= SEVERAL)


@dataclass(frozen=True)
class Items:
    """The distinct texts of all test items: names of the items, texts, word hashes, and runs of words."""

    names: list[str]
    texts: list[str]
    hashes: Hashes
    lengths: Numbers
    runs: list[Runs]

    def words(self, number: int) -> list[int]:
        """Return the word hashes of a text."""
        end = int(self.lengths[: number + 1].sum())
        hashes: list[int] = self.hashes[end - int(self.lengths[number]) : end].tolist()
        return hashes


def index(options: Options, folder: Path) -> Items:
    """
    Hash the runs of all test items; a text that several items have counts once.

    Raises
    ------
    UserError
        When a test set does not exist, cannot be read or contains no text.
    """
    names = _names(options, folder)
    hashes, lengths = [np.empty(0, np.uint64)], [np.empty(0, np.int64)]
    texts = iter(names)
    while batch := list(islice(texts, BATCH)):
        cut = words(plain(pa.array(batch)), symbols=False)
        hashes.append(cut.hashes)
        lengths.append(cut.lengths)
    items = Items([*names.values()], [*names], np.concatenate(hashes), np.concatenate(lengths), [])
    for length, how, members in _kinds(items.lengths, options):
        grams, starts = ngrams(items.hashes, items.lengths, length)
        owners = np.repeat(np.arange(len(names)), items.lengths)[starts]
        grams, owners = grams[members[owners]], owners[members[owners]]
        order = np.argsort(grams, kind="stable")
        first = items.runs[-1].first + len(items.runs[-1].hashes) if items.runs else 0
        items.runs.append(Runs(length, how, first, grams[order], owners[order]))
    return items


def _names(options: Options, folder: Path) -> dict[str, str]:
    """Read the test sets: text -> name of its first item, without the instructions that items share."""
    names: dict[str, str] = {}
    for test_set in options.against:
        items = [(name, text) for name, text in read_texts(test_set, folder) if text.strip()]
        if not items:
            raise UserError(f"decontaminate.against: {test_set.path} contains no text")
        times = Counter(text for _, text in items)
        limit = max(len({name for name, _ in items}) * TEMPLATE, SEVERAL)
        for name, text in items:
            if times[text] <= limit:
                names.setdefault(text, name)
    return names


def _kinds(lengths: Numbers, options: Options) -> Iterator[tuple[int, str, npt.NDArray[np.bool_]]]:
    """List the runs by which texts of each length are searched for."""
    sizes = np.minimum(lengths, options.words)
    shortest = min(options.shortest, options.words)
    for length in np.unique(sizes[sizes > 0]).tolist():
        how = INSIDE if length >= shortest else SENTENCE if length >= TINY else WHOLE
        yield length, how, sizes == length
    if options.similar < 1:
        long = lengths >= options.words
        middle = (lengths >= max(shortest, 2 * CLOSE)) & ~long
        if long.any():
            yield min(LOOSE, options.words), LOOSELY, long
        if middle.any():
            yield CLOSE, CLOSELY, middle
