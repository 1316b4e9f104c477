"""
Many scores into one probability that a row is right, learnt from labelled rows.

A logistic regression over the scores, each as its rank among those of the labelled rows: what a score's unit
is, and how long its tail, says nothing. There are many scores and few labels, so the ridge is strong, and the
log odds that come of it are too cautious; Platt's line through those that held-out rows got mends that. A
score that a row lacks adds nothing, and that it lacks it is a feature of its own: a closed-book row, which no
judge was asked about, is as likely right as the labels of such rows say. Nothing is imputed, and every row
gets a probability.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeAlias

import numpy as np

from datagen.stages.confidence.calibrate.curves import Bools, Floats, ranks

RIDGE = 10.0  # on the weights, which are of features of variance 1
FLATTEST = 0.1  # slope of Platt's line: the order of the rows is kept where held-out rows deny it
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
        The columns, in their order.
    marks
        Of each score, values in their order and the rank that each stands for.
    weights
        Of each score, of the lack of each, and a constant.
    curve
        Makes their sum, which is a log odds, a probability.
    """

    scores: tuple[str, ...]
    marks: Marks
    weights: Floats
    curve: Curve

    def __call__(self, values: Floats) -> Floats:
        """
        Give each row's probability.

        Parameters
        ----------
        values
            Rows by scores; nan where a row has no such score.
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
        Rows by scores, nan for null. Rows in an order that says nothing of them: folds are cut from it.
    right
        Whether each row is right.
    way
        ``logistic``: the log odds go through Platt's line, which needs few labels. ``isotonic``: through a
        monotone step function, which bends to any shape and needs some hundred (Zadrozny and Elkan, KDD
        2002). Both are fit on the log odds that each fold got from the others.
    """
    return Combination(tuple(scores), *_fit(values, right), _curve(_held_out_odds(values, right), right, way))


def held_out(values: Floats, right: Bools, way: Way = "logistic") -> Floats:
    """Give each labelled row the probability that it gets from a regression on the other folds."""
    odds = _held_out_odds(values, right)
    return _curve(odds, right, way)(odds)


def _interpolate(odds: Floats, points: Floats, means: Floats) -> Floats:
    return np.interp(odds, points, means)


def _curve(odds: Floats, right: Bools, way: Way) -> Curve:
    if way == "isotonic":
        points, means = isotonic(odds, right)
        return partial(_interpolate, points=points, means=means)
    slope, constant = _logistic(np.column_stack([odds, np.ones(len(odds))]), right, 1e-3)
    return partial(_line, max(float(slope), FLATTEST), float(constant))


def _line(slope: float, constant: float, odds: Floats) -> Floats:
    return _probability(slope * odds + constant)


def _held_out_odds(values: Floats, right: Bools) -> Floats:
    """Give each labelled row the log odds that it gets from a regression on the other folds."""
    odds = np.zeros(len(right))
    for fold in range(FOLDS):
        mine = np.arange(len(right)) % FOLDS == fold
        if mine.any() and not mine.all():
            marks, weights = _fit(values[~mine], right[~mine])
            odds[mine] = _features(values[mine], marks) @ weights
    return odds


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


def _fit(values: Floats, right: Bools) -> tuple[Marks, Floats]:
    marks = tuple(_marks(column[np.isfinite(column)]) for column in values.T)
    return marks, _logistic(_features(values, marks), right, RIDGE)


def _marks(values: Floats) -> tuple[Floats, Floats]:
    """Give a score's values in their order with their ranks, of mean 0 and variance 1 if all differ."""
    points, first = np.unique(values, return_index=True)
    if not len(points):
        return np.zeros(1), np.zeros(1)
    middle = (ranks(values)[first] - 0.5) / len(values)
    return points, (middle - 0.5) * np.sqrt(12)


def _features(values: Floats, marks: Marks) -> Floats:
    absent = np.isnan(values)
    ranked = [np.interp(column, *mark) for column, mark in zip(values.T, marks, strict=True)]
    return np.column_stack([np.where(absent, 0.0, np.transpose(ranked)), absent, np.ones(len(values))])


def _logistic(features: Floats, right: Bools, size: float) -> Floats:
    """
    Fit a logistic regression with a ridge of some size on all weights but the last, by Newton's method.

    What is fit are Platt's targets, (n + 1) / (n + 2) and 1 / (n + 2), which stay finite where all rows are
    right (Platt, Probabilistic outputs for support vector machines, 1999, section 2.2).
    """
    good = int(right.sum())
    target = np.where(right, (good + 1) / (good + 2), 1 / (len(right) - good + 2))
    ridge = np.full(features.shape[1], size)
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
