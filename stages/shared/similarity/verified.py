"""
Verify candidate pairs of near duplicates on all their words, in tasks for workers.

A task verifies a range of the pairs that `datagen.stages.shared.similarity.pairs` writes to files.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from datagen.stages.shared.similarity.alike import compare
from datagen.stages.shared.similarity.criteria import Criteria
from datagen.stages.shared.similarity.ngrams import Numbers
from datagen.stages.shared.similarity.other_words import have_other_words
from datagen.stages.shared.similarity.pairs import Work
from datagen.stages.shared.similarity.sketch import FIELDS, Mask, Sketches

BLOCK = 20_000  # pairs verified at once
RANGE = 200_000  # approximate number of pairs verified per task


def ranges(paths: Sequence[Path]) -> list[tuple[int, int]]:
    """Cut the pairs of all files into ranges of about the same size."""
    files = [np.load(path, mmap_mode="r") for path in paths]
    total = sum(map(len, files))
    sample = np.sort(np.concatenate([file[:: max(1, total // 100_000)] for file in files]))
    if not len(sample):
        return []
    parts = -(-total // RANGE)
    edges = sample[np.arange(1, parts) * len(sample) // parts].tolist()
    return [(low, high) for low, high in zip([0, *edges], [*edges, 2**63 - 1], strict=True) if low < high]


@dataclass(frozen=True)
class Likenesses:
    """Verified pairs: two rows, their similarity, its field, and whether the answers differ."""

    left: Numbers
    right: Numbers
    similarity: np.ndarray
    measure: np.ndarray  # twice the index of the least similar field, plus one if it is long
    conflict: Mask

    @classmethod
    def concatenate(cls, parts: Sequence["Likenesses"]) -> "Likenesses":
        """Concatenate the pairs of several tasks."""
        rows = [[part.left, part.right, part.similarity, part.measure, part.conflict] for part in parts]
        rows.append([np.empty(0, kind) for kind in (np.int64, np.int64, float, np.int64, bool)])
        return cls(*(np.concatenate(column) for column in zip(*rows, strict=True)))


def verify(work: Work, task: tuple[int, int, Sequence[Path]]) -> Likenesses:
    """Compare the pairs of a range, field by field, on all their words."""
    low, high, paths = task
    files = [np.load(path, mmap_mode="r") for path in paths]
    pairs = np.unique(np.concatenate([file[slice(*np.searchsorted(file, [low, high]))] for file in files]))
    sketches = work.sketches
    left, right = pairs // len(sketches), pairs % len(sketches)
    blocks = (slice(start, start + BLOCK) for start in range(0, len(pairs), BLOCK))
    return Likenesses.concatenate(
        [part for block in blocks for part in _verify(sketches, left[block], right[block], work.criteria)]
    )


def _verify(sketches: Sketches, left: Numbers, right: Numbers, criteria: Criteria) -> Iterator[Likenesses]:
    """Yield the pairs that are similar in all fields, and those that are similar except in their answers."""
    rows, places = np.unique(np.concatenate([left, right]), return_inverse=True)
    first, second = places.reshape(2, -1)
    least, measure = np.full(len(left), 2.0), np.zeros(len(left), np.int64)
    for number, name in enumerate(FIELDS):
        texts = sketches.texts(name, rows)
        similarity, long = compare(
            texts,
            first,
            second,
            criteria.long_from,
            criteria.threshold,
            criteria.short_threshold,
        )
        if not criteria.ignore_other_words:
            near = np.flatnonzero(similarity > 0)
            other = have_other_words(texts.words, first[near], second[near], long[near], sketches.spelled)
            similarity[near[other]] = 0
        different = similarity == 0
        if name == "answer":
            conflict = different & (sketches.take("asked", rows)[first] > 0)
            yield _select(rows, first, second, least, measure, conflict, True)
        lower = similarity < least
        measure[lower] = (2 * number + long)[lower]
        least = np.minimum(least, similarity)
        similar = ~different
        first, second, least, measure = first[similar], second[similar], least[similar], measure[similar]
    yield _select(rows, first, second, least, measure, np.ones(len(first), bool), False)


def _select(
    rows: Numbers,
    first: Numbers,
    second: Numbers,
    least: np.ndarray,
    measure: Numbers,
    which: Mask,
    conflict: bool,
) -> Likenesses:
    pairs = rows[first[which]], rows[second[which]]
    return Likenesses(*pairs, least[which], measure[which], np.full(int(which.sum()), conflict))
