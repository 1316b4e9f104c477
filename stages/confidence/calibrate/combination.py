"""
Combine scores into one probability that a row is right, learned from labelled rows.

The model is a logistic regression over the scores, each replaced by its rank among the labelled rows, so
that units and tails do not matter. There are many scores and few labels, so the ridge is strong and shrinks
the log odds; Platt scaling on held-out rows corrects for that. A missing score contributes nothing, and its
absence is a feature: a closed-book row, which no judge scored, gets the probability that labels of such rows
support. Nothing is imputed, and every row gets a probability.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeAlias

import numpy as np

from datagen.stages.confidence.calibrate.curves import Bools, Floats, ranks

RIDGE = 10.0  # on the weights of features with variance 1
FLATTEST = 0.1  # least slope of Platt scaling: rows keep their order even where held-out rows contradict it
FOLDS = 5

Way = Literal["logistic", "isotonic"]
Curve: TypeAlias = Callable[[Floats], Floats]
Marks: TypeAlias = tuple[tuple[Floats, Floats], ...]


@dataclass(frozen=True)
class Combination:
    """
    A function from scores to the probability that a row is right.

    Parameters
    ----------
    scores
        Names of the columns.
    marks
        Per score, its sorted values and the rank of each.
    weights
        One per score, one per missing score, and a constant.
    curve
        Maps the weighted sum, which is a log odds, to a probability.
    """

    scores: tuple[str, ...]
    marks: Marks
    weights: Floats
    curve: Curve

    def __call__(self, values: Floats) -> Floats:
        """
        Return each row's probability.

        Parameters
        ----------
        values
            Rows by scores; nan where a row lacks the score.
        """
        return self.curve(_features(values, self.marks) @ self.weights)


def combine(scores: Sequence[str], values: Floats, right: Bools, way: Way = "logistic") -> Combination:
    """
    Learn from labelled rows.

    Parameters
    ----------
    scores
        Names of the columns.
    values
        Rows by scores, nan for null. The order of the rows must be random: folds follow it.
    right
        Whether each row is right.
    way
        ``logistic``: Platt scaling, which needs few labels. ``isotonic``: a monotone step function, which
        fits any shape and needs a few hundred (Zadrozny and Elkan, KDD 2002). Both are fit on the log odds
        that each fold gets from a model of the other folds.
    """
    return Combination(tuple(scores), *_fit(values, right), _curve(_held_out_odds(values, right), right, way))


def held_out(values: Floats, right: Bools, way: Way = "logistic") -> Floats:
    """Return the probability that each labelled row gets from a regression on the other folds."""
    odds = _held_out_odds(values, right)
    return _curve(odds, right, way)(odds)


def _interpolate(odds: Floats, points: Floats, means: Floats) -> Floats:
    return np.interp(odds, points, means)


def _curve(odds: Floats, right: Bools, way: Way) -> Curve:
    if way == "isotonic":
        points, means = isotonic(odds, right)
        return partial(_interpolate, points=points, means=means)
    slope, constant = _logistic(np.column_stack([odds, np.ones(len(odds))]), right, 1e-3)
    if slope < FLATTEST:  # the constant of another slope would shift all probabilities
        slope, [constant] = FLATTEST, _logistic(np.ones((len(odds), 1)), right, 1e-3, FLATTEST * odds)
    return partial(_line, float(slope), float(constant))


def _line(slope: float, constant: float, odds: Floats) -> Floats:
    return _probability(slope * odds + constant)


def _held_out_odds(values: Floats, right: Bools) -> Floats:
    """Return the log odds that each labelled row gets from a regression on the other folds."""
    odds = np.zeros(len(right))
    for fold in range(FOLDS):
        in_fold = np.arange(len(right)) % FOLDS == fold
        if in_fold.any() and not in_fold.all():
            marks, weights = _fit(values[~in_fold], right[~in_fold])
            odds[in_fold] = _features(values[in_fold], marks) @ weights
    return odds


def isotonic(scores: Floats, right: Bools) -> tuple[Floats, Floats]:
    """
    Fit the non-decreasing function of a score that predicts right rows best by least squares.

    Pool adjacent violators; rows with equal scores are one point. Returns the sorted scores and the
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


def _fit(values: Floats, right: Bools) -> tuple[Marks, Floats]:
    marks = tuple(_marks(column[np.isfinite(column)]) for column in values.T)
    return marks, _logistic(_features(values, marks), right, RIDGE)


def _marks(values: Floats) -> tuple[Floats, Floats]:
    """Return a score's sorted values and their ranks, scaled to mean 0 and variance 1 if all differ."""
    points, first = np.unique(values, return_index=True)
    if not len(points):
        return np.zeros(1), np.zeros(1)
    middle = (ranks(values)[first] - 0.5) / len(values)
    return points, (middle - 0.5) * np.sqrt(12)


def _features(values: Floats, marks: Marks) -> Floats:
    absent = np.isnan(values)
    ranked = [np.interp(column, *mark) for column, mark in zip(values.T, marks, strict=True)]
    return np.column_stack([np.where(absent, 0.0, np.transpose(ranked)), absent, np.ones(len(values))])


def _logistic(features: Floats, right: Bools, size: float, offset: Floats | float = 0.0) -> Floats:
    """
    Fit a logistic regression by Newton's method, with a ridge of a given size on all weights except the last.

    `offset` is added to the log odds of each row.

    The targets are Platt's, (n + 1) / (n + 2) and 1 / (n + 2), which keep the weights finite where all rows
    are right (Platt, Probabilistic outputs for support vector machines, 1999, section 2.2).
    """
    right_count = int(right.sum())
    target = np.where(right, (right_count + 1) / (right_count + 2), 1 / (len(right) - right_count + 2))
    ridge = np.full(features.shape[1], size)
    ridge[-1] = 1e-6
    weights = np.zeros(features.shape[1])
    for _ in range(100):
        predicted = _probability(features @ weights + offset)
        gradient = features.T @ (predicted - target) + ridge * weights
        hessian = (features.T * (predicted * (1 - predicted))) @ features + np.diag(ridge)
        step = np.linalg.solve(hessian, gradient)
        weights -= step / max(1.0, float(np.abs(step).max()))  # no step is longer than 1
        if np.abs(step).max() < 1e-9:
            break
    return weights


def _probability(odds: Floats) -> Floats:
    return 1 / (1 + np.exp(-np.clip(odds, -30, 30)))
