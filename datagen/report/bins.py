"""Histograms computed partition by partition."""

from math import floor, log2, log10

import numpy as np
import numpy.typing as npt

BINS = 20
LONG = 20  # maximum value above which bins double in width

Floats = npt.NDArray[np.float64]


def edges(low: float, high: float) -> Floats:
    """
    Choose the edges of bins for values in [low, high].

    Values in [0, 1] get bins of width 0.05. Non-negative values above `LONG` are lengths or counts, for which
    each bin is twice as wide as the previous one. All others get bins of equal width with round edges.
    """
    if low >= 0 and high <= 1:
        return np.linspace(0, 1, BINS + 1)
    if low >= 0 and high > LONG:
        first = max(0, floor(log2(low))) if low >= 1 else 0
        doubled = np.exp2(np.arange(first, floor(log2(high)) + 2, dtype=np.float64))
        return doubled if low >= 1 else np.concatenate([[0.0], doubled])
    step = _round((high - low) / BINS or 1.0)
    return np.asarray(step * np.arange(floor(low / step), floor(high / step) + 2, dtype=np.float64))


def _round(step: float) -> float:
    """Round up to 1, 2 or 5 times a power of ten."""
    power: float = 10.0 ** floor(log10(step))
    return next(power * digit for digit in (1, 2, 5, 10) if power * digit >= step * (1 - 1e-9))


def names(bins: Floats) -> list[str]:
    """Name bins by their lower edges; names are unique."""
    starts = bins[:-1].tolist()
    if all(start == floor(start) for start in starts):
        return [f"{int(start):,}" for start in starts]
    short = [f"{start:.3g}" for start in starts]
    return short if len(set(short)) == len(short) else [repr(start) for start in starts]


def count(values: Floats, bins: Floats) -> npt.NDArray[np.int64]:
    """Count finite values per bin. The last bin includes its upper edge."""
    finite = np.clip(values[np.isfinite(values)], bins[0], bins[-1])  # edges are rounded
    return np.asarray(np.histogram(finite, bins)[0], np.int64)


def span(values: Floats) -> tuple[float, float] | None:
    """Return the minimum and maximum finite value; None without any."""
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if len(finite) else None
