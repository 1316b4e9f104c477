"""Histograms that are added up part by part."""

from math import floor, log2, log10

import numpy as np
import numpy.typing as npt

BINS = 20
LONG = 20  # a largest value from which bins double in width

Floats = npt.NDArray[np.float64]


def edges(low: float, high: float) -> Floats:
    """
    Choose the edges of bins for values in [low, high].

    Values in [0, 1] get bins of a twentieth. Values from 0 to more than `LONG` are lengths or counts: each
    bin is twice as wide as the one before. All others get equal bins with round edges.
    """
    if low >= 0 and high <= 1:
        return np.linspace(0, 1, BINS + 1)
    if low >= 0 and high > LONG:
        first = max(0, floor(log2(low))) if low >= 1 else 0
        doubled: Floats = np.exp2(np.arange(first, floor(log2(high)) + 2, dtype=np.float64))
        return doubled if low >= 1 else np.concatenate([[0.0], doubled])
    step = _round((high - low) / BINS or 1.0)
    equal: Floats = step * np.arange(floor(low / step), floor(high / step) + 2, dtype=np.float64)
    return equal


def _round(step: float) -> float:
    """Find the next step that reads well: 1, 2 or 5 times a power of ten."""
    power: float = 10.0 ** floor(log10(step))
    return next(power * digit for digit in (1, 2, 5, 10) if power * digit >= step * (1 - 1e-9))


def names(bins: Floats) -> list[str]:
    """Name bins by where they begin; no two have the same name."""
    starts = bins[:-1].tolist()
    if all(start == floor(start) for start in starts):
        return [f"{int(start):,}" for start in starts]
    short = [f"{start:.3g}" for start in starts]
    return short if len(set(short)) == len(short) else [repr(start) for start in starts]


def count(values: Floats, bins: Floats) -> npt.NDArray[np.int64]:
    """Count values by bin. The last bin includes its upper edge; values that are not finite are left out."""
    finite = np.clip(values[np.isfinite(values)], bins[0], bins[-1])  # edges are rounded
    result: npt.NDArray[np.int64] = np.histogram(finite, bins)[0]
    return result


def span(values: Floats) -> tuple[float, float] | None:
    """Find the smallest and the largest finite value; None without any."""
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if len(finite) else None
