"""The data of a kind or task, and what can be promised about which of its rows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from datagen.stages.confidence.calibrate.combination import Combination, Way, held_out
from datagen.stages.confidence.calibrate.counts import Rows
from datagen.stages.confidence.calibrate.curves import Bools, Floats
from datagen.stages.confidence.calibrate.labelled import Labelled, Strings
from datagen.stages.confidence.calibrate.lost import CHANCE, chance
from datagen.stages.confidence.calibrate.population import Population
from datagen.stages.confidence.calibrate.promises import FIRST, Judged, Promise, promise, steps


@dataclass(frozen=True)
class Sample:
    """
    The random sample of a group in draw order, including rows without a verdict.

    Parameters
    ----------
    confidence, right, later
        As in `datagen.stages.confidence.calibrate.labelled.Labelled`; rows without a verdict count as wrong.
    id
        Empty for a row without a verdict.
    """

    confidence: Floats
    right: Bools
    later: Bools
    id: Strings


@dataclass(frozen=True)
class GroupData:
    """The judged rows of a kind or task, its combination, counts of all rows, and rows promised earlier."""

    judged: Labelled
    fit: Combination | None
    rows: Rows
    before: Population | None

    @cached_property
    def sample(self) -> Sample:
        """The random sample; confidence is nan where no combination was learned."""
        checking, gaps = self.judged.checking, self.rows.gaps
        order = np.argsort(np.concatenate([checking.draw, gaps.draw]), kind="stable")
        confidence = self.fit(checking.values) if self.fit else np.full(len(checking), np.nan)
        unjudged = np.zeros(len(gaps.draw), np.bool_)
        return Sample(
            np.concatenate([confidence, gaps.confidence])[order],
            np.concatenate([checking.right, unjudged])[order],
            np.concatenate([checking.later, gaps.later])[order],
            np.concatenate([checking.id, unjudged.astype("U0")])[order],
        )


def promise_for(data: GroupData, unmatched: Sequence[bool], target: float, sure: float, way: Way) -> Promise:
    """
    Promise a precision of all rows of a group or, failing that, of the rows of an earlier promise.

    The rows of the earlier promise are tested first, with most of the error; if they pass, all rows are
    tested with the full error (a fixed sequence). Both promises are valid then, and the one that covers more
    rows is made. So a refresh neither ends the old promise nor adds a second one.

    Parameters
    ----------
    data
        The data of the group.
    unmatched
        Per verdict that matches no row, whether it is ``right``.
    target, sure
        The precision to promise, and the probability that it holds.
    way
        The method that combines scores into confidence.
    """
    teaching, checking = data.judged.teaching, data.judged.checking
    none = Promise(target, sure, len(checking))
    rows, unjudged = len(data.rows.numbers), len(data.rows.numbers) - len(data.judged)
    p_value = chance(unmatched, data.judged.right.tolist()) if unmatched and unjudged else 1.0
    if p_value < CHANCE:
        wrong = len(unmatched) - sum(unmatched)
        return replace(
            none,
            needed=rows,
            missing=unjudged,
            why=f"{len(unmatched)} verdicts match no row, and {wrong} of them are not right, more than "
            f"chance explains (p = {p_value:.1g}): the remaining sample looks better than the unjudged rows",
        )
    if data.fit is None:
        return Promise.impossible(target, sure, len(checking))
    training = held_out(teaching.values, teaching.right, way), teaching.right
    if data.before is None:
        return _tested(data, training, none, FIRST)
    for_old = _tested(data, training, none, FIRST, old=True)
    for_all = _tested(data, training, none, 1.0 if for_old.threshold is not None else 1 - FIRST)
    if for_old.threshold is None or for_all.rows >= for_old.rows:
        return for_all
    missing = int(data.rows.gaps.later.sum())
    return replace(
        for_old,
        release=data.before.release,
        later=int(data.rows.bins[1].sum()),
        missing=missing or for_all.missing,
    )


def _tested(data: GroupData, training: Judged, none: Promise, share: float, old: bool = False) -> Promise:
    """Search for a threshold for all rows, or for the old ones, with a share of the error."""
    bins = data.rows.bins[0] if old else data.rows.bins.sum(0)
    members = ~data.sample.later if old else np.ones(len(data.sample.later), np.bool_)
    judged = data.sample.confidence[members], data.sample.right[members]
    tested = promise(none.target, none.sure, *steps(bins), training, judged, int(bins.sum()), share)
    return replace(tested, judged=none.judged)
