"""All rows of a run, counted by what calibrate must know of those that nobody judged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from datagen.stages.confidence.calibrate.combination import Combination
from datagen.stages.confidence.calibrate.curves import Bools, Floats
from datagen.stages.confidence.calibrate.labelled import Reader, later_than, numbers
from datagen.stages.confidence.calibrate.population import Population
from datagen.stages.confidence.calibrate.promises import BINS, Counted, bin_of
from datagen.stages.confidence.labels import file
from datagen.stages.confidence.labels.draw import drawn, group_of, split


@dataclass(frozen=True)
class Gaps:
    """
    Rows that the random sample of a group goes past and that have no verdict, in the order of their draws.

    Parameters
    ----------
    draw, confidence, later
        As in `datagen.stages.confidence.calibrate.labelled.Labelled`.
    """

    draw: Floats
    confidence: Floats
    later: Bools


@dataclass(frozen=True)
class Rows:
    """
    The rows of a group.

    Parameters
    ----------
    bins
        How many there are in each bin of confidence: those under an earlier promise, and those that came
        later.
    gaps
        Those that the sample lacks.
    numbers
        By which all of them are recognised in a later run.
    """

    bins: Counted
    gaps: Gaps
    numbers: Floats


def count(
    reader: Reader,
    fits: Sequence[tuple[str, Combination | None]],
    deepest: Sequence[float],
    verdicts: Mapping[str, str],
    seed: str,
    before: Sequence[Population | None],
) -> list[Rows]:
    """
    Count the rows of a partition.

    Parameters
    ----------
    reader
        Reads columns of it.
    fits
        Groups, and how confidence is learnt from scores there.
    deepest
        Of each group, the draw up to which checking rows have been judged.
    verdicts
        Key of a label -> verdict.
    seed
        The recipe's.
    before
        Of each group, the rows that an earlier run promised something about.
    """
    content = file.by_content(verdicts)
    scores = {name for _, fit in fits if fit for name in fit.scores}
    rows = reader(["id", "kind", "task", *(file.CONTENT if content else ()), *scores])
    group, lots = group_of(rows, [name for name, _ in fits]), drawn(rows["id"].to_pylist(), seed)
    later, (checks, draw) = later_than(before, group, lots), split(lots)
    judged = np.array([key is not None for key in file.keys_of(rows, verdicts, content)], np.bool_)
    found = []
    for number, (_, fit) in enumerate(fits):
        mine = group == number
        sure = np.full(len(rows), np.nan)
        if fit is not None:
            sure[mine] = fit(numbers(rows.filter(mine), fit.scores))
            place = later[mine] * BINS + bin_of(sure[mine])
            bins = np.bincount(place, minlength=2 * BINS).reshape(2, BINS)
        else:
            bins = np.zeros((2, BINS), np.int64)
        gap = mine & checks & ~judged & (draw < deepest[number])
        found.append(Rows(bins, Gaps(draw[gap], sure[gap], later[gap]), lots[mine]))
    return found


def add_up(parts: Sequence[Sequence[Rows]], groups: int) -> list[Rows]:
    """Put the counts of all partitions together."""
    none = Rows(np.zeros((2, BINS), np.int64), Gaps(np.empty(0), np.empty(0), np.empty(0, bool)), np.empty(0))
    joined = []
    for each in zip(*parts, strict=True) if parts else [()] * groups:
        each = (none, *each)
        draw = np.concatenate([rows.gaps.draw for rows in each])
        order = np.argsort(draw, kind="stable")
        columns = (
            np.concatenate([getattr(rows.gaps, name) for rows in each]) for name in ("confidence", "later")
        )
        gaps = Gaps(draw[order], *(column[order] for column in columns))
        numbers_ = np.concatenate([rows.numbers for rows in each])
        joined.append(Rows(sum(rows.bins for rows in each), gaps, numbers_))
    return joined
