"""
The search for near duplicates, on all workers: sketch, find what is equal, find what is alike.

Candidates come from MinHash (`datagen.stages.shared.similarity.minhash`); short questions are all compared
with each other while there are not too many. Each candidate is verified on all its words
(`datagen.stages.shared.similarity.alike`). What is between two steps is kept in files.
"""

from functools import partial
from itertools import product
from pathlib import Path

import numpy as np

from datagen.stage import Context, Partitions
from datagen.stages.shared.similarity import pairs
from datagen.stages.shared.similarity.criteria import Criteria
from datagen.stages.shared.similarity.ngrams import Hashes, Numbers
from datagen.stages.shared.similarity.pairs import Likenesses, Work
from datagen.stages.shared.similarity.sketch import sketch


def sketch_all(partitions: Partitions, folder: Path, criteria: Criteria, context: Context) -> list[Path]:
    """Sketch each partition into a file of the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"part-{number:05d}.arrow" for number in range(len(partitions))]
    context.each(partial(sketch, criteria=criteria), list(zip(partitions.readers, paths, strict=True)))
    return paths


def find_equal(work: Work, context: Context) -> tuple[tuple[Numbers, Numbers], tuple[Numbers, Hashes]]:
    """Find the rows that are equal in normal form, and of the others those that ask the same."""
    shares = -(-len(work.sketches) // pairs.SHARE) or 1
    rows, copied = _together(context.each(partial(pairs.find_copies, work, shares), range(shares)))
    pairs.note_copies(work, rows)
    asked, questions = _together(context.each(partial(pairs.find_questions, work, shares), range(shares)))
    return (rows, copied), (asked, questions)


def _together(found: list[tuple[np.ndarray, ...]]) -> tuple[np.ndarray, ...]:
    return tuple(np.concatenate(column) for column in zip(*found, strict=True))


def find_alike(work: Work, context: Context) -> Likenesses:
    """Pair what is likely alike, by bands and, of the short questions, all with all; verify each pair."""
    shares = -(-len(work.sketches) // pairs.SHARE) or 1
    tasks = [(band, share, shares) for band, share in product(range(work.criteria.shape[0]), range(shares))]
    files = context.each(partial(pairs.pair_in_band, work), tasks)
    short = range(0, pairs.note_short(work), pairs.TILE)
    files += context.each(partial(pairs.pair_short, work), short)
    ranges = [(low, high, files) for low, high in pairs.ranges(files)]
    return Likenesses.together(context.each(partial(pairs.verify, work), ranges))
