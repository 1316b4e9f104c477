"""
What judged rows show of all rows, however often one looks and wherever one stops.

Rows are judged in a random order without replacement, and the file of labels grows until somebody is
content. A bound for one number of labels that is fixed beforehand (Clopper and Pearson) does not survive
that. Here the evidence against "R of N rows are right" is the ratio of two probabilities of the verdicts so
far: that of a beta-binomial prior, and that of drawing from N rows with R right ones. Its expectation is 1
whenever R is the truth, so the probability that it *ever* reaches 1 / error is at most `error` (Ville's
inequality): Waudby-Smith and Ramdas, Confidence sequences for sampling without replacement (NeurIPS 2020,
arXiv 2006.04347), theorem 2.1.

The evidence depends on the verdicts by their counts alone and falls with each right one that is taken for
wrong. So a row without a verdict may stand in the sequence as a wrong one: leaving rows out makes no
promise stronger.
"""

from math import ceil, lgamma, log

import numpy as np
import numpy.typing as npt

from datagen.stages.confidence.calibrate.curves import Bools, Floats

PRIOR = (19.5, 0.5)  # of the share of right rows; fixed, and a good bet where most of what is kept is right
UNLIMITED = 10**9  # rows to draw from, where that many more exist than are judged


def evidence(right: Bools, rows: int, count: int) -> Floats:
    """
    Weigh the verdicts against so many right rows being there.

    Parameters
    ----------
    right
        Verdicts in the order in which the rows were drawn.
    rows
        Rows that they were drawn from.
    count
        How many of those are right, by the hypothesis.

    Returns
    -------
    After each verdict, the logarithm of the evidence; infinite where the hypothesis is refuted.
    """
    judged = np.arange(len(right))
    good: npt.NDArray[np.int64] = np.cumsum(right) - right
    bad = judged - good
    prior = np.where(right, PRIOR[0] + good, PRIOR[1] + bad) / (sum(PRIOR) + judged)
    drawn = np.maximum(np.where(right, count - good, rows - count - bad), 0) / (rows - judged)
    with np.errstate(divide="ignore"):
        result: Floats = np.cumsum(np.log(prior) - np.log(drawn))
    return result


def fewer_is_refuted(right: Bools, rows: int, count: int, error: float) -> bool:
    """
    Tell whether the verdicts have shown, at any time, that more than `count` of the rows are right.

    Wrong with a probability of at most `error`, over all times together.
    """
    if count < 0:
        return True
    against = evidence(right, rows, count) >= log(1 / error)
    above = np.cumsum(right) / np.arange(1, len(right) + 1) > count / rows
    return bool((against & above).any())


def shows(right: Bools, rows: int, precision: float, error: float) -> bool:
    """
    Tell whether the verdicts show that at least this share of the rows is right.

    They must have shown it at some time, and must not look worse now: what was shown by luck is not promised
    against what is seen since. That takes promises away and adds none.
    """
    looks = len(right) > 0 and bool(right.mean() >= precision)
    return looks and fewer_is_refuted(right, rows, too_few(rows, precision), error)


def too_few(rows: int, precision: float) -> int:
    """Give the largest number of right rows whose share is below a precision."""
    return ceil(rows * precision - 1e-9) - 1


def lower_bound(right: Bools, rows: int, error: float) -> float:
    """Give the largest share of right rows that the verdicts have shown, at most the one they have now."""
    low, high = -1, rows
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fewer_is_refuted(right, rows, middle, error) else (low, middle)
    return min((low + 1) / rows, float(right.mean())) if len(right) else 0.0


def passes(right: int, rows: int, precision: float, error: float) -> bool:
    """Tell whether so many right ones among the judged rows show a precision of unlimited rows, now."""
    wrong = rows - right
    prior = _log_beta(PRIOR[0] + right, PRIOR[1] + wrong) - _log_beta(*PRIOR)
    return right > precision * rows and prior - right * log(precision) - wrong * log(1 - precision) >= log(
        1 / error
    )


def _log_beta(one: float, other: float) -> float:
    return lgamma(one) + lgamma(other) - lgamma(one + other)


def fewest(precision: float, error: float) -> int:
    """Give the number of rows that must be judged even if all are right."""
    few, many = 0, 1
    while not passes(many, many, precision, error):
        few, many = many, 2 * many
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if passes(middle, middle, precision, error) else (middle, many)
    return many


def enough(rows: int, precision: float, error: float) -> int:
    """Give how many of the judged rows must be right; one more than there are where all are too few."""
    few, many = -1, rows + 1
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if passes(middle, rows, precision, error) else (middle, many)
    return many


def tail(right: int, rows: int, precision: float) -> float:
    """Give the probability of at least so many right among so many rows, each right with `precision`."""
    if right <= 0:
        return 1.0
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, rows + 1)))])  # log n!
    count = np.arange(right, rows + 1)
    chosen = logs[rows] - logs[count] - logs[rows - count]
    each = chosen + count * log(precision) + (rows - count) * log(1 - precision)
    return min(1.0, float(np.exp(each).sum()))


def doubt(right: int, rows: int, precision: float) -> float:
    """
    Give the probability that the precision is lower, given the verdicts and nothing else.

    With every precision equally likely beforehand it has the distribution Beta(right + 1, wrong + 1).
    """
    return tail(right + 1, rows + 1, precision)
