"""
Pairs of sets that are likely alike, found without comparing all: MinHash signatures in LSH bands.

Broder, "On the resemblance and containment of documents" (1997); banding as in Leskovec, Rajaraman and
Ullman, *Mining of Massive Datasets*, section 3.4. The signatures are `rensa`'s (Fast Similarity Sketching,
arXiv 1704.04370). What comes out are candidates: whoever uses them verifies each.
"""

from functools import cache

import numpy as np
import numpy.typing as npt
from rensa import RMinHash

from datagen.stages.text.ngrams import Hashes, Numbers, fold

Signatures = npt.NDArray[np.uint32]

# What a missed pair weighs against a false one (0 to 1). Candidates are verified, so that a false one costs
# a comparison and a missed one stays in the data. Public tools, which mostly do not verify, use 0.5.
MISSED = 0.9


def found(similarity: float, bands: int, rows: int) -> float:
    """Probability that two sets of this Jaccard similarity share a band: 1 - (1 - s**rows)**bands."""
    return float(1 - (1 - similarity**rows) ** bands)


@cache
def bands_and_rows(threshold: float, permutations: int, missed: float = MISSED) -> tuple[int, int]:
    """
    Choose the bands and rows that err least about a threshold.

    The error is the area under the curve of `found` below the threshold (false candidates) and over it
    above (missed pairs), weighted with 1 - `missed` and `missed`.
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
    Sketch sets of hashes.

    Parameters
    ----------
    hashes
        The members of all sets, set after set.
    lengths
        Members of each set, counted with repetitions.
    permutations
        Numbers in a signature.

    Returns
    -------
    (sets, permutations) array
    """
    ends = np.concatenate([[0], np.cumsum(lengths)]).astype(np.uint64)
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(hashes, ends, permutations, 1)
    return np.array(matrix.to_rows(), np.uint32).reshape(len(lengths), permutations)


def candidates(
    sketches: Signatures, scopes: Hashes, bands: int, rows: int, neighbours: int
) -> tuple[Numbers, Numbers]:
    """
    List the pairs that agree in a band.

    The sets of a band's bucket are ordered by how they agree in the next band too, as in an LSH forest,
    and each is paired with so many that follow it, and with the first set of the bucket. So a bucket of
    a million is a million pairs and not 10**12, and those most alike are among them.

    Parameters
    ----------
    sketches
        Signatures, the set first that would be kept first.
    scopes
        Only sets of the same scope are paired.
    bands, rows
        Shape of the index; bands * rows numbers of a signature are used.
    neighbours
        How many following sets of a bucket each is paired with.

    Returns
    -------
    first, second
        Positions in `sketches`; first < second, every pair once.
    """
    count = len(sketches)
    keys = [_fold(scopes, sketches[:, band * rows : (band + 1) * rows]) for band in range(bands)]
    pairs = [np.empty(0, np.int64)]
    for band, key in enumerate(keys):
        order = _shared(key)
        order = order[np.lexsort((order, keys[(band + 1) % bands][order], key[order]))]
        pairs.append(np.unique(_in_buckets(order, key[order], neighbours, count)))
    together = np.unique(np.concatenate(pairs))
    return together // max(count, 1), together % max(count, 1)


def _shared(key: Hashes) -> Numbers:
    """Positions whose key another one has too."""
    order = np.argsort(key, kind="stable")
    same = key[order][1:] == key[order][:-1]
    shared = np.zeros(len(key), bool)
    shared[:-1] |= same
    shared[1:] |= same
    return order[shared]


def _in_buckets(order: Numbers, key: Hashes, neighbours: int, count: int) -> Numbers:
    """Pair sets that stand near each other in a bucket, and each with the bucket's best; as numbers."""
    if not len(order):
        return np.empty(0, np.int64)
    starts = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]]))
    best = np.repeat(np.minimum.reduceat(order, starts), np.diff([*starts, len(order)]))
    pairs = [(best, order)]
    for step in range(1, neighbours + 1):
        same = key[step:] == key[:-step]
        if not same.any():
            break
        pairs.append((order[:-step][same], order[step:][same]))
    left, right = (np.concatenate(side) for side in zip(*pairs, strict=True))
    numbers = np.minimum(left, right) * count + np.maximum(left, right)
    return numbers[left != right]


def _fold(state: Hashes, columns: Signatures) -> Hashes:
    for column in columns.T:
        state = fold(state, column.astype(np.uint64))
    return state
