"""
The threshold above which the share of right rows is at least the target, with stated confidence.

The promise holds for three reasons, all necessary:

* The rows judged for it are drawn at random from all rows (`datagen.stages.confidence.labels.draw`), so
  those above a threshold are a random sample of all rows above it, in random order. The bound on their
  precision holds at all times together (`datagen.stages.confidence.calibrate.evidence`): judging more rows
  until it passes, or truncating the file where it passed, gains nothing.
* These rows were not used to learn the confidence.
* The best-looking of many thresholds is not picked: with enough of them, one looks good by luck. They are
  tested one after another in an order that other labels determine, and the first failure ends the test. A
  wrong threshold is chosen only if the first wrong one of the sequence passes: fixed-sequence testing, with
  a start learned from the other labels (Angelopoulos et al., Learn then Test, arXiv 2110.01052).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from datagen.stages.confidence.calibrate import evidence
from datagen.stages.confidence.calibrate.curves import Bools, Floats
from datagen.stages.confidence.calibrate.evidence import UNLIMITED
from datagen.stages.confidence.calibrate.power import labels_needed, power

BINS = 10_000  # of confidence, in which all rows are counted
STEPS = 20  # candidate thresholds: those that keep 5%, 10%, ... of the rows
FIRST = 0.9  # share of the error for the first promise, which later runs repeat; the rest is for new rows
FEWEST = 10  # rows needed to learn a confidence
GUESSED = 5  # pseudo-observations that the mean confidence counts for
SUREST = 0.98  # highest precision expected anywhere: confidences learned from few rows are too high


Judged = tuple[Floats, Bools]  # confidence of each row, and whether it is right


@dataclass(frozen=True)
class Counts:
    """Number of judged rows at or above each threshold, and number of right ones among them."""

    rows: Sequence[int]
    right: Sequence[int]

    @classmethod
    def of(cls, thresholds: Floats, confidence: Floats, right: Bools) -> "Counts":
        """Count rows at or above each threshold."""
        above = confidence >= thresholds[:, None]
        return cls(above.sum(1).tolist(), (above & right).sum(1).tolist())


def choose(
    start: int, judged: Sequence[Bools], rows: Sequence[int], target: float, error: float
) -> int | None:
    """
    Choose the lowest threshold that passes before the first failure.

    Parameters
    ----------
    start
        Index of the first threshold to test.
    judged
        Per threshold, the highest first, whether the randomly drawn rows above it are right, in draw order.
    rows
        Per threshold, the number of all rows above it.
    target, error
        The promised precision, and the permitted probability of breaking the promise.

    Returns
    -------
    Index of the threshold; None if the first one fails.
    """
    passed = None
    for number in range(start, len(judged)):
        if not evidence.shows(judged[number], max(rows[number], len(judged[number])), target, error):
            break
        passed = number
    return passed


def begin(training: Judged, thresholds: Floats, judged: Floats, target: float, error: float) -> int:
    """
    Choose the threshold to test first: the highest that is about as likely to pass as any other.

    A sequence that starts too low ends at once; one that starts high reaches the lower ones.

    Parameters
    ----------
    training
        The rows that the confidence was learned from, each with its held-out confidence.
    thresholds, judged
        The thresholds, fixed in advance, the highest first, and the expected number of checking rows above
        each.
    target, error
        The precision to promise, and the permitted probability of breaking the promise.
    """
    confidence, right = training
    powers = []
    for threshold, rows in zip(thresholds, judged, strict=True):
        above = confidence >= threshold
        guess = (confidence[above].sum() + threshold) / (above.sum() + 1)
        expected = (right[above].sum() + GUESSED * guess) / (above.sum() + GUESSED)
        powers.append(power(max(1, round(rows)), min(expected, SUREST), target, error))
    return int(np.argmax(np.array(powers) >= 0.95 * max(powers)))


@dataclass(frozen=True)
class Promise:
    """
    The promise for a kind or task, or the reason why there is none.

    Parameters
    ----------
    target, sure
        Minimum precision of the kept rows, and the probability that it holds, over the random sample and at
        all times together.
    judged
        Number of randomly drawn rows that were judged.
    threshold, kept, rows
        Minimum confidence, and the share and number of all rows that reach it.
    above, right, bound
        Number of judged rows among these, number of right ones, and the precision that they show with
        confidence `sure`. A row that was skipped or could not be judged counts as wrong.
    doubt
        Given the promise: the posterior probability that it is broken, under a uniform prior.
    needed
        Without a promise: the estimated number of randomly drawn rows to judge for it; all rows if wrong ones
        were lost. None if no number suffices.
    missing
        Rows that need a verdict. Without a promise: those of `needed` that have none. If rows added later are
        not covered: those of them that the sample lacks.
    release, later
        The run that made the promise, empty for this one; and the number of rows added since, which it does
        not cover.
    why
        Without a promise: the reason.
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
        """State that there are no scores, or too few labels to learn from."""
        needed = max(FEWEST, evidence.fewest(target, (1 - sure) * FIRST))
        return cls(
            target,
            sure,
            judged,
            needed=needed,
            missing=max(needed - judged, 1),
            why="no scores, or too few labels to learn from",
        )


Counted = npt.NDArray[np.int64]  # number of rows in each bin of confidence


def bin_of(confidence: Floats) -> Counted:
    """Return the bin of each confidence."""
    return np.minimum((confidence * BINS).astype(np.int64), BINS - 1)


def steps(rows: Counted) -> tuple[Floats, Floats]:
    """
    Fix the thresholds before looking at any verdict, the highest first.

    Parameters
    ----------
    rows
        Number of rows in each bin of confidence.

    Returns
    -------
    The thresholds, and the share of the rows at or above each.
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
    training: Judged,
    judged: Judged,
    rows: int = UNLIMITED,
    share: float = 1.0,
) -> Promise:
    """
    Find the threshold for a promise, or report what is missing.

    Parameters
    ----------
    target, sure
        The precision to promise, and the probability that it holds.
    thresholds, kept
        The thresholds, fixed in advance, the highest first, and the share of all rows at or above each.
    training
        The rows that the confidence was learned from, each with its held-out confidence.
    judged
        The randomly drawn rows, in draw order.
    rows
        Number of all rows.
    share
        Share of the error, 1 - `sure`, that this test may use.
    """
    none = Promise(target, sure, len(judged[0]))
    if not len(thresholds):
        return replace(none, why="there are no rows")
    error = (1 - sure) * share
    counts = Counts.of(thresholds, *judged)
    above = [judged[1][judged[0] >= threshold] for threshold in thresholds]
    sizes = np.round(kept * rows).astype(int).tolist()
    start = begin(training, thresholds, kept * none.judged, target, error)
    passed = choose(start, above, sizes, target, error)
    if passed is None:
        return _unmet(none, Counts.of(thresholds, *training), counts, kept, error)
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


def _unmet(none: Promise, training: Counts, judged: Counts, kept: Floats, error: float) -> Promise:
    """Report why no threshold passes, and how many labels may change that."""
    rows, right = np.add(training.rows, judged.rows), np.add(training.right, judged.right)
    best = _fastest(right, rows, kept, none.target)
    needed = labels_needed(int(right[best]), int(rows[best]), kept[best], none.target, error)
    observed = (
        f"of the {kept[best]:.0%} of the rows with the highest confidence, {right[best]} of {rows[best]} "
        "labels are right"
    )
    advice = "more labels may show it" if needed else "the precision is too low for any number of labels"
    missing = max(needed - none.judged, 1) if needed else None
    return replace(none, needed=needed, missing=missing, why=f"{observed}: {advice}")


def _fastest(right: Counted, rows: Counted, kept: Floats, target: float) -> int:
    """Choose the threshold at which the fewest further labels are expected to show the target."""
    share = (right + 1) / (rows + 2)
    evidence_per_row = share * np.log(share / target) + (1 - share) * np.log((1 - share) / (1 - target))
    return int(np.argmax(np.where(share > target, kept * evidence_per_row, -share)))
