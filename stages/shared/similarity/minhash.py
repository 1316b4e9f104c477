"""
Candidate pairs of similar sets, without comparing all pairs: MinHash signatures in LSH bands.

Broder, "On the resemblance and containment of documents" (1997); banding as in Leskovec, Rajaraman and
Ullman, *Mining of Massive Datasets*, section 3.4. The signatures are those of `rensa` (Fast Similarity
Sketching, arXiv 1704.04370). Callers verify each candidate.
"""

from functools import cache

import numpy as np
import numpy.typing as npt
from rensa import RMinHash

from datagen.stages.shared.similarity.ngrams import FACTOR, Hashes, Numbers, mix

Signatures = npt.NDArray[np.uint32]

# Weight of a missed pair relative to a false candidate, from 0 to 1. Candidates are verified, so a false one
# only costs a comparison, but a missed one stays in the data. Public tools, which mostly do not verify, use
# 0.5.
MISSED = 0.9


def found(similarity: float, bands: int, rows: int) -> float:
    """Return the probability that sets with a Jaccard similarity share a band: 1 - (1 - s**rows)**bands."""
    return float(1 - (1 - similarity**rows) ** bands)


@cache
def bands_and_rows(threshold: float, permutations: int, missed: float = MISSED) -> tuple[int, int]:
    """
    Choose the bands and rows with the least error for a threshold.

    The error is the area under the curve of `found` below the threshold (false candidates) plus the area
    above the curve beyond the threshold (missed pairs), weighted by 1 - `missed` and `missed`.
    """
    grid = (np.arange(1000) + 0.5) / 1000
    above = grid >= threshold

    def error(shape: tuple[int, int]) -> float:
        bands, rows = shape
        share = 1 - (1 - grid**rows) ** bands
        return float((1 - missed) * share[~above].sum() + missed * (1 - share[above]).sum())

    shapes = [(b, r) for b in range(1, permutations + 1) for r in range(1, permutations // b + 1)]
    return min(shapes, key=error)


def signatures(hashes: Hashes, lengths: Numbers, permutations: int) -> Signatures:
    """
    Compute the signatures of sets of hashes.

    Parameters
    ----------
    hashes
        The members of all sets, set after set.
    lengths
        Number of members of each set, with repetitions.
    permutations
        Size of a signature.

    Returns
    -------
    (sets, permutations) array
    """
    ends = np.concatenate([[0], np.cumsum(lengths)]).astype(np.uint64)
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(hashes, ends, permutations, 1)
    return np.array(matrix.to_rows(), np.uint32).reshape(len(lengths), permutations)


def band_keys(sketches: Signatures, scopes: Hashes, bands: int, rows: int) -> list[Hashes]:
    """Hash each band of each signature; sets of different scopes share no key."""
    keys = []
    for band in range(bands):
        key = scopes + np.uint64(band)
        for column in sketches[:, band * rows : (band + 1) * rows].T:
            key = mix(key * FACTOR + column)
        keys.append(key)
    return keys


def repeated(key: Hashes) -> Numbers:
    """Return the positions whose key occurs more than once."""
    order = np.argsort(key)
    same = key[order][1:] == key[order][:-1]
    shared = np.zeros(len(key), bool)
    shared[:-1] |= same
    shared[1:] |= same
    result: Numbers = order[shared]
    return result


def in_buckets(key: Hashes, next_key: Hashes, rank: Numbers, neighbours: int) -> tuple[Numbers, Numbers]:
    """
    Pair the sets in the buckets of a band.

    The sets of a bucket are ordered by their key in the next band, as in an LSH forest, and each is paired
    with `neighbours` following sets and with the best set of the bucket. So the number of pairs is linear in
    the size of a bucket, and includes the most similar ones.

    Parameters
    ----------
    key, next_key
        Key of each set in this band and in the next.
    rank
        0 for the best set; of sets with equal keys, the better comes first.
    neighbours
        Number of following sets that each set is paired with.

    Returns
    -------
    left, right
        Positions; pairs can be repeated.
    """
    if not len(key):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    order = np.lexsort((rank, next_key, key))
    key, rank = key[order], rank[order]
    starts = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]]))
    of_rank = np.empty(len(rank), np.int64)
    of_rank[rank] = order
    best = np.repeat(of_rank[np.minimum.reduceat(rank, starts)], np.diff([*starts, len(order)]))
    pairs = [(best, order)]
    for step in range(1, neighbours + 1):
        same = key[step:] == key[:-step]
        if not same.any():
            break
        pairs.append((order[:-step][same], order[step:][same]))
    left, right = (np.concatenate(side) for side in zip(*pairs, strict=True))
    return left[left != right], right[left != right]
