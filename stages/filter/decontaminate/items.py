"""The texts of test items, and the runs of words by which rows are searched for them."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
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

BATCH = 10_000  # texts of test items that are cut at once
TINY = 5  # words from which a short item is searched for as a sentence
LOOSE, CLOSE = 5, 4  # words of a run that tells what to compare: with long items, and with short ones
TEMPLATE = 0.5  # share of a set's items from which a text that they all have is an instruction and no item
SEVERAL = 3  # items that share a run, from which it is a phrase of the test set and no item

# How a run is looked for: inside of texts; as a sentence of a text; as a whole question; or only to find what
# to compare with a long item, and with one of `shortest` to `words` words.
INSIDE, SENTENCE, WHOLE, LOOSELY, CLOSELY = "inside", "sentence", "whole", "loosely", "closely"


@dataclass(frozen=True)
class Runs:
    """
    Runs of one length: sorted hashes, and the item's text of each.

    Parameters
    ----------
    length
        Words in a run.
    how
        How it is looked for.
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

    def phrases(self) -> npt.NDArray[np.bool_]:
        """Find the runs that several items share."""
        _, which, times = np.unique(self.hashes, return_inverse=True, return_counts=True)
        result: npt.NDArray[np.bool_] = times[which] >= SEVERAL
        return result


@dataclass(frozen=True)
class Items:
    """The different texts of all test items: name of the item, text, words, and runs of these."""

    names: list[str]
    texts: list[str]
    said: Hashes
    lengths: Numbers
    runs: list[Runs]

    def words(self, number: int) -> list[int]:
        """Give a text as hashes of its words."""
        end = int(self.lengths[: number + 1].sum())
        result: list[int] = self.said[end - int(self.lengths[number]) : end].tolist()
        return result


def index(options: Options, folder: Path) -> Items:
    """
    Hash the runs of all test items; a text that several items have counts once.

    Raises
    ------
    UserError
        When a test set is not there, cannot be read or holds no text.
    """
    found: dict[str, str] = {}
    for given in options.against:
        given_texts = [(name, text) for name, text in read_texts(given, folder) if text.strip()]
        if not given_texts:
            raise UserError(f"decontaminate.against: {given.path} holds no text")
        times = Counter(text for _, text in given_texts)
        most = max(len({name for name, _ in given_texts}) * TEMPLATE, SEVERAL)
        for name, text in given_texts:
            if times[text] <= most:
                found.setdefault(text, name)
    said, lengths = [np.empty(0, np.uint64)], [np.empty(0, np.int64)]
    texts = iter(found)
    while batch := list(islice(texts, BATCH)):
        cut = words(plain(pa.array(batch)), symbols=False)
        said.append(cut.hashes)
        lengths.append(cut.lengths)
    items = Items([*found.values()], [*found], np.concatenate(said), np.concatenate(lengths), [])
    for length, how, mine in _kinds(items.lengths, options):
        hashes, starts = ngrams(items.said, items.lengths, length)
        texts_of = np.repeat(np.arange(len(found)), items.lengths)[starts]
        hashes, texts_of = hashes[mine[texts_of]], texts_of[mine[texts_of]]
        order = np.argsort(hashes, kind="stable")
        first = items.runs[-1].first + len(items.runs[-1].hashes) if items.runs else 0
        items.runs.append(Runs(length, how, first, hashes[order], texts_of[order]))
    return items


def _kinds(lengths: Numbers, options: Options) -> Iterator[tuple[int, str, npt.NDArray[np.bool_]]]:
    """Say by which runs the texts of each length are looked for."""
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
