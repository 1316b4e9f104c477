"""
Vectors without a model: the words, pairs of words and runs of letters of a text, weighed by TF-IDF.

Words are those of `datagen.stages.shared.similarity.ngrams`: folded, and sign by sign in scripts without
blanks, where pairs of them take the part of words. Runs of four letters, the ends of a word among them, bring
inflected forms together.

Each run is hashed, and its weight is added to four coordinates with signs that its hash says: a sparse random
projection as in Kane and Nelson (Sparser Johnson-Lindenstrauss Transforms, arXiv 1012.1577). The product of
two unit vectors differs from that of the whole TF-IDF vectors by about 1 / sqrt(512) = 0.04, and less for
near ones.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from datagen.stages.shared.language.columns import Words, words
from datagen.stages.shared.similarity.ngrams import FACTOR, Hashes, Numbers, mix, ngrams

DIMENSIONS = 512
PLACES = 4  # coordinates that a run adds to
LETTERS = 4  # in a run of letters
BUCKETS = 2**18  # runs are counted by this part of their hash

BLOCK = 2**17  # words worked on at once
HASH_BITS = 40  # of a run, beside the number of its text

Counts = npt.NDArray[np.int64]


def count(texts: pa.Array | pa.ChunkedArray) -> Counts:
    """Count in how many texts the runs of each bucket stand; at the end, `BUCKETS` + 1, the texts."""
    counts = np.zeros(BUCKETS + 1, np.int64)
    for block in _blocks(texts):
        _, runs, _ = _runs(block)
        counts[:-1] += np.bincount(_buckets(runs), minlength=BUCKETS)
        counts[-1] += len(block.lengths)
    return counts


def weights(counts: Counts) -> npt.NDArray[np.float32]:
    """Weigh each bucket by 1 + ln((1 + texts) / (1 + texts with it)), the smoothed IDF; added-up counts."""
    result: npt.NDArray[np.float32] = (
        (1 + np.log((1 + counts[-1]) / (1.0 + counts[:-1]))).clip(min=0).astype(np.float32)
    )
    return result


def embed(texts: pa.Array | pa.ChunkedArray, weight: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """
    Add up the runs of each text.

    Parameters
    ----------
    texts
        A column.
    weight
        Of each bucket (`weights`). A run that a text holds t times weighs 1 + ln t times as much.

    Returns
    -------
    One row of `DIMENSIONS` a text, of any length.
    """
    vectors = [np.zeros((0, DIMENSIONS))]
    for block in _blocks(texts):
        owners, runs, times = _runs(block)
        value = weight[_buckets(runs)] * (1 + np.log(times))
        size = len(block.lengths) * DIMENSIONS
        drawn = mix(runs * FACTOR)
        total = np.zeros(size)
        for _ in range(PLACES):  # ten bits each of the drawn 64: nine for the coordinate, one for the sign
            place = owners * DIMENSIONS + (drawn & np.uint64(DIMENSIONS - 1)).astype(np.int64)
            sign = np.where(drawn & np.uint64(DIMENSIONS), value, -value)
            total += np.bincount(place, sign, minlength=size)
            drawn = drawn >> np.uint64(10)
        vectors.append(total.reshape(-1, DIMENSIONS))
    return np.concatenate(vectors)


def _blocks(texts: pa.Array | pa.ChunkedArray) -> Iterator[Words]:
    """Cut a column into words, some texts at a time."""
    cut = words(texts)
    ends = np.cumsum(cut.lengths)
    marks = np.arange(BLOCK, (ends[-1] if len(ends) else 0) + BLOCK, BLOCK)
    bounds = np.unique([0, *np.searchsorted(ends, marks), len(ends)])
    for low, high in pairwise(bounds.tolist()):
        start = ends[low - 1] if low else 0
        yield Words(cut.words.slice(start, ends[high - 1] - start), cut.lengths[low:high])


def _runs(block: Words) -> tuple[Numbers, Hashes, Numbers]:
    """List the different runs of each text: number of the text, hash of `HASH_BITS`, how often it stands."""
    owner = block.owners()
    pairs, starts = ngrams(block.hashes, block.lengths, 2)
    letters, of_word = _letters(block.words)
    hashes = np.concatenate([block.hashes, pairs, letters])
    owners = np.concatenate([owner, owner[starts], owner[of_word]])
    shift = np.uint64(HASH_BITS)
    keys = np.sort((owners.astype(np.uint64) << shift) | (hashes >> np.uint64(64 - HASH_BITS)))
    first = np.flatnonzero(np.diff(keys, prepend=~keys[:1]))
    times = np.diff(first, append=len(keys))
    found = keys[first]
    return (found >> shift).astype(np.int64), found & np.uint64(2**HASH_BITS - 1), times


def _letters(of_words: pa.StringArray) -> tuple[Hashes, Numbers]:
    """Hash the runs of letters within each word, a blank at either end: hash, and number of its word."""
    if not len(of_words):
        return np.empty(0, np.uint64), np.empty(0, np.int64)
    padded = "".join(pc.binary_join_element_wise(" ", of_words, " ", "").to_pylist())
    points = np.frombuffer(padded.encode("utf-32-le"), np.uint32).astype(np.uint64)
    lengths = pc.utf8_length(of_words).to_numpy().astype(np.int64) + 2
    hashes, starts = ngrams(mix(points), lengths, LETTERS, salt=1)
    return hashes, np.repeat(np.arange(len(lengths)), lengths)[starts]


def _buckets(runs: Hashes) -> Numbers:
    return (runs >> np.uint64(HASH_BITS - 18)).astype(np.int64)
