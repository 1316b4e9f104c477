"""
Which rows go, and what is said of them.

Rows are taken from the best one; a row goes only where a row that stays is like it. So no chain of rows, each
like the next, falls to its first one, however long it is: what goes is as like what stays as was measured.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise

import numpy as np

from datagen.stages.shared.ranking import SCORES, confidence
from datagen.stages.shared.similarity.alike import SHINGLE
from datagen.stages.shared.similarity.ngrams import Hashes, Numbers
from datagen.stages.shared.similarity.pairs import Likenesses, order_by_quality
from datagen.stages.shared.similarity.sketch import FIELDS, Sketches

EXACT, NEAR, CONFLICT = range(3)
REASONS = ("exact duplicate", "near duplicate", "conflicting answer")
MEASURES = [f"{how} of {name}" for name in FIELDS for how in ("ROUGE-L", f"Jaccard over {SHINGLE} words")]


@dataclass(frozen=True)
class Fates:
    """The rows that go, in ascending order: why, for which row, how like that one, by which measure."""

    rows: Numbers
    reason: Numbers
    stays: Numbers
    similarity: np.ndarray
    measure: Numbers

    def take(self, places: Numbers | slice) -> "Fates":
        """Pick some."""
        return Fates(*(getattr(self, column.name)[places] for column in fields(self)))


def decide(
    sketches: Sketches,
    earlier: int,
    copies: tuple[Numbers, Numbers],
    questions: tuple[Numbers, Hashes],
    alike: Likenesses,
) -> Fates:
    """
    Go through the rows that are like others, from the best one.

    Parameters
    ----------
    sketches
        All rows.
    earlier
        How many of them are of earlier releases.
    copies
        Rows that are equal to another, and that one. They share its fate.
    questions
        Rows that ask what another one asks, with other answers, and their questions.
    alike
        The verified pairs.
    """
    fates = dict(_greedy(sketches, earlier, questions, alike))
    rows = np.fromiter(fates, np.int64, len(fates))
    told = np.array([*fates.values()], float).reshape(-1, 4).T
    reason, stays, measure = (told[at].astype(np.int64) for at in (0, 1, 3))
    near = Fates(rows, reason, stays, told[2], measure)
    return _with_copies(near.take(np.argsort(rows)), *copies)


Fate = tuple[int, int, float, int]  # reason, the row that stays, similarity, measure


def _greedy(
    sketches: Sketches, earlier: int, questions: tuple[Numbers, Hashes], alike: Likenesses
) -> Iterator[tuple[int, Fate]]:
    """Decide row by row; each decision rests on those before it, so this is a loop, over these rows only."""
    rows = np.unique(np.concatenate([alike.left, alike.right, questions[0]]))
    places = [np.searchsorted(rows, some) for some in (alike.left, alike.right, questions[0])]
    likenesses = np.bincount(np.concatenate(places[:2])[np.tile(~alike.conflict, 2)], minlength=len(rows))
    left, right = np.concatenate(places[:2]), np.concatenate(places[1::-1])
    by_left = np.argsort(left, kind="stable")
    ends = np.cumsum(np.bincount(left, minlength=len(rows))).tolist()
    others, pair = right[by_left].tolist(), np.tile(np.arange(len(alike.left)), 2)[by_left].tolist()
    similarity, measure, conflict = alike.similarity.tolist(), alike.measure.tolist(), alike.conflict.tolist()
    asks = np.zeros(len(rows), np.uint64)
    asks[places[2]] = questions[1]
    asked, number = asks.tolist(), rows.tolist()
    stays = bytearray(len(rows))
    answered: dict[int, int] = {}
    order = order_by_quality(sketches, rows, earlier, -likenesses)
    rank = np.argsort(order).tolist()
    for row in order.tolist():
        mine = range(ends[row - 1] if row else 0, ends[row])
        met = [at for at in mine if stays[others[at]]] if number[row] >= earlier else []
        question = asked[row]
        if met:
            most = max(met, key=lambda at: (not conflict[pair[at]], similarity[pair[at]], -rank[others[at]]))
            reason = CONFLICT if conflict[pair[most]] else NEAR
            yield number[row], (reason, number[others[most]], similarity[pair[most]], measure[pair[most]])
        elif question and answered.setdefault(question, row) != row and number[row] >= earlier:
            yield number[row], (CONFLICT, number[answered[question]], 1.0, 0)
        else:
            stays[row] = 1


def _with_copies(fates: Fates, copies: Numbers, best: Numbers) -> Fates:
    """Let each copy share the fate of the row that it is equal to; where that one stays, go for it."""
    at = np.searchsorted(fates.rows, best).clip(max=max(len(fates.rows) - 1, 0))
    gone = fates.rows[at] == best if len(fates.rows) else np.zeros(len(best), bool)
    none = np.zeros(int((~gone).sum()), np.int64)
    equal = Fates(copies[~gone], none + EXACT, best[~gone], none + 1.0, none)
    shared = replace(fates.take(at[gone]), rows=copies[gone])
    columns = [
        np.concatenate([getattr(some, column.name) for some in (fates, equal, shared)])
        for column in fields(Fates)
    ]
    return Fates(*columns).take(np.argsort(columns[0]))


@dataclass(frozen=True)
class Verdict:
    """
    What becomes of a partition.

    Parameters
    ----------
    fates
        The rows that go, numbered from the first row of the partition.
    ids, releases
        Of the rows that they go for: ids, and the release that each is of, "" for this run.
    ours, theirs
        Score -> what it says of the rows that go, and of those that they go for.
    """

    fates: Fates
    ids: np.ndarray
    releases: np.ndarray
    ours: dict[str, np.ndarray]
    theirs: dict[str, np.ndarray]


def judge(sketches: Sketches, fates: Fates, names: Sequence[str], first: int) -> Iterator[Verdict]:
    """
    Look up what there is to say of the rows that go, and hand it out by partition.

    Parameters
    ----------
    sketches, fates
        All rows, and those that go.
    names
        Of each partition of `sketches` the release that it is of.
    first
        The first partition of this run.
    """
    ids = sketches.take("id", fates.stays)
    releases = np.array(names, object)[np.searchsorted(sketches.starts, fates.stays, side="right") - 1]
    ours, theirs = ({name: sketches.take(name, of) for name in SCORES} for of in (fates.rows, fates.stays))
    for start, stop in pairwise(sketches.starts[first:].tolist()):
        here = slice(*np.searchsorted(fates.rows, [start, stop]).tolist())
        mine = fates.take(here)
        yield Verdict(
            replace(mine, rows=mine.rows - start),
            ids[here],
            releases[here],
            *({name: score[here] for name, score in of.items()} for of in (ours, theirs)),
        )


def tell(verdict: Verdict) -> tuple[list[str], list[str]]:
    """Say of each row that goes why it does: reason and detail."""
    fates, details = verdict.fates, []
    for n, reason in enumerate(fates.reason.tolist()):
        measured = f"{fates.similarity[n]:.3f} by {MEASURES[fates.measure[n]]}"
        if reason == EXACT:
            how = "equal but for case, blanks and punctuation"
        elif reason == NEAR:
            how = measured
        else:
            same = "the same question" if fates.similarity[n] == 1 else measured
            how = f"{same}, {_confidence(verdict.ours, n)} against {_confidence(verdict.theirs, n)}"
        release = f" of release {verdict.releases[n]}" if verdict.releases[n] else ""
        details.append(f"of {verdict.ids[n]}{release}: {how}")
    return [REASONS[reason] for reason in fates.reason.tolist()], details


def _confidence(scores: dict[str, np.ndarray], row: int) -> str:
    return confidence({name: None if np.isinf(of[row]) else float(of[row]) for name, of in scores.items()})
