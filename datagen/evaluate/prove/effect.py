"""
The effect of an arm: its difference in P(gold) from its control, and whether the difference decides.

P(gold) is the probability of the right answer among the choices of an item, from the model's probabilities of
the whole texts. Answer loss and accuracy by token reward the format of an answer, which any pairs teach. They
are therefore reported without a verdict.

An arm *helps* if the 95 % interval of the difference is above 0, *does not help* if it is below the smallest
gain that counts, otherwise one *cannot tell*. An interval narrower than that gain always decides, so the
number of missing items follows from its width: n (width / gain)² - n.
"""

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from datagen.evaluate.prove.items import Item
from datagen.evaluate.prove.settings import LEVEL
from datagen.json_types import JsonObject

Numbers = npt.NDArray[np.float64]

DRAWS = 4_000  # of the bootstrap
CLUSTERS = 8  # minimum passages for a verdict
SPREAD = 0.35  # assumed standard deviation of an item's difference, with too few passages to measure it
POWER = 1.959964 + 0.841621  # standard errors of a gain detected with 80 % power at the 95 % level

Outcome = Literal["helps", "does not help", "cannot tell"]


def p_gold(sums: Sequence[float]) -> float:
    """Compute the probability of the first choice among all, from the log probabilities of all."""
    values = np.array(sums, np.float64)
    weights = np.exp(values - values.max())
    return float(weights[0] / weights.sum())


def difference(arm: Sequence[JsonObject], control: Sequence[JsonObject], items: Sequence[Item]) -> Numbers:
    """
    Subtract the control's P(gold) from the arm's.

    Parameters
    ----------
    arm, control
        Fits of the same seeds, in the same order. A single fit, of the untrained target, is used for all.
    items
        The items measured.

    Returns
    -------
    (seeds, items)
    """
    return np.asarray(_scores(arm, items) - _scores(control, items), np.float64)


def _scores(fits: Sequence[JsonObject], items: Sequence[Item]) -> Numbers:
    return np.array([[p_gold(fit["items"][item.id][0]) for item in items] for fit in fits], np.float64)


def bootstrap(
    differences: Numbers, clusters: Sequence[str], draws: int = DRAWS
) -> tuple[float, float, float]:
    """
    Estimate a mean difference, its 95 % interval by percentiles, and its standard error.

    Passages (with all their items) and seeds are resampled independently.

    Parameters
    ----------
    differences
        (seeds, items).
    clusters
        The passage of each item.
    draws
        Number of bootstrap samples. The random seed is fixed.

    Returns
    -------
    low, high, standard error
    """
    names, member = np.unique(np.array(clusters), return_inverse=True)
    seeds, size = len(differences), len(names)
    sums = np.zeros((seeds, size))
    for seed in range(seeds):
        sums[seed] = np.bincount(member, differences[seed], size)
    counts = np.bincount(member, minlength=size).astype(np.float64)
    random = np.random.default_rng(0)
    passages = random.multinomial(size, np.full(size, 1 / size), draws).astype(np.float64)
    orders = random.multinomial(seeds, np.full(seeds, 1 / seeds), draws) / seeds
    means = ((passages @ sums.T) * orders).sum(1) / (passages @ counts)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high), float(means.std())


def decide(
    differences: Numbers, clusters: Sequence[str], worth: float
) -> tuple[float, float, float, float, Outcome, int]:
    """
    Decide whether an arm helps.

    Returns
    -------
    effect, low, high, detectable gain, outcome, missing items
    """
    count, passages = differences.shape[1], len(set(clusters))
    if not count:
        return 0.0, 0.0, 0.0, math.inf, "cannot tell", _missing(0, 2 * 1.96 * SPREAD, worth)
    effect = float(differences.mean())
    low, high, error = bootstrap(differences, clusters)
    if passages < CLUSTERS:
        width = 2 * 1.96 * SPREAD / math.sqrt(count)
        return effect, low, high, POWER * width / 3.92, "cannot tell", _missing(count, width, worth)
    if low > 0:
        return effect, low, high, POWER * error, "helps", 0
    if high < worth:
        return effect, low, high, POWER * error, "does not help", 0
    return effect, low, high, POWER * error, "cannot tell", _missing(count, high - low, worth)


def _missing(count: int, width: float, worth: float) -> int:
    """Compute the further items needed for an interval of width `worth`; width is proportional to 1/√n."""
    return max(1, math.ceil(max(1, count) * (width / worth) ** 2 - count))
