"""What is known of a kind or task, and what can be promised of which of its rows."""

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
    The random sample of a group in the order of the draws, rows without a verdict included.

    Parameters
    ----------
    confidence, right, later
        As in `datagen.stages.confidence.calibrate.labelled.Labelled`; a row without a verdict is not right.
    id
        Empty for a row without a verdict.
    """

    confidence: Floats
    right: Bools
    later: Bools
    id: Strings


@dataclass(frozen=True)
class Known:
    """What is known of a kind or task: its judged rows, all its rows, and the rows of an earlier promise."""

    judged: Labelled
    fit: Combination | None
    rows: Rows
    before: Population | None

    @cached_property
    def sample(self) -> Sample:
        """The random sample; without confidence where nothing was learnt."""
        checking, gaps = self.judged.checking, self.rows.gaps
        order = np.argsort(np.concatenate([checking.draw, gaps.draw]), kind="stable")
        sure = self.fit(checking.values) if self.fit else np.full(len(checking), np.nan)
        none = np.zeros(len(gaps.draw), np.bool_)
        return Sample(
            np.concatenate([sure, gaps.confidence])[order],
            np.concatenate([checking.right, none])[order],
            np.concatenate([checking.later, gaps.later])[order],
            np.concatenate([checking.id, none.astype("U0")])[order],
        )


def promise_for(known: Known, away: Sequence[bool], target: float, sure: float, way: Way) -> Promise:
    """
    Promise something about all rows of a group, or else about those of an earlier promise.

    The rows of the earlier promise are tested first, with most of the error; where they pass, all rows may
    use all of it (a fixed sequence). So a refresh neither ends the old promise nor opens a second one.

    Parameters
    ----------
    known
        The group.
    away
        Of the verdicts that match no row, whether each says right.
    target, sure
        The precision to promise, and with which probability.
    way
        How confidence is learnt.
    """
    teaching, checking = known.judged.teaching, known.judged.checking
    none = Promise(target, sure, len(checking))
    if away and (odds := chance(away, known.judged.right.tolist())) < CHANCE:
        wrong = len(away) - sum(away)
        return replace(
            none,
            why=f"{len(away)} verdicts match no row, and {wrong} of them are not right, more than chance "
            f"explains (p = {odds:.1g}): what stays of the sample looks better than the rows nobody judged",
        )
    if known.fit is None:
        return Promise.impossible(target, sure, len(checking))
    learnt = held_out(teaching.values, teaching.right, way), teaching.right
    if known.before is None:
        return _tested(known, learnt, none, FIRST)
    old = _tested(known, learnt, none, FIRST, old=True)
    whole = _tested(known, learnt, none, 1.0 if old.threshold is not None else 1 - FIRST)
    if whole.threshold is not None or old.threshold is None:
        return whole
    lacking = int(known.rows.gaps.later.sum())
    return replace(
        old,
        release=known.before.release,
        later=int(known.rows.bins[1].sum()),
        missing=lacking or whole.missing,
    )


def _tested(known: Known, learnt: Judged, none: Promise, share: float, old: bool = False) -> Promise:
    """Look for a threshold, for all rows or the old ones, with a share of the error."""
    bins = known.rows.bins[0] if old else known.rows.bins.sum(0)
    mine = ~known.sample.later if old else np.ones(len(known.sample.later), np.bool_)
    judged = known.sample.confidence[mine], known.sample.right[mine]
    found = promise(none.target, none.sure, *steps(bins), learnt, judged, int(bins.sum()), share)
    return replace(found, judged=none.judged)
