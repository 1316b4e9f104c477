"""Histograms that are added up part by part."""

from collections.abc import Sequence
from math import floor, log2

import numpy as np
import numpy.typing as npt

BINS = 20
LONG = 20  # a largest value from which bins double in width

Floats = npt.NDArray[np.float64]


def edges(low: float, high: float) -> Floats:
    """
    Choose the edges of bins for values in [low, high].

    Values in [0, 1] get bins of a twentieth. Values from 0 to more than `LONG` are lengths or counts: each bin is
    twice as wide as the one before. All others get equal bins.
    """
    if low >= 0 and high <= 1:
        return np.linspace(0, 1, BINS + 1)
    if low >= 0 and high > LONG:
        first = max(0, floor(log2(low))) if low >= 1 else 0
        doubled = 2.0 ** np.arange(first, floor(log2(high)) + 2)
        return doubled if low >= 1 else np.concatenate([[0.0], doubled])
    return np.linspace(low, high if high > low else low + 1, BINS + 1)


def names(bins: Floats) -> list[str]:
    """Name bins by where they begin; no two have the same name."""
    whole = all(edge == floor(edge) for edge in bins[:-1].tolist())
    return [f"{int(edge):,}" if whole else f"{edge:.3g}" for edge in bins[:-1].tolist()]


def count(values: Floats, bins: Floats) -> npt.NDArray[np.int64]:
    """Count values by bin; the last bin includes its upper edge, and values that are not finite are left out."""
    result: npt.NDArray[np.int64] = np.histogram(values[np.isfinite(values)], bins)[0]
    return result


def span(values: Sequence[Floats]) -> tuple[float, float] | None:
    """Find the smallest and the largest finite value; None without any."""
    finite = [value[np.isfinite(value)] for value in values]
    present = [value for value in finite if len(value)]
    if not present:
        return None
    return min(float(value.min()) for value in present), max(float(value.max()) for value in present)
