"""
Vectors without a model: TF-IDF of the words, pairs of words and letter n-grams of a text.

Words are folded; in scripts without blanks each cluster is a word, and pairs of them correspond to words.
Letter n-grams of four letters, including word boundaries, relate inflected forms.

Each n-gram is hashed, and its weight is added to four coordinates with signs given by its hash: a sparse
random projection as in Kane and Nelson (Sparser Johnson-Lindenstrauss Transforms, arXiv 1012.1577). The
product of two unit vectors differs from that of the full TF-IDF vectors by about 1 / sqrt(512) = 0.04, less
for similar ones.
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
PLACES = 4  # coordinates per n-gram
LETTERS = 4  # letters of a letter n-gram
BUCKETS = 2**18  # n-grams are counted by this part of their hash

BLOCK = 2**17  # words processed at once
HASH_BITS = 40  # bits kept of an n-gram's hash, below the index of its text

Counts = npt.NDArray[np.int64]


def count(texts: pa.Array | pa.ChunkedArray) -> Counts:
    """Count the texts with an n-gram of each bucket; the last entry, `BUCKETS`, is the number of texts."""
    counts = np.zeros(BUCKETS + 1, np.int64)
    for block in _blocks(texts):
        _, runs, _ = _runs(block)
        counts[:-1] += np.bincount(_buckets(runs), minlength=BUCKETS)
        counts[-1] += len(block.lengths)
    return counts


def weights(counts: Counts) -> npt.NDArray[np.float32]:
    """Return the smoothed IDF of each bucket: 1 + ln((1 + texts) / (1 + texts with it))."""
    idf = 1 + np.log((1 + counts[-1]) / (1.0 + counts[:-1]))
    result: npt.NDArray[np.float32] = idf.clip(min=0).astype(np.float32)
    return result


def embed(texts: pa.Array | pa.ChunkedArray, weight: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """
    Sum the projected n-grams of each text.

    Parameters
    ----------
    texts
        A column.
    weight
        Weight of each bucket (`weights`), multiplied by 1 + ln t for an n-gram that occurs t times in a text.

    Returns
    -------
    One row of `DIMENSIONS` per text, not normalised.
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
    """Split a column into words, and yield them in blocks of texts."""
    cut = words(texts)
    ends = np.cumsum(cut.lengths)
    marks = np.arange(BLOCK, (ends[-1] if len(ends) else 0) + BLOCK, BLOCK)
    bounds = np.unique([0, *np.searchsorted(ends, marks), len(ends)])
    for low, high in pairwise(bounds.tolist()):
        start = ends[low - 1] if low else 0
        yield Words(cut.words.slice(start, ends[high - 1] - start), cut.lengths[low:high])


def _runs(block: Words) -> tuple[Numbers, Hashes, Numbers]:
    """List the distinct n-grams of each text: index of the text, hash of `HASH_BITS`, count."""
    owner = block.owners()
    pairs, starts = ngrams(block.hashes, block.lengths, 2)
    letters, of_word = _letters(block.words)
    hashes = np.concatenate([block.hashes, pairs, letters])
    owners = np.concatenate([owner, owner[starts], owner[of_word]])
    shift = np.uint64(HASH_BITS)
    keys = np.sort((owners.astype(np.uint64) << shift) | (hashes >> np.uint64(64 - HASH_BITS)))
    first = np.flatnonzero(np.diff(keys, prepend=~keys[:1]))
    times = np.diff(first, append=len(keys))
    distinct = keys[first]
    return (distinct >> shift).astype(np.int64), distinct & np.uint64(2**HASH_BITS - 1), times


def _letters(of_words: pa.StringArray) -> tuple[Hashes, Numbers]:
    """Hash the letter n-grams of each word, with a blank at either end: hash, and index of the word."""
    if not len(of_words):
        return np.empty(0, np.uint64), np.empty(0, np.int64)
    padded = "".join(pc.binary_join_element_wise(" ", of_words, " ", "").to_pylist())
    points = np.frombuffer(padded.encode("utf-32-le"), np.uint32).astype(np.uint64)
    lengths = pc.utf8_length(of_words).to_numpy().astype(np.int64) + 2
    hashes, starts = ngrams(mix(points), lengths, LETTERS, salt=1)
    return hashes, np.repeat(np.arange(len(lengths)), lengths)[starts]


def _buckets(runs: Hashes) -> Numbers:
    return (runs >> np.uint64(HASH_BITS - 18)).astype(np.int64)
