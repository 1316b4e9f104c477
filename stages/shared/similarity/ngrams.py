"""64-bit hashes of word n-grams for a column of texts, for dedup and decontaminate."""

from itertools import pairwise

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
Numbers = npt.NDArray[np.int64]

BLOCK = 2**17  # values hashed at once, which fit a processor's cache

FACTOR = np.uint64(0x9E3779B97F4A7C15)  # 2**64 divided by the golden ratio, odd: mixes all bits upwards
OTHER = np.uint64(0xD1B54A32D192ED03)  # a second factor, for an independent hash


def ngrams(hashes: Hashes, lengths: Numbers, n: int, salt: int = 0) -> tuple[Hashes, Numbers]:
    """
    Hash all n-grams of words within texts.

    Parameters
    ----------
    hashes, lengths
        Hashes of the words of all texts, and the number of words of each text.
    n
        Words per n-gram.
    salt
        Different salts give different hashes, so that n-grams of several fields can share a set.

    Returns
    -------
    hashes, starts
        Hash of each n-gram, and the position of its first word in `hashes`.
    """
    ends = np.append(0, np.cumsum(lengths))
    cuts = np.unique(np.append(np.searchsorted(ends, np.arange(0, len(hashes), BLOCK)), len(lengths)))
    blocks = [
        (ends[low], *_ngrams(hashes[ends[low] : ends[high]], ends[low + 1 : high] - ends[low], n, salt))
        for low, high in pairwise(cuts.tolist())
    ]
    return (
        np.concatenate([np.empty(0, np.uint64), *(grams for _, grams, _ in blocks)]),
        np.concatenate([np.empty(0, np.int64), *(begin + starts for begin, _, starts in blocks)]),
    )


def _ngrams(hashes: Hashes, ends: Numbers, n: int, salt: int) -> tuple[Hashes, Numbers]:
    """Hash the n-grams of a few texts, all but the last of which have these `ends`."""
    count = max(len(hashes) - n + 1, 0)
    runs = np.full(count, (salt * int(OTHER) + n) % 2**64, np.uint64)
    for step, power in enumerate(_powers(n)):
        runs += hashes[step : step + count] * power
    within = np.ones(count, bool)
    for step in range(1, n):  # n-grams that start `step` words before the end of a text
        places = ends - step
        within[places[(places >= 0) & (places < count)]] = False
    starts = np.flatnonzero(within)
    return mix(runs[starts]), starts


def digest(values: npt.NDArray[np.unsignedinteger], lengths: Numbers, factor: np.uint64 = FACTOR) -> Hashes:
    """
    Hash each run of values, in order, to 64 bits.

    A polynomial in `factor` modulo 2**64, with its bits mixed. The length of the run is included, so runs
    that differ only in trailing zeros have different hashes.
    """
    ends = np.cumsum(lengths)
    powers = _powers(int(lengths.max(initial=0)), factor)
    sums = lengths.astype(np.uint64) * OTHER
    cuts = np.unique(np.searchsorted(ends, np.arange(0, len(values) + BLOCK, BLOCK)))
    for low, high in zip([0, *cuts], [*cuts, len(lengths)], strict=True):
        filled = low + np.flatnonzero(lengths[low:high])
        if len(filled):
            sizes = lengths[filled]
            starts = np.cumsum(sizes) - sizes
            begin = ends[filled[0]] - sizes[0]
            place = np.arange(starts[-1] + sizes[-1]) - np.repeat(starts, sizes)
            terms = values[begin : begin + len(place)] * powers[place]
            sums[filled] += np.add.reduceat(terms, starts)
    return mix(sums)


def mix(values: Hashes) -> Hashes:
    """Spread every bit of each value over all bits (the finalizer of SplitMix64)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _powers(count: int, factor: np.uint64 = FACTOR) -> Hashes:
    return np.cumprod(np.full(count, factor, np.uint64), dtype=np.uint64)
