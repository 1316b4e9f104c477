"""
Many scores into one probability that a row is right, learnt from labelled rows.

A logistic regression over the scores, each centred on its median, measured in mean distances from it and
cut at four of these. A score that a row lacks adds nothing, and that it lacks it is a feature of its own:
a closed-book row, which no judge was asked about, is as likely right as the labels of such rows say. Nothing
is imputed, and every row gets a probability.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from datagen.stages.calibrate.curves import Bools, Floats

CUT = 4.0  # mean distances from the median
RIDGE = 1.0  # on the weights, which are of features of about this size
FOLDS = 5

Way = Literal["logistic", "isotonic"]


@dataclass(frozen=True)
class Combination:
    """
    A function from scores to the probability that a row is right.

    Parameters
    ----------
    scores
        The columns, in their order.
    centre, spread
        One of each a score.
    weights
        Of each score, of the lack of each, and a constant.
    steps
        Isotonic: the log odds at which the probability changes, and the probabilities there.
    """

    scores: tuple[str, ...]
    centre: Floats
    spread: Floats
    weights: Floats
    steps: tuple[Floats, Floats] | None = None

    def __call__(self, values: Floats) -> Floats:
        """
        Give each row's probability.

        Parameters
        ----------
        values
            Rows by scores; nan where a row has no such score.
        """
        odds = _features(values, self.centre, self.spread) @ self.weights
        return _probability(odds) if self.steps is None else np.interp(odds, *self.steps)


def combine(scores: Sequence[str], values: Floats, right: Bools, way: Way = "logistic") -> Combination:
    """
    Learn from labelled rows.

    Parameters
    ----------
    scores
        Names of the columns.
    values
        Rows by scores, nan for null. Rows in an order that says nothing of them: folds are cut from it.
    right
        Whether each row is right.
    way
        ``logistic``: Platt's fit, which needs few labels. ``isotonic``: the log odds of that, made a
        probability by a monotone step function, which bends to any shape and needs some hundred; fit on odds
        that each fold got from the others (Zadrozny and Elkan, KDD 2002).
    """
    centre, spread = _scale(values)
    fit = Combination(tuple(scores), centre, spread, _logistic(_features(values, centre, spread), right))
    if way == "logistic":
        return fit
    return Combination(
        fit.scores, centre, spread, fit.weights, isotonic(_odds(held_out(values, right)), right)
    )


def held_out(values: Floats, right: Bools, way: Way = "logistic") -> Floats:
    """Give each labelled row the probability that it gets from a combination fit on the other folds."""
    given = np.empty(len(right))
    names = [str(number) for number in range(values.shape[1])]
    for fold in range(FOLDS):
        mine = np.arange(len(right)) % FOLDS == fold
        if mine.any():
            given[mine] = combine(names, values[~mine], right[~mine], way)(values[mine])
    return given


def isotonic(scores: Floats, right: Bools) -> tuple[Floats, Floats]:
    """
    Fit the non-decreasing function of a score that is nearest to being right in the least squares.

    Pool adjacent violators; rows of one score are one point. Returns the scores in their order and the
    function's values there, for `numpy.interp`.
    """
    points, group, weights = np.unique(scores, return_inverse=True, return_counts=True)
    means = np.bincount(group, right) / weights
    pools: list[list[float]] = []  # mean, weight, points
    for mean, weight in zip(means.tolist(), weights.tolist(), strict=True):
        pools.append([mean, weight, 1])
        while len(pools) > 1 and pools[-2][0] >= pools[-1][0]:
            mean, weight, count = pools.pop()
            last = pools[-1]
            last[0] = (last[0] * last[1] + mean * weight) / (last[1] + weight)
            last[1:] = [last[1] + weight, last[2] + count]
    return points, np.repeat([pool[0] for pool in pools], [int(pool[2]) for pool in pools])


def _scale(values: Floats) -> tuple[Floats, Floats]:
    """Median and mean distance from it of each score; 0 and 1 where it has no spread or no values."""
    centre, spread = np.zeros(values.shape[1]), np.ones(values.shape[1])
    for number, column in enumerate(values.T):
        found = column[np.isfinite(column)]
        if len(found):
            centre[number] = np.median(found)
            spread[number] = np.abs(found - centre[number]).mean() or 1.0
    return centre, spread


def _features(values: Floats, centre: Floats, spread: Floats) -> Floats:
    absent = np.isnan(values)
    known = np.clip(np.where(absent, 0.0, (values - centre) / spread), -CUT, CUT)
    return np.column_stack([known, absent, np.ones(len(values))])


def _logistic(features: Floats, right: Bools) -> Floats:
    """
    Fit a logistic regression with a ridge on all weights but the constant, by Newton's method.

    What is fit are Platt's targets, (n + 1) / (n + 2) and 1 / (n + 2), which stay finite where all rows are
    right (Platt, Probabilistic outputs for support vector machines, 1999, section 2.2).
    """
    good = int(right.sum())
    target = np.where(right, (good + 1) / (good + 2), 1 / (len(right) - good + 2))
    ridge = np.full(features.shape[1], RIDGE)
    ridge[-1] = 1e-6
    weights = np.zeros(features.shape[1])
    for _ in range(100):
        given = _probability(features @ weights)
        slope = features.T @ (given - target) + ridge * weights
        bend = (features.T * (given * (1 - given))) @ features + np.diag(ridge)
        step = np.linalg.solve(bend, slope)
        weights -= step / max(1.0, float(np.abs(step).max()))  # no step is longer than 1
        if np.abs(step).max() < 1e-9:
            break
    return weights


def _probability(odds: Floats) -> Floats:
    return 1 / (1 + np.exp(-np.clip(odds, -30, 30)))


def _odds(probability: Floats) -> Floats:
    return np.log(probability) - np.log1p(-probability)
