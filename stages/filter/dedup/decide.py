"""
Which rows are dropped, and why.

Rows are processed from the best; a row is dropped only if it is like one that was kept. So a chain of rows,
each like the next, does not collapse to its first row: every dropped row has the measured similarity to one
that was kept.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise

import numpy as np

from datagen.stages.shared.ranking import SCORES, confidence
from datagen.stages.shared.similarity.alike import SHINGLE
from datagen.stages.shared.similarity.ngrams import Hashes, Numbers
from datagen.stages.shared.similarity.pairs import order_by_quality
from datagen.stages.shared.similarity.sketch import FIELDS, Sketches
from datagen.stages.shared.similarity.verified import Likenesses

EXACT, NEAR, CONFLICT = range(3)
REASONS = ("exact duplicate", "near duplicate", "conflicting answer")
MEASURES = [
    f"{measure} of {name}" for name in FIELDS for measure in ("ROUGE-L", f"Jaccard over {SHINGLE} words")
]


@dataclass(frozen=True)
class Drops:
    """The dropped rows in ascending order: reason, row kept instead, similarity to it, and its measure."""

    rows: Numbers
    reason: Numbers
    stays: Numbers
    similarity: np.ndarray
    measure: Numbers

    def take(self, places: Numbers | slice) -> "Drops":
        """Select rows."""
        return Drops(*(getattr(self, column.name)[places] for column in fields(self)))


def decide(
    sketches: Sketches,
    earlier: int,
    copies: tuple[Numbers, Numbers],
    questions: tuple[Numbers, Hashes],
    alike: Likenesses,
) -> Drops:
    """
    Decide on the rows that are like others, from the best.

    Parameters
    ----------
    sketches
        All rows.
    earlier
        Number of rows from earlier releases.
    copies
        Rows that equal another one, and that row. They are dropped with it.
    questions
        Rows that have the same question as another but a different answer, and their questions.
    alike
        The verified pairs.
    """
    drops = dict(_greedy(sketches, earlier, questions, alike))
    rows = np.fromiter(drops, np.int64, len(drops))
    reason, stays, similarity, measure = np.array([*drops.values()], float).reshape(-1, 4).T
    near = Drops(rows, reason.astype(np.int64), stays.astype(np.int64), similarity, measure.astype(np.int64))
    return _with_copies(near.take(np.argsort(rows)), *copies)


Drop = tuple[int, int, float, int]  # reason, row kept instead, similarity, measure


def _greedy(
    sketches: Sketches, earlier: int, questions: tuple[Numbers, Hashes], alike: Likenesses
) -> Iterator[tuple[int, Drop]]:
    """Decide row by row; each decision depends on earlier ones, so this loops, over these rows only."""
    rows = np.unique(np.concatenate([alike.left, alike.right, questions[0]]))
    places = [np.searchsorted(rows, numbers) for numbers in (alike.left, alike.right, questions[0])]
    likenesses = np.bincount(np.concatenate(places[:2])[np.tile(~alike.conflict, 2)], minlength=len(rows))
    left, right = np.concatenate(places[:2]), np.concatenate(places[1::-1])
    by_left = np.argsort(left, kind="stable")
    ends = np.cumsum(np.bincount(left, minlength=len(rows))).tolist()
    others, pair = right[by_left].tolist(), np.tile(np.arange(len(alike.left)), 2)[by_left].tolist()
    similarity, measure, conflict = alike.similarity.tolist(), alike.measure.tolist(), alike.conflict.tolist()
    question_hashes = np.zeros(len(rows), np.uint64)
    question_hashes[places[2]] = questions[1]
    question_of, number = question_hashes.tolist(), rows.tolist()
    stays = bytearray(len(rows))
    answered: dict[int, int] = {}
    order = order_by_quality(sketches, rows, earlier, -likenesses)
    rank = np.argsort(order).tolist()
    for row in order.tolist():
        edges = range(ends[row - 1] if row else 0, ends[row])
        kept = [edge for edge in edges if stays[others[edge]]]  # none of an earlier row: these come first
        question = question_of[row]
        if kept:
            best = max(kept, key=lambda at: (not conflict[pair[at]], similarity[pair[at]], -rank[others[at]]))
            reason = CONFLICT if conflict[pair[best]] else NEAR
            yield number[row], (reason, number[others[best]], similarity[pair[best]], measure[pair[best]])
        elif question and answered.setdefault(question, row) != row and number[row] >= earlier:
            yield number[row], (CONFLICT, number[answered[question]], 1.0, 0)
        else:
            stays[row] = 1


def _with_copies(drops: Drops, copies: Numbers, best: Numbers) -> Drops:
    """Drop each copy: with the row that it equals if that is dropped, else as an exact duplicate of it."""
    at = np.searchsorted(drops.rows, best).clip(max=max(len(drops.rows) - 1, 0))
    dropped = drops.rows[at] == best if len(drops.rows) else np.zeros(len(best), bool)
    zeros = np.zeros(int((~dropped).sum()), np.int64)
    equal = Drops(copies[~dropped], zeros + EXACT, best[~dropped], zeros + 1.0, zeros)
    shared = replace(drops.take(at[dropped]), rows=copies[dropped])
    columns = [
        np.concatenate([getattr(part, column.name) for part in (drops, equal, shared)])
        for column in fields(Drops)
    ]
    return Drops(*columns).take(np.argsort(columns[0]))


@dataclass(frozen=True)
class Verdict:
    """
    The dropped rows of a partition.

    Parameters
    ----------
    drops
        The dropped rows, numbered from the first row of the partition.
    ids, releases
        Ids and releases of the rows kept instead; the release is "" for this run.
    ours, theirs
        Score -> its values for the dropped rows, and for the rows kept instead.
    """

    drops: Drops
    ids: np.ndarray
    releases: np.ndarray
    ours: dict[str, np.ndarray]
    theirs: dict[str, np.ndarray]


def judge(sketches: Sketches, drops: Drops, names: Sequence[str], first: int) -> Iterator[Verdict]:
    """
    Collect the details of the dropped rows, by partition.

    Parameters
    ----------
    sketches, drops
        All rows, and the dropped ones.
    names
        Release of each partition of `sketches`.
    first
        Index of the first partition of this run.
    """
    ids = sketches.take("id", drops.stays)
    releases = np.array(names, object)[np.searchsorted(sketches.starts, drops.stays, side="right") - 1]
    ours, theirs = (
        {name: sketches.take(name, rows) for name in SCORES} for rows in (drops.rows, drops.stays)
    )
    for start, stop in pairwise(sketches.starts[first:].tolist()):
        part = slice(*np.searchsorted(drops.rows, [start, stop]).tolist())
        part_drops = drops.take(part)
        yield Verdict(
            replace(part_drops, rows=part_drops.rows - start),
            ids[part],
            releases[part],
            *({name: score[part] for name, score in scores.items()} for scores in (ours, theirs)),
        )


def explain(verdict: Verdict) -> tuple[list[str], list[str]]:
    """Return the reasons and details of the dropped rows."""
    drops, details = verdict.drops, []
    for n, reason in enumerate(drops.reason.tolist()):
        measured = f"{drops.similarity[n]:.3f} by {MEASURES[drops.measure[n]]}"
        if reason == EXACT:
            evidence = "equal except for case, whitespace and punctuation"
        elif reason == NEAR:
            evidence = measured
        else:
            question = "the same question" if drops.similarity[n] == 1 else measured
            evidence = f"{question}, {_confidence(verdict.ours, n)} against {_confidence(verdict.theirs, n)}"
        release = f" of release {verdict.releases[n]}" if verdict.releases[n] else ""
        details.append(f"of {verdict.ids[n]}{release}: {evidence}")
    return [REASONS[reason] for reason in drops.reason.tolist()], details


def _confidence(scores: dict[str, np.ndarray], row: int) -> str:
    values = {name: column[row] for name, column in scores.items()}
    return confidence({name: None if np.isinf(value) else float(value) for name, value in values.items()})
