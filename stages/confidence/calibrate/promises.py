"""
The threshold above which the share of right rows is at least what was promised, with stated confidence.

Three things make the promise hold, and leaving one out breaks it:

* The rows that are judged for it are drawn at random from all rows
  (`datagen.stages.confidence.labels.draw`), so those of them above a threshold are a random sample of all
  rows above it, in random order. The bound on their precision holds at all times together
  (`datagen.stages.confidence.calibrate.evidence`): judging on until it passes, or cutting the file where it
  passed, gains nothing.
* They took no part in learning the confidence.
* Of many thresholds the best looking one is not named beforehand: with enough of them, one looks good by
  luck. They are tested one after another in a sequence that other labels fix, and the first that fails
  ends it. So a wrong one is chosen only if the first wrong one of the sequence passes: fixed-sequence
  testing, with a start learnt from the other labels (Angelopoulos et al., Learn then Test, arXiv
  2110.01052).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil

import numpy as np
import numpy.typing as npt

from datagen.stages.confidence.calibrate import evidence
from datagen.stages.confidence.calibrate.curves import Bools, Floats
from datagen.stages.confidence.calibrate.evidence import UNLIMITED

BINS = 10_000  # of confidence, in which all rows are counted
STEPS = 20  # thresholds among which a promise is sought: those that keep 5 %, 10 %, ... of the rows
FIRST = 0.9  # of the error: for the first promise, which a later run repeats. The rest is kept for new rows
FEWEST = 10  # rows to learn a confidence from
POWER = 0.8  # with which labels that are asked for shall show what is there
GUESSED = 5  # rows that the mean confidence counts for, beside how many are right
SUREST = 0.98  # precision that is expected anywhere: confidences of few rows say more than they know
MOST_LABELS = 20_000  # more are no advice


Judged = tuple[Floats, Bools]  # confidence of some rows, and whether they are right


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


def choose(
    start: int, judged: Sequence[Bools], rows: Sequence[int], target: float, error: float
) -> int | None:
    """
    Choose a threshold: the laxest that passes before the first that fails.

    Parameters
    ----------
    start
        Where the sequence begins.
    judged
        Of each threshold, the strictest first, whether the randomly drawn rows above it are right, in the
        order of their draws.
    rows
        Of each threshold, how many of all rows are above it.
    target, error
        The promised precision, and the probability with which the promise may be broken.

    Returns
    -------
    Its number, None where even the first fails.
    """
    passed = None
    for number in range(start, len(judged)):
        if not evidence.shows(judged[number], max(rows[number], len(judged[number])), target, error):
            break
        passed = number
    return passed


def begin(learnt: Judged, thresholds: Floats, judged: Floats, target: float, error: float) -> int:
    """
    Say at which threshold to begin: the strictest that is about as likely to pass as any, by other rows.

    A sequence that begins too lax ends at once; one that begins strict comes to the lax ones.

    Parameters
    ----------
    learnt
        The rows that the confidence was learnt from, each with the confidence that it gets from the others.
    thresholds, judged
        Named beforehand, the strictest first, and how many of the rows that check are expected above each.
    target, error
        The promised precision, and the probability with which the promise may be broken.
    """
    powers = []
    for threshold, rows in zip(thresholds, judged, strict=True):
        above = learnt[0] >= threshold
        guess = (learnt[0][above].sum() + threshold) / (above.sum() + 1)
        expected = (learnt[1][above].sum() + GUESSED * guess) / (above.sum() + GUESSED)
        powers.append(_power(max(1, round(rows)), min(expected, SUREST), target, error))
    return int(np.argmax(np.array(powers) >= 0.95 * max(powers)))


def labels_needed(right: int, rows: int, kept: float, target: float, error: float) -> int | None:
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
    target, error
        The precision to promise, and the probability with which the promise may be broken.

    Returns
    -------
    None where no number would do, because what is above the threshold does not look better than the target.
    """
    if right + 1 <= target * (rows + 1):
        return None
    share = (right + 1) / (rows + 2)
    least = evidence.fewest(target, error)
    if share <= target:
        return ceil(2 * max(rows, least) / kept)
    few, many = 0, least
    while _power(many, share, target, error) < POWER:
        few, many = many, 2 * many
        if many > MOST_LABELS:
            return None
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if _power(middle, share, target, error) >= POWER else (middle, many)
    return ceil(many / kept)


def _power(rows: int, share: float, target: float, error: float) -> float:
    """Give the probability that so many rows, of which such a share is right, show the target."""
    many = evidence.enough(rows, target, error)
    return evidence.tail(many, rows, share) if many <= rows else 0.0


@dataclass(frozen=True)
class Promise:
    """
    What is promised for a kind or task, or why nothing is.

    Parameters
    ----------
    target, sure
        Least precision of what is kept, and the probability with which it is, over the draw of the rows that
        are judged and at all times together.
    judged
        Randomly drawn rows that were judged.
    threshold, kept, rows
        Least confidence, the share of all rows that has it, and how many these are.
    above, right, bound
        The judged ones of these, how many are right, and the precision that they show with confidence
        `sure`. A row that was left out or could not be judged counts as judged and not right.
    doubt
        Given that the promise was made: the probability that it is broken, by these verdicts and a prior
        that takes every precision as equally likely.
    needed
        Where nothing is promised: how many randomly drawn rows must be judged for it, if things are as
        they look. None where no number would do.
    missing
        Rows that wait for a verdict: where nothing is promised, those of `needed` that have none; where rows
        that came later are not under the promise, those among them that the sample lacks.
    release, later
        The run in which the rows under the promise were first promised something, empty for this one; and
        how many rows came later, about which nothing is promised.
    why
        Where nothing is promised: the reason.
    """

    target: float
    sure: float
    judged: int
    threshold: float | None = None
    kept: float = 0.0
    rows: int = 0
    above: int = 0
    right: int = 0
    bound: float = 0.0
    doubt: float | None = None
    needed: int | None = None
    missing: int | None = None
    release: str = ""
    later: int = 0
    why: str = ""

    @classmethod
    def impossible(cls, target: float, sure: float, judged: int) -> "Promise":
        """Say that there are no scores, or too few labels to learn from."""
        needed = max(FEWEST, evidence.fewest(target, (1 - sure) * FIRST))
        return cls(
            target,
            sure,
            judged,
            needed=needed,
            missing=max(needed - judged, 1),
            why="no scores, or too few labels to learn from",
        )


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


def promise(
    target: float,
    sure: float,
    thresholds: Floats,
    kept: Floats,
    learnt: Judged,
    judged: Judged,
    rows: int = UNLIMITED,
    share: float = 1.0,
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
        The randomly drawn rows, in the order of their draws.
    rows
        How many rows there are in all.
    share
        The share of the error, 1 - `sure`, that this test may use.
    """
    none = Promise(target, sure, len(judged[0]))
    if not len(thresholds):
        return replace(none, why="there are no rows")
    error = (1 - sure) * share
    before, counts = (Counts.of(thresholds, *part) for part in (learnt, judged))
    above = [judged[1][judged[0] >= threshold] for threshold in thresholds]
    sizes = np.round(kept * rows).astype(int).tolist()
    start = begin(learnt, thresholds, kept * none.judged, target, error)
    passed = choose(start, above, sizes, target, error)
    if passed is not None:
        count, right = counts.rows[passed], counts.right[passed]
        return replace(
            none,
            threshold=float(thresholds[passed]),
            kept=float(kept[passed]),
            rows=sizes[passed],
            above=count,
            right=right,
            bound=evidence.lower_bound(above[passed], max(sizes[passed], count), error),
            doubt=evidence.doubt(right, count, target),
        )
    count, right = (np.add(getattr(before, name), getattr(counts, name)) for name in ("rows", "right"))
    best = _fastest(right, count, kept, target)
    needed = labels_needed(int(right[best]), int(count[best]), kept[best], target, error)
    looks = f"of the surest {kept[best]:.0%} of the rows, {right[best]} of {count[best]} labels are right"
    hope = "more labels may show it" if needed else "no number of labels shows a precision that is not there"
    missing = max(needed - none.judged, 1) if needed else None
    return replace(none, needed=needed, missing=missing, why=f"{looks}: {hope}")


def _fastest(right: Counted, rows: Counted, kept: Floats, target: float) -> int:
    """Say above which threshold labels would show the target soonest, as things look."""
    share = (right + 1) / (rows + 2)
    evidence_a_row = share * np.log(share / target) + (1 - share) * np.log((1 - share) / (1 - target))
    return int(np.argmax(np.where(share > target, kept * evidence_a_row, -share)))
