"""Greedy maximum entropy: rows that are spread evenly over several categories at once."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datagen.stages.select.greedy import Floats, Numbers


def spread(categories: Sequence[pa.Array | pa.ChunkedArray], most: int) -> tuple[Numbers, Floats, Floats]:
    """
    Choose rows one by one, each such that the entropies come nearest to their highest.

    Greedy maximum-entropy sampling (Delmas et al., arXiv 2311.06364): with H_v the Shannon entropy of the
    labels of category v among the chosen rows, the next row is the one that makes ``sqrt(sum over v of (ln
    K_v - H_v)^2)`` least, K_v being the number of labels that v has among all rows. Rows with the same
    labels are looked at as one and taken in their order, so the exact search costs the rows chosen times
    the different sets of labels.

    Parameters
    ----------
    categories
        A column of labels each, all of the same length; null is a label.
    most
        Rows to choose.

    Returns
    -------
    order, distances, entropies
        All rows, those not chosen at the end in their order; for each row chosen the distance with it and the
        entropies, a column a category; NaN for the others.
    """
    codes, labels = zip(*map(_encode, categories), strict=True)
    sets, first, member, size = np.unique(
        np.stack(codes, axis=1), axis=0, return_index=True, return_inverse=True, return_counts=True
    )
    by_first = np.argsort(first)  # of equal sets the one with the first row goes first
    sets, size = sets[by_first], size[by_first]
    rows = np.split(np.argsort(np.argsort(by_first)[member.ravel()], kind="stable"), np.cumsum(size)[:-1])
    taken = np.zeros(len(sets), np.int64)
    counts = [np.zeros(number, np.int64) for number in labels]
    sums = np.zeros(len(labels))  # of count * ln count, by category
    highest = np.log(np.maximum(labels, 1))
    order, distances, entropies = [], [], []
    for total in range(1, min(most, len(member)) + 1):
        would = [known[sets[:, v]] for v, known in enumerate(counts)]
        grown = np.stack([sums[v] + _grows(count) for v, count in enumerate(would)], axis=1)
        entropy = np.log(total) - grown / total
        distance = np.sqrt(np.square(highest - entropy).sum(axis=1))
        best = int(np.argmin(np.where(taken < size, np.round(distance, 9), np.inf)))
        order.append(rows[best][taken[best]])
        distances.append(distance[best])
        entropies.append(entropy[best])
        taken[best] += 1
        sums = grown[best]
        for known, label in zip(counts, sets[best], strict=True):
            known[label] += 1
    rest = np.setdiff1d(np.arange(len(member)), order)
    missing = np.full(len(rest), np.nan)
    told = np.array(entropies).reshape(-1, len(labels))
    return (
        np.concatenate([np.array(order, np.int64), rest]),
        np.concatenate([distances, missing]),
        np.concatenate([told, np.full((len(rest), len(labels)), np.nan)]),
    )


def _encode(column: pa.Array | pa.ChunkedArray) -> tuple[Numbers, int]:
    """Number the labels of a column; return how many there are, too."""
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    known = pc.dictionary_encode(whole, null_encoding="encode")
    return known.indices.to_numpy().astype(np.int64), len(known.dictionary)


def _grows(count: Numbers) -> Floats:
    """By how much count * ln count grows with one more."""
    result: Floats = (count + 1) * np.log(count + 1) - count * np.log(np.maximum(count, 1))
    return result
