"""
Bounds on the share of right rows that stay valid however often one looks and whenever one stops.

Rows are judged in random order without replacement, and the user adds labels until the result suffices.
A bound for one fixed number of labels (Clopper and Pearson) is not valid then. Here the evidence against
"R of N rows are right" is the ratio of two probabilities of the verdicts so far: under a beta-binomial
prior, and when drawing from N rows with R right ones. Its expectation is 1 if R is the truth, so the
probability that it *ever* reaches 1 / error is at most `error` (Ville's inequality): Waudby-Smith and
Ramdas, Confidence sequences for sampling without replacement (NeurIPS 2020, arXiv 2006.04347), theorem 2.1.

The evidence depends only on the counts of the verdicts, and decreases when a right row is counted as wrong.
So a row without a verdict can be counted as wrong: leaving rows out never strengthens a promise.
"""

from math import ceil, lgamma, log

import numpy as np
import numpy.typing as npt

from datagen.stages.confidence.calibrate.curves import Bools, Floats

PRIOR = (19.5, 0.5)  # of the share of right rows; fixed, and efficient where most kept rows are right
UNLIMITED = 10**9  # population size where far more rows exist than are judged


def evidence(right: Bools, rows: int, count: int) -> Floats:
    """
    Compute the evidence against `count` of the rows being right.

    Parameters
    ----------
    right
        Verdicts in the order in which the rows were drawn.
    rows
        Number of rows that they were drawn from.
    count
        Number of right rows under the hypothesis.

    Returns
    -------
    The logarithm of the evidence after each verdict; infinite once the hypothesis is refuted.
    """
    judged = np.arange(len(right))
    good: npt.NDArray[np.int64] = np.cumsum(right) - right
    bad = judged - good
    prior = np.where(right, PRIOR[0] + good, PRIOR[1] + bad) / (sum(PRIOR) + judged)
    drawn = np.maximum(np.where(right, count - good, rows - count - bad), 0) / (rows - judged)
    with np.errstate(divide="ignore"):
        return np.asarray(np.cumsum(np.log(prior) - np.log(drawn)))


def fewer_is_refuted(right: Bools, rows: int, count: int, error: float) -> bool:
    """
    Test whether the verdicts have shown, at any time, that more than `count` of the rows are right.

    The error probability is at most `error` over all times together.
    """
    if count < 0:
        return True
    against = evidence(right, rows, count) >= log(1 / error)
    above = np.cumsum(right) / np.arange(1, len(right) + 1) > count / rows
    return bool((against & above).any())


def shows(right: Bools, rows: int, precision: float, error: float) -> bool:
    """
    Test whether the verdicts show that at least this share of the rows is right.

    They must have shown it at some time, and the observed share must not be lower now: a lucky streak is not
    promised against later verdicts. This can only withdraw promises.
    """
    plausible = len(right) > 0 and bool(right.mean() >= precision)
    return plausible and fewer_is_refuted(right, rows, too_few(rows, precision), error)


def too_few(rows: int, precision: float) -> int:
    """Return the largest number of right rows whose share is below a precision."""
    return ceil(rows * precision - 1e-9) - 1


def lower_bound(right: Bools, rows: int, error: float) -> float:
    """Return the largest share of right rows that the verdicts have shown, capped at the observed share."""
    low, high = -1, rows
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fewer_is_refuted(right, rows, middle, error) else (low, middle)
    return min((low + 1) / rows, float(right.mean())) if len(right) else 0.0


def passes(right: int, rows: int, precision: float, error: float) -> bool:
    """Test whether these verdicts show a precision of unlimited rows at this point."""
    wrong = rows - right
    prior = _log_beta(PRIOR[0] + right, PRIOR[1] + wrong) - _log_beta(*PRIOR)
    return right > precision * rows and prior - right * log(precision) - wrong * log(1 - precision) >= log(
        1 / error
    )


def _log_beta(first: float, second: float) -> float:
    return lgamma(first) + lgamma(second) - lgamma(first + second)


def fewest(precision: float, error: float) -> int:
    """Return the number of rows that must be judged even if all are right."""
    few, many = 0, 1
    while not passes(many, many, precision, error):
        few, many = many, 2 * many
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if passes(middle, middle, precision, error) else (middle, many)
    return many


def enough(rows: int, precision: float, error: float) -> int:
    """Return how many judged rows must be right; rows + 1 where even all are too few."""
    few, many = -1, rows + 1
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if passes(middle, rows, precision, error) else (middle, many)
    return many


def tail(right: int, rows: int, precision: float) -> float:
    """Return the probability of `right` or more right rows among `rows`, each right with `precision`."""
    if right <= 0:
        return 1.0
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, rows + 1)))])  # log n!
    count = np.arange(right, rows + 1)
    chosen = logs[rows] - logs[count] - logs[rows - count]
    log_terms = chosen + count * log(precision) + (rows - count) * log(1 - precision)
    return min(1.0, float(np.exp(log_terms).sum()))


def doubt(right: int, rows: int, precision: float) -> float:
    """
    Return the posterior probability that the precision is lower than `precision`.

    Under a uniform prior, the precision has the distribution Beta(right + 1, wrong + 1).
    """
    return tail(right + 1, rows + 1, precision)
