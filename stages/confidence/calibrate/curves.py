"""
How well a score separates right rows from wrong ones: calibration, ranking, and risk by coverage.

All functions take one score per row, higher meaning more certain, without nulls, and whether the row is
right.
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
        Number of rows.
    confidence, right
        Mean confidence, and share of right rows.
    """

    rows: npt.NDArray[np.int64]
    confidence: Floats
    right: Floats

    @property
    def error(self) -> float:
        """
        The expected calibration error (ECE).

        Mean distance between confidence and share of right rows, weighted by the rows of the bins: Guo et al.
        (arXiv 1706.04599), equation 3.
        """
        return float(np.average(np.abs(self.confidence - self.right), weights=self.rows))

    def table(self) -> dict[str, list[float]]:
        """List the columns by name."""
        return {field.name: getattr(self, field.name).tolist() for field in fields(self)}


def reliability(confidence: Floats, right: Bools, bins: int = BINS) -> Reliability:
    """Bin confidences, which are in [0, 1]; 1 belongs to the last bin."""
    place = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    rows = np.bincount(place, minlength=bins)
    occupied = rows > 0
    means = [np.bincount(place, values, bins)[occupied] / rows[occupied] for values in (confidence, right)]
    return Reliability(rows[occupied], means[0], means[1])


def ranks(values: Floats) -> Floats:
    """Rank values from 1; equal values share their mean rank."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count - 1) / 2)[place]


def auroc(scores: Floats, right: Bools) -> float | None:
    """
    Compute the probability that a right row scores higher than a wrong one; a tie counts half.

    This is the area under the ROC curve (Mann and Whitney's U over the pairs). None unless there are both
    right and wrong rows.
    """
    right_count = int(right.sum())
    wrong_count = len(right) - right_count
    if not right_count or not wrong_count:
        return None
    wins = ranks(scores)[right].sum() - right_count * (right_count + 1) / 2
    return float(wins / (right_count * wrong_count))


def risks(scores: Floats, right: Bools) -> Floats:
    """
    Compute the share of wrong rows among the 1, 2, ..., n most certain ones: the risk-coverage curve.

    Within a tie it is the mean over all orders of the tied rows. Geifman and El-Yaniv (arXiv 1705.08500).
    """
    _, group, sizes = np.unique(-scores, return_inverse=True, return_counts=True)
    wrong = np.bincount(group, ~right, len(sizes))
    kept = np.arange(1, len(scores) + 1)
    ends, errors = (np.concatenate([[0.0], np.cumsum(counts)]) for counts in (sizes, wrong))
    return np.asarray(np.interp(kept, ends, errors) / kept)


def aurc(scores: Floats, right: Bools) -> float:
    """Compute the area under the risk-coverage curve: the mean risk over all coverages."""
    return float(risks(scores, right).mean())
