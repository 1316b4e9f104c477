"""
Search for near duplicates on all workers: sketch rows, find equal rows, find similar rows.

Candidates come from MinHash (`datagen.stages.shared.similarity.minhash`); short questions are all compared
with each other if there are not too many. Each candidate is verified on all its words
(`datagen.stages.shared.similarity.alike`). Intermediate results are files.
"""

from functools import partial
from itertools import product
from pathlib import Path

import numpy as np

from datagen.stage import Context, Partitions
from datagen.stages.shared.similarity import pairs
from datagen.stages.shared.similarity.criteria import Criteria
from datagen.stages.shared.similarity.ngrams import Hashes, Numbers
from datagen.stages.shared.similarity.pairs import Work
from datagen.stages.shared.similarity.sketching import sketch
from datagen.stages.shared.similarity.verified import Likenesses, ranges, verify


def sketch_all(partitions: Partitions, folder: Path, criteria: Criteria, context: Context) -> list[Path]:
    """Sketch each partition into a file of the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"part-{number:05d}.arrow" for number in range(len(partitions))]
    context.each(partial(sketch, criteria=criteria), list(zip(partitions.readers, paths, strict=True)))
    return paths


def find_equal(work: Work, context: Context) -> tuple[tuple[Numbers, Numbers], tuple[Numbers, Hashes]]:
    """Find the rows that are equal in normal form, and among the others those with the same question."""
    shares = -(-len(work.sketches) // pairs.SHARE) or 1
    copies, originals = _concatenate(context.each(partial(pairs.find_copies, work, shares), range(shares)))
    pairs.write_copies(work, copies)
    rows, questions = _concatenate(context.each(partial(pairs.find_questions, work, shares), range(shares)))
    return (copies, originals), (rows, questions)


def _concatenate(results: list[tuple[np.ndarray, ...]]) -> tuple[np.ndarray, ...]:
    return tuple(np.concatenate(column) for column in zip(*results, strict=True))


def find_alike(work: Work, context: Context) -> Likenesses:
    """Find candidates by bands, and among the short questions by comparing all; verify each pair."""
    shares = -(-len(work.sketches) // pairs.SHARE) or 1
    tasks = [(band, share, shares) for band, share in product(range(work.criteria.shape[0]), range(shares))]
    files = context.each(partial(pairs.pair_in_band, work), tasks)
    short = range(0, pairs.write_short(work), pairs.TILE)
    files += context.each(partial(pairs.pair_short, work), short)
    tasks_of_pairs = [(low, high, files) for low, high in ranges(files)]
    return Likenesses.concatenate(context.each(partial(verify, work), tasks_of_pairs))
