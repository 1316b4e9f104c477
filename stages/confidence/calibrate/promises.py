"""
The threshold above which the share of right rows is at least what was promised, with stated confidence.

Three things make the promise hold, and leaving one out breaks it:

* The rows that are judged for it are drawn at random from all rows
  (`datagen.stages.confidence.labels.draw`). So those of them above a threshold are a random sample of
  all rows above it, and the number of right ones has binomial tails, or thinner ones, since nothing is
  drawn twice: it is a sum of independent trials (Vatutin and Mikhailov, Theory Probab. Appl. 27, 1982),
  of which equal ones have the widest tails (Hoeffding, Ann. Math. Stat. 27, 1956, theorem 5). Clopper and
  Pearson's bound (Biometrika 26, 1934) holds for any threshold that is named beforehand.
* They took no part in learning the confidence.
* Of many thresholds the best looking one is not named beforehand: with enough of them, one looks good by
  luck. They are tested one after another in a sequence that other labels fix, and the first that fails
  ends it. So a wrong one is chosen only if the first wrong one of the sequence passes: fixed-sequence
  testing, with a start learnt from the other labels (Angelopoulos et al., Learn then Test, arXiv
  2110.01052).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, log

import numpy as np
import numpy.typing as npt

from datagen.stages.confidence.calibrate.curves import Bools, Floats

BINS = 10_000  # of confidence, in which all rows are counted
STEPS = 20  # thresholds among which a promise is sought: those that keep 5 %, 10 %, ... of the rows
FEWEST = 10  # rows to learn a confidence from
POWER = 0.8  # with which labels that are asked for shall show what is there
MOST_LABELS = 100_000  # more are no advice


def tail(right: int, rows: int, precision: float) -> float:
    """Give the probability of at least so many right among so many rows, each right with `precision`."""
    if right <= 0:
        return 1.0
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, rows + 1)))])  # log n!
    count = np.arange(right, rows + 1)
    chosen = logs[rows] - logs[count] - logs[rows - count]
    each = chosen + count * log(precision) + (rows - count) * log(1 - precision)
    return min(1.0, float(np.exp(each).sum()))


def lower_bound(right: int, rows: int, sure: float) -> float:
    """
    Give the precision that so many right among so many rows show with confidence `sure`.

    Clopper and Pearson's one-sided bound: the least precision that would give as many right with
    a probability of more than 1 - sure. 0 where none is right.
    """
    low, high = 0.0, 1.0
    while right > 0 and high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (middle, high) if tail(right, rows, middle) <= 1 - sure else (low, middle)
    return low


def fewest(target: float, sure: float) -> int:
    """Give the number of rows that must be judged for a promise even if all are right."""
    return ceil(log(1 - sure) / log(target))


@dataclass(frozen=True)
class Counts:
    """Of the judged rows at or above each of some thresholds: how many there are, and how many are right."""

    rows: Sequence[int]
    right: Sequence[int]

    @classmethod
    def of(cls, thresholds: Floats, confidence: Floats, right: Bools) -> "Counts":
        """Count."""
        above = confidence >= thresholds[:, None]
        return cls(above.sum(1).tolist(), (above & right).sum(1).tolist())


def choose(learnt: Counts, judged: Counts, target: float, sure: float) -> tuple[int, int | None]:
    """
    Choose a threshold.

    Parameters
    ----------
    learnt
        What the thresholds, named beforehand and the strictest first, keep of the rows that the confidence
        was learnt from (by confidences from other folds). They say where to begin.
    judged
        What they keep of the randomly drawn rows.
    target, sure
        The promised precision, and the probability with which the promise is kept.

    Returns
    -------
    The threshold where the sequence began, and the laxest that passed: its number, None where even the
    first failed.
    """
    doubts = [tail(right, rows, target) for right, rows in zip(learnt.right, learnt.rows, strict=True)]
    start = int(np.argmin(doubts))
    passed = None
    for number in range(start, len(doubts)):
        if tail(judged.right[number], judged.rows[number], target) > 1 - sure:
            break
        passed = number
    return start, passed


def labels_needed(right: int, rows: int, kept: float, target: float, sure: float) -> int | None:
    """
    Say how many randomly drawn rows must be judged for a threshold to pass in four of five draws.

    The share of right rows above it is taken as (right + 1) / (rows + 2), which trusts few labels less. Where
    they are too few to tell whether it is above the target: twice as many.

    Parameters
    ----------
    right, rows
        The judged rows above the threshold.
    kept
        The share of all rows that is above it.
    target, sure
        The precision to promise, and with which probability.

    Returns
    -------
    None where no number would do, because what is above the threshold does not look better than the target.
    """
    if right + 1 <= target * (rows + 1):
        return None
    share = (right + 1) / (rows + 2)
    if share <= target:
        return ceil(2 * max(rows, fewest(target, sure)) / kept)
    few, many = 0, fewest(target, sure)
    while _power(many, share, target, sure) < POWER:
        few, many = many, 2 * many
        if many > MOST_LABELS:
            return None
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if _power(middle, share, target, sure) >= POWER else (middle, many)
    return ceil(many / kept)


def _power(rows: int, share: float, target: float, sure: float) -> float:
    """Give the probability that so many rows, of which such a share is right, show the target."""
    few, many = -1, rows + 1  # right ones that are not enough, and that are
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if tail(middle, rows, target) <= 1 - sure else (middle, many)
    return tail(many, rows, share) if many <= rows else 0.0


@dataclass(frozen=True)
class Promise:
    """
    What is promised for a kind or task, or why nothing is.

    Parameters
    ----------
    target, sure
        Least precision of what is kept, and the probability with which it is.
    judged
        Randomly drawn rows that were judged.
    threshold, kept
        Least confidence, and the share of all rows that has it.
    above, right, bound
        The judged ones of these, how many are right, and the precision that this shows with confidence
        `sure`.
    needed
        Where nothing is promised: how many randomly drawn rows must be judged for it, if things are as
        they look. None where no number would do.
    why
        Where nothing is promised: the reason.
    """

    target: float
    sure: float
    judged: int
    threshold: float | None = None
    kept: float = 0.0
    above: int = 0
    right: int = 0
    bound: float = 0.0
    needed: int | None = None
    why: str = ""

    @classmethod
    def impossible(cls, target: float, sure: float, judged: int) -> "Promise":
        """Say that there are no scores, or too few labels to learn from."""
        needed = max(FEWEST, fewest(target, sure))
        return cls(target, sure, judged, needed=needed, why="no scores, or too few labels to learn from")


Counted = npt.NDArray[np.int64]  # how many of all rows are in each bin of confidence


def bin_of(confidence: Floats) -> Counted:
    """Tell in which bin each confidence is."""
    return np.minimum((confidence * BINS).astype(np.int64), BINS - 1)


def steps(rows: Counted) -> tuple[Floats, Floats]:
    """
    Name the thresholds before any verdict is looked at, the strictest first.

    Parameters
    ----------
    rows
        How many of all rows are in each bin of confidence.

    Returns
    -------
    The thresholds, and the share of the rows that is at or above each.
    """
    above = np.cumsum(rows[::-1])  # of the last bin, the last two, ...
    if not above[-1]:
        return np.empty(0), np.empty(0)
    ends = np.unique(np.searchsorted(above, above[-1] * np.arange(1, STEPS + 1) / STEPS))
    return (BINS - 1 - ends) / BINS, above[ends] / above[-1]


Judged = tuple[Floats, Bools]  # confidence of some rows, and whether they are right


def promise(
    target: float, sure: float, thresholds: Floats, kept: Floats, learnt: Judged, judged: Judged
) -> Promise:
    """
    Find the threshold for a promise, or say what is missing.

    Parameters
    ----------
    target, sure
        The precision to promise, and with which probability.
    thresholds, kept
        Named beforehand, the strictest first, and the share of all rows that is at or above each.
    learnt
        The rows that the confidence was learnt from, each with the confidence that it gets from the others.
    judged
        The randomly drawn rows.
    """
    none = Promise(target, sure, len(judged[0]))
    before, counts = (Counts.of(thresholds, *rows) for rows in (learnt, judged))
    start, passed = choose(before, counts, target, sure)
    if passed is not None:
        above, right = counts.rows[passed], counts.right[passed]
        bound = lower_bound(right, above, sure)
        return replace(
            none,
            threshold=float(thresholds[passed]),
            kept=float(kept[passed]),
            above=above,
            right=right,
            bound=bound,
        )
    rows, right = before.rows[start] + counts.rows[start], before.right[start] + counts.right[start]
    needed = labels_needed(right, rows, kept[start], target, sure)
    looks = f"of the surest {kept[start]:.0%} of the rows, {right} of {rows} labels are right"
    hope = "more labels may show it" if needed else "no number of labels shows a precision that is not there"
    return replace(none, needed=needed, why=f"{looks}: {hope}")
