"""
Which rows are to be judged.

A third of all rows, by a draw that is the hash of their ids, may be judged to *learn* from, the others to
*check* a promise: a combination of scores is learnt from few labels, a promise is not checked by few. The
two are drawn in different ways, each after its purpose:

* To check, rows are taken in the order of their draws, without choice: a random sample. That alone makes
  the exact binomial bound hold above any threshold, and it is why nobody may pick which rows of these to
  judge.
* To learn, the same number is taken from each fifth of a score, so that all of its range is seen.

Coin and draw depend on the row and the recipe's seed only. So the stage that reads the labels knows what
the sample was, whoever gave the verdicts and wherever they are kept: the checking rows up to the last one
that has a verdict. One of them without a verdict counts as wrong. A refresh keeps the verdicts on rows that
stay, and asks first for those on the new ones that the sample has gone past.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, zip_longest
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from datagen.schema import fraction

LEARN = 1 / 3  # of the rows
STRATA = 5
WIDE = 20  # rows from which one to learn from is chosen

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


def drawn(ids: Sequence[str], seed: str) -> Floats:
    """Draw a number in [0, 1) for each row, by which it is also recognised in a later run."""
    return np.array([fraction("label", seed, name) for name in ids], np.float64)


def split(numbers: Floats) -> tuple[Mask, Floats]:
    """Tell by their numbers which rows check and do not teach, and each row's draw in [0, 1)."""
    checks = numbers >= LEARN
    return checks, np.where(checks, (numbers - LEARN) / (1 - LEARN), numbers / LEARN)


def draws(ids: Sequence[str], seed: str) -> tuple[Mask, Floats]:
    """Tell which rows check and do not teach, and each row's draw in [0, 1)."""
    return split(drawn(ids, seed))


def group_of(rows: pa.Table, groups: Sequence[str]) -> npt.NDArray[np.int64]:
    """Tell of which group each row is: a kind, or a task written kind/task, which goes first; -1 for none."""
    found = np.full(len(rows), -1, np.int64)
    for number in sorted(range(len(groups)), key=lambda number: "/" in groups[number]):
        kind, _, task = groups[number].partition("/")
        mine = pc.equal(rows["kind"], kind)
        if task:
            mine = pc.and_(mine, pc.equal(rows["task"], task))
        found[pc.fill_null(mine, False).combine_chunks().to_numpy(zero_copy_only=False)] = number
    return found


def sample(
    tables: Iterable[pa.Table], groups: Sequence[str], most: int, seed: str, score: str = ""
) -> list[str]:
    """
    Draw the rows that are to be judged.

    Parameters
    ----------
    tables
        The partitions: id, kind, task, and the score. Memory holds one, and as many rows as `most` asks for.
    groups
        Kinds or tasks that are drawn from.
    most
        Rows of each group.
    seed
        Draws another sample.
    score
        The column by which rows to learn from are spread; none where it is empty or not there.

    Returns
    -------
    Ids in the order in which to judge: two to check, one to learn from, group by group in turn, so that
    whoever stops has judged of each sort about as much.
    """
    taught = round(LEARN * most)
    check = [_Lowest(most - taught) for _ in groups]
    learn = [_Lowest(WIDE * taught) for _ in groups]
    for table in tables:
        group, scores = group_of(table, groups), _numbers(table, score)
        checks, lots = draws(table["id"].to_pylist(), seed)
        for lowest, half in ((check, checks), (learn, ~checks)):
            for number, rows in enumerate(lowest):
                mine = half & (group == number)
                rows.add(table["id"].filter(pa.array(mine)).to_pylist(), lots[mine], scores[mine])
    queues = []
    for checking, teaching in zip(check, learn, strict=True):
        spread = _spread(teaching.ids, teaching.scores, taught)
        turns = zip_longest(checking.ids[::2], checking.ids[1::2], spread)
        queues.append([name for turn in turns for name in turn if name])
    return [name for turn in zip_longest(*queues) for name in turn if name]


def gaps_first(
    judged: Sequence[str], rows: Sequence[Mapping[str, Any]], seed: str
) -> list[Mapping[str, Any]]:
    """
    Put the rows that the random sample has gone past before the others, each part in its order.

    After a refresh these are the new rows that extend a promise to all of them; each counts as wrong while it
    has no verdict.

    Parameters
    ----------
    judged
        Ids of drawn rows that have a verdict.
    rows
        Drawn rows without one.
    seed
        The recipe's.
    """
    checks, lots = draws(judged, seed)
    deepest = lots[checks].max(initial=0.0)
    mine, draw = draws([row["id"] for row in rows], seed)
    gap = mine & (draw < deepest)
    return [rows[place] for place in (*np.flatnonzero(gap), *np.flatnonzero(~gap))]


def _numbers(rows: pa.Table, score: str) -> npt.NDArray[np.float64]:
    if score not in rows.column_names:
        return np.full(len(rows), np.nan)
    result: npt.NDArray[np.float64] = pc.cast(rows[score].combine_chunks(), pa.float64()).to_numpy(
        zero_copy_only=False
    )
    return result


class _Lowest:
    """The rows with the lowest draws."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.ids: list[str] = []
        self.scores = np.empty(0)
        self._draws = np.empty(0)

    def add(
        self, ids: Sequence[str], drawn: npt.NDArray[np.float64], scores: npt.NDArray[np.float64]
    ) -> None:
        """Look at further rows."""
        drawn, scores = np.concatenate([self._draws, drawn]), np.concatenate([self.scores, scores])
        first = np.argsort(drawn, kind="stable")[: self._most]
        names = [*self.ids, *ids]
        self.ids = [names[index] for index in first.tolist()]
        self._draws, self.scores = drawn[first], scores[first]


def _spread(ids: Sequence[str], scores: npt.NDArray[np.float64], most: int) -> list[str]:
    """Choose as many from each fifth of the scores, in the order of their draws; nulls are the highest."""
    fifths = np.array_split(np.argsort(scores, kind="stable"), STRATA)
    turns = zip_longest(*(np.sort(fifth).tolist() for fifth in fifths))
    chosen = [index for index in chain.from_iterable(turns) if index is not None]
    return [ids[index] for index in chosen[:most]]
