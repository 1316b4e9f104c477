"""
How well a score tells right rows from wrong ones: calibration, ranking, and risk by coverage.

All take one score a row, higher meaning surer, without nulls, and whether the row is right.
"""

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

BINS = 10  # of equal width


@dataclass(frozen=True)
class Reliability:
    """
    A reliability diagram: one entry for each bin of equal width that holds rows.

    Parameters
    ----------
    rows
        How many there are.
    confidence, right
        Their mean confidence, and the share of them that is right.
    """

    rows: npt.NDArray[np.int64]
    confidence: Floats
    right: Floats

    @property
    def error(self) -> float:
        """
        The expected calibration error (ECE).

        Mean distance of confidence and share right over the bins, weighted by their rows: Guo et al.
        (arXiv 1706.04599), equation 3.
        """
        return float(np.average(np.abs(self.confidence - self.right), weights=self.rows))

    def table(self) -> dict[str, list[float]]:
        """List the columns by name."""
        return {part.name: getattr(self, part.name).tolist() for part in fields(self)}


def reliability(confidence: Floats, right: Bools, bins: int = BINS) -> Reliability:
    """Bin confidences, which are in [0, 1]; 1 belongs to the last bin."""
    place = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    rows = np.bincount(place, minlength=bins)
    held = rows > 0
    means = [np.bincount(place, values, bins)[held] / rows[held] for values in (confidence, right)]
    return Reliability(rows[held], means[0], means[1])


def ranks(values: Floats) -> Floats:
    """Rank values from 1; equal ones have the mean of their ranks."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count - 1) / 2)[place]


def auroc(scores: Floats, right: Bools) -> float | None:
    """
    Give the probability that a right row has a higher score than a wrong one, a tie counting half.

    It is the area under the ROC curve (Mann and Whitney's U over the pairs). None unless there are rows of
    both sorts.
    """
    good = int(right.sum())
    bad = len(right) - good
    if not good or not bad:
        return None
    return float((ranks(scores)[right].sum() - good * (good + 1) / 2) / (good * bad))


def risks(scores: Floats, right: Bools) -> Floats:
    """
    Give the share of wrong rows among the 1, 2, ..., n surest ones: the risk-coverage curve.

    Where a tie is cut, it is the mean over all orders of the tied rows. Geifman and El-Yaniv
    (arXiv 1705.08500).
    """
    _, group, sizes = np.unique(-scores, return_inverse=True, return_counts=True)
    wrong = np.bincount(group, ~right, len(sizes))
    kept = np.arange(1, len(scores) + 1)
    ends, errors = (np.concatenate([[0.0], np.cumsum(each)]) for each in (sizes, wrong))
    result: Floats = np.interp(kept, ends, errors) / kept
    return result


def aurc(scores: Floats, right: Bools) -> float:
    """Give the area under the risk-coverage curve: the mean of the risks over all coverages."""
    return float(risks(scores, right).mean())
