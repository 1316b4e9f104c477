"""
The rows to judge.

A third of all rows, selected by the hash of their ids, can be judged to *learn* the combination of scores;
the others *check* promises, which takes more labels. The two are sampled differently:

* Checking rows are judged in the order of their draws, without choice: a random sample. This alone makes
  the exact binomial bound valid above any threshold, so these rows must not be chosen freely.
* Learning rows are taken equally from each fifth of a score, so that its whole range is covered.

Split and draw depend only on the row and the recipe's seed. So the stage that reads the labels can
reconstruct the sample from any source of verdicts: the checking rows up to the last one that has a verdict.
Rows without a verdict among them count as wrong. A refresh keeps the verdicts on unchanged rows, and first
asks for those on new rows that precede the end of the sample.
"""

from collections.abc import Iterable, Sequence
from itertools import chain, zip_longest

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from datagen.rows import Row
from datagen.schema import fraction

LEARN = 1 / 3  # of the rows
STRATA = 5
WIDE = 20  # candidates per learning row

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


def drawn(ids: Sequence[str], seed: str) -> Floats:
    """Draw a number in [0, 1) for each row, which also identifies it in later runs."""
    return np.array([fraction("label", seed, name) for name in ids], np.float64)


def split(numbers: Floats) -> tuple[Mask, Floats]:
    """Return which rows check rather than teach, given their numbers, and each row's draw in [0, 1)."""
    checks = numbers >= LEARN
    return checks, np.where(checks, (numbers - LEARN) / (1 - LEARN), numbers / LEARN)


def draws(ids: Sequence[str], seed: str) -> tuple[Mask, Floats]:
    """Return which rows check rather than teach, and each row's draw in [0, 1)."""
    return split(drawn(ids, seed))


def group_of(rows: pa.Table, groups: Sequence[str]) -> npt.NDArray[np.int64]:
    """
    Return each row's group number, or -1.

    A group is a kind, or a task written kind/task, which takes precedence.
    """
    numbers = np.full(len(rows), -1, np.int64)
    for number in sorted(range(len(groups)), key=lambda number: "/" in groups[number]):
        kind, _, task = groups[number].partition("/")
        members = pc.equal(rows["kind"], kind)
        if task:
            members = pc.and_(members, pc.equal(rows["task"], task))
        numbers[pc.fill_null(members, False).combine_chunks().to_numpy(zero_copy_only=False)] = number
    return numbers


def sample(
    tables: Iterable[pa.Table], groups: Sequence[str], count: int, seed: str, score: str = ""
) -> list[str]:
    """
    Draw the rows to judge.

    Parameters
    ----------
    tables
        The partitions: id, kind, task, and the score. Memory holds one partition and O(`count`) rows.
    groups
        Kinds or tasks to sample.
    count
        Rows per group.
    seed
        Seed of the sample.
    score
        The column by which learning rows are stratified; none if it is empty or missing.

    Returns
    -------
    Ids in the order in which to judge: two checking rows, then one learning row, alternating between the
    groups, so that the sample is balanced at any point.
    """
    learn_count = round(LEARN * count)
    check = [_Lowest(count - learn_count) for _ in groups]
    learn = [_Lowest(WIDE * learn_count) for _ in groups]
    for table in tables:
        group, scores = group_of(table, groups), _numbers(table, score)
        checks, lots = draws(table["id"].to_pylist(), seed)
        for lowest, purpose in ((check, checks), (learn, ~checks)):
            for number, rows in enumerate(lowest):
                members = purpose & (group == number)
                rows.add(table["id"].filter(pa.array(members)).to_pylist(), lots[members], scores[members])
    queues = []
    for checking, teaching in zip(check, learn, strict=True):
        spread = _spread(teaching.ids, teaching.scores, learn_count)
        turns = zip_longest(checking.ids[::2], checking.ids[1::2], spread)
        queues.append([name for turn in turns for name in turn if name])
    return [name for turn in zip_longest(*queues) for name in turn if name]


def gaps_first(judged: Sequence[str], rows: Sequence[Row], seed: str) -> list[Row]:
    """
    Move the rows that precede the end of the random sample to the front, keeping the order of both parts.

    After a refresh these are the new rows needed to extend a promise to all rows; each counts as wrong until
    it has a verdict.

    Parameters
    ----------
    judged
        Ids of drawn rows that have a verdict.
    rows
        Drawn rows without one.
    seed
        Seed of the recipe.
    """
    checks, lots = draws(judged, seed)
    deepest = lots[checks].max(initial=0.0)
    checking, draw = draws([row["id"] for row in rows], seed)
    gap = checking & (draw < deepest)
    return [rows[place] for place in (*np.flatnonzero(gap), *np.flatnonzero(~gap))]


def _numbers(rows: pa.Table, score: str) -> npt.NDArray[np.float64]:
    if score not in rows.column_names:
        return np.full(len(rows), np.nan)
    return np.asarray(pc.cast(rows[score].combine_chunks(), pa.float64()).to_numpy(zero_copy_only=False))


class _Lowest:
    """The `count` rows with the lowest draws."""

    def __init__(self, count: int) -> None:
        self._count = count
        self.ids: list[str] = []
        self.scores = np.empty(0)
        self._draws = np.empty(0)

    def add(
        self, ids: Sequence[str], drawn: npt.NDArray[np.float64], scores: npt.NDArray[np.float64]
    ) -> None:
        """Consider further rows."""
        drawn, scores = np.concatenate([self._draws, drawn]), np.concatenate([self.scores, scores])
        first = np.argsort(drawn, kind="stable")[: self._count]
        candidates = [*self.ids, *ids]
        self.ids = [candidates[index] for index in first.tolist()]
        self._draws, self.scores = drawn[first], scores[first]


def _spread(ids: Sequence[str], scores: npt.NDArray[np.float64], count: int) -> list[str]:
    """Choose equally from each fifth of the scores, in draw order; nulls sort highest."""
    fifths = np.array_split(np.argsort(scores, kind="stable"), STRATA)
    turns = zip_longest(*(np.sort(fifth).tolist() for fifth in fifths))
    chosen = [index for index in chain.from_iterable(turns) if index is not None]
    return [ids[index] for index in chosen[:count]]
