"""Greedy maximum entropy: rows distributed evenly over several categories at once."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datagen.stages.select.greedy import Floats, Numbers


def spread(categories: Sequence[pa.Array | pa.ChunkedArray], count: int) -> tuple[Numbers, Floats, Floats]:
    """
    Choose rows one by one so that the entropies get as close as possible to their maximums.

    Greedy maximum-entropy sampling (Delmas et al., arXiv 2311.06364): with H_v the Shannon entropy of the
    labels of category v among the chosen rows, the next row is the one that minimises ``sqrt(sum over v of
    (ln K_v - H_v)^2)``, where K_v is the number of labels of v among all rows. Rows with the same labels are
    evaluated once and taken in order, so the exact search costs the number of chosen rows times the number of
    distinct sets of labels.

    Parameters
    ----------
    categories
        Columns of labels, all of the same length; null is a label.
    count
        Rows to choose.

    Returns
    -------
    order, distances, entropies
        All rows, those not chosen last and in order; for each chosen row the distance and the entropies at
        that point, one column per category; NaN for the others.
    """
    codes, labels = zip(*map(_encode, categories), strict=True)
    sets, first, member, size = np.unique(
        np.stack(codes, axis=1), axis=0, return_index=True, return_inverse=True, return_counts=True
    )
    by_first = np.argsort(first)  # sets in the order of their first rows
    sets, size = sets[by_first], size[by_first]
    rows = np.split(np.argsort(np.argsort(by_first)[member.ravel()], kind="stable"), np.cumsum(size)[:-1])
    taken = np.zeros(len(sets), np.int64)
    counts = [np.zeros(number, np.int64) for number in labels]
    sums = np.zeros(len(labels))  # of count * ln count, by category
    highest = np.log(np.maximum(labels, 1))
    order, distances, entropies = [], [], []
    for total in range(1, min(count, len(member)) + 1):
        increments = [_increment(label_counts[sets[:, v]]) for v, label_counts in enumerate(counts)]
        new_sums = sums + np.stack(increments, axis=1)
        entropy = np.log(total) - new_sums / total
        distance = np.sqrt(np.square(highest - entropy).sum(axis=1))
        best = int(np.argmin(np.where(taken < size, np.round(distance, 9), np.inf)))
        order.append(rows[best][taken[best]])
        distances.append(distance[best])
        entropies.append(entropy[best])
        taken[best] += 1
        sums = new_sums[best]
        for label_counts, label in zip(counts, sets[best], strict=True):
            label_counts[label] += 1
    rest = np.setdiff1d(np.arange(len(member)), order)
    missing = np.full(len(rest), np.nan)
    by_category = np.array(entropies).reshape(-1, len(labels))
    return (
        np.concatenate([np.array(order, np.int64), rest]),
        np.concatenate([distances, missing]),
        np.concatenate([by_category, np.full((len(rest), len(labels)), np.nan)]),
    )


def _encode(column: pa.Array | pa.ChunkedArray) -> tuple[Numbers, int]:
    """Return the labels of a column as codes, and the number of labels."""
    labels = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    encoded = pc.dictionary_encode(labels, null_encoding="encode")
    return encoded.indices.to_numpy().astype(np.int64), len(encoded.dictionary)


def _increment(count: Numbers) -> Floats:
    """Return the increase of count * ln count when count grows by one."""
    return np.asarray((count + 1) * np.log(count + 1) - count * np.log(np.maximum(count, 1)))
