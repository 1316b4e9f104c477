"""Counts over all rows of a run, judged or not, that calibrate needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from datagen.stages.confidence.calibrate.combination import Combination
from datagen.stages.confidence.calibrate.curves import Bools, Floats
from datagen.stages.confidence.calibrate.labelled import later_than, numbers
from datagen.stages.confidence.calibrate.population import Population
from datagen.stages.confidence.calibrate.promises import BINS, Counted, bin_of
from datagen.stages.confidence.labels import file
from datagen.stages.confidence.labels.draw import drawn, group_of, split
from datagen.stages.shared.similarity.sketch import Reader


@dataclass(frozen=True)
class Gaps:
    """
    Rows without a verdict that precede the last judged row of a group's random sample, in draw order.

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
        Rows per bin of confidence: rows that an earlier promise covers, and rows added later.
    gaps
        Rows missing from the sample.
    numbers
        Draws that identify all rows in a later run.
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
        Reads columns of the partition.
    fits
        Groups, and the combination that computes confidence in each.
    deepest
        Per group, the draw of the last judged checking row.
    verdicts
        Key of a label -> verdict.
    seed
        Seed of the recipe.
    before
        Per group, the rows that an earlier promise covers.
    """
    content = file.by_content(verdicts)
    scores = {name for _, fit in fits if fit for name in fit.scores}
    rows = reader(["id", "kind", "task", *(file.CONTENT if content else ()), *scores])
    group, lots = group_of(rows, [name for name, _ in fits]), drawn(rows["id"].to_pylist(), seed)
    later, (checks, draw) = later_than(before, group, lots), split(lots)
    judged = np.array([key is not None for key in file.keys_of(rows, verdicts, content)], np.bool_)
    counts = []
    for number, (_, fit) in enumerate(fits):
        members = group == number
        confidence = np.full(len(rows), np.nan)
        if fit is not None:
            confidence[members] = fit(numbers(rows.filter(members), fit.scores))
            place = later[members] * BINS + bin_of(confidence[members])
            bins = np.bincount(place, minlength=2 * BINS).reshape(2, BINS)
        else:
            bins = np.zeros((2, BINS), np.int64)
        gap = members & checks & ~judged & (draw < deepest[number])
        counts.append(Rows(bins, Gaps(draw[gap], confidence[gap], later[gap]), lots[members]))
    return counts


def add_up(parts: Sequence[Sequence[Rows]], groups: int) -> list[Rows]:
    """Merge the counts of all partitions."""
    empty = Rows(
        np.zeros((2, BINS), np.int64), Gaps(np.empty(0), np.empty(0), np.empty(0, bool)), np.empty(0)
    )
    merged = []
    for group in zip(*parts, strict=True) if parts else [()] * groups:
        counts = (empty, *group)
        draw = np.concatenate([rows.gaps.draw for rows in counts])
        order = np.argsort(draw, kind="stable")
        columns = (
            np.concatenate([getattr(rows.gaps, name) for rows in counts]) for name in ("confidence", "later")
        )
        gaps = Gaps(draw[order], *(column[order] for column in columns))
        draws = np.concatenate([rows.numbers for rows in counts])
        merged.append(Rows(sum(rows.bins for rows in counts), gaps, draws))
    return merged
