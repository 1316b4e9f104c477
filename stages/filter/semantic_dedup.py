"""
Drop rows that repeat a better row in other words (SemDeDup).

Texts are embedded (`datagen.stages.shared.similarity.vectors`) and clustered, and within a cluster a row is
dropped if its cosine with a kept row is at least `similarity`. Rows are processed best first, by their scores
and then in random order, so every dropped row is near a kept one and chains do not collapse to their first
row. Near rows need not be duplicates: a pair must also share the same names, numbers, signs and negations
(`datagen.stages.shared.language.anchor_terms`). Rows of different kinds are not compared.

All workers embed, cluster and compare; intermediate results are files. Similar rows in different clusters
are not found: this is the cost of not comparing all pairs, and it grows as clusters get smaller.

Source: Abbas et al., "SemDeDup: Data-efficient learning at web-scale through semantic deduplication", arXiv
2303.09540. It keeps the row farthest from the centre of its cluster; here the better row is kept.
"""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import Field

import datagen.stage
from datagen.schema import content_id, fraction
from datagen.stage import Context, Outcome, Partitions, WholeStage
from datagen.stages.shared.language.anchor_terms import subjects
from datagen.stages.shared.ranking import SCORES, best_first, scores
from datagen.stages.shared.similarity.ngrams import Numbers
from datagen.stages.shared.similarity.sketch import Reader
from datagen.stages.shared.similarity.vectors import Embedder, Vectors, encoder, learn, text_of

COMPARED = ("id", "kind", "question", "answer", "text")
SAMPLE = 50_000  # rows that clusters are learned from
ROUNDS = 20  # maximum iterations of k-means
BLOCK = 1024  # rows compared at once


class Options(datagen.stage.Options):
    """The embedding, and the similarity that makes rows duplicates."""

    model: str = Field(
        encoder.NAME,
        description="encoder, bundled, or a checkpoint folder; '': words and letters, without synonyms",
    )
    similarity: float = Field(
        0.85, gt=0, le=1, description="Minimum cosine of duplicates; for bundled, use 0.95"
    )
    cluster: int = Field(
        2000, ge=2, description="Approximate rows per cluster, all of which are compared pairwise"
    )


@dataclass(frozen=True)
class Verdict:
    """The dropped rows of a partition: their places, the ids of the rows kept instead, and the cosines."""

    rows: Numbers
    stays: list[str]
    cosine: np.ndarray


def run(partitions: Partitions, options: Options, context: Context) -> Iterator[Verdict]:
    """Embed all rows, cluster them, and compare within the clusters."""
    if not len(partitions):
        return
    shutil.rmtree(context.scratch, ignore_errors=True)
    context.scratch.mkdir(parents=True)
    folder = context.folder / options.model
    model = str(folder) if options.model and folder.is_dir() else options.model
    columns = [partial(_texts, reader) for reader in partitions.readers]
    embedder = learn(model, columns, context.scratch / "learned.npy", context.each)
    folders = [context.scratch / f"part-{number:05d}" for number in range(len(partitions))]
    write = partial(embed, embedder=embedder, seed=str(context.seed))
    rows = context.each(write, list(zip(partitions.readers, folders, strict=True)))
    centres = learn_centres(folders, sum(rows), options.cluster)
    clusters = sorted(set().union(*context.each(partial(assign, centres=centres), folders)))
    duplicates = context.each(partial(compare, folders=folders, threshold=options.similarity), clusters)
    yield from _by_partition(duplicates, folders)


def _texts(reader: Reader) -> pa.ChunkedArray:
    return text_of(reader(COMPARED))


def embed(task: tuple[Reader, Path], embedder: Embedder, seed: str) -> int:
    """Write a partition's vectors and the columns that rank its rows; return the number of rows."""
    reader, folder = task
    table = reader([*COMPARED, *SCORES])
    texts = text_of(table)
    folder.mkdir()
    np.save(folder / "vectors.npy", embedder.embed(texts))
    ids = table["id"].to_pylist()
    columns = {
        "id": table["id"],
        "kind": table["kind"] if "kind" in table.column_names else pa.array([""] * len(table), pa.string()),
        "terms": [content_id(*sorted(terms)) for terms in subjects(texts)],
        "draw": pa.array([fraction("semantic", seed, row) for row in ids], pa.float64()),
        **scores(table),
    }
    pq.write_table(pa.table(columns), folder / "rows.parquet")
    return len(table)


def learn_centres(folders: Sequence[Path], rows: int, size: int) -> Vectors:
    """
    Learn the centres of clusters of about `size` rows, by spherical k-means over a sample.

    The sample and the initial centres are drawn by row id, so the order of rows does not matter.
    """
    share = SAMPLE / max(rows, 1)
    draws, vectors = [], []
    for folder in folders:
        draw = pq.read_table(folder / "rows.parquet", columns=["draw"])["draw"].to_numpy()
        drawn = np.flatnonzero(draw < share)
        draws.append(draw[drawn])
        vectors.append(np.load(folder / "vectors.npy", mmap_mode="r")[drawn])
    sample = np.concatenate(vectors)[np.argsort(np.concatenate(draws), kind="stable")]
    centres = sample[: max(1, round(rows / size))]
    nearest = np.full(len(sample), -1)
    for _ in range(ROUNDS if len(centres) > 1 else 0):
        before, nearest = nearest, _nearest(sample, centres)
        if (before == nearest).all():
            break
        sums = np.zeros_like(centres)
        np.add.at(sums, nearest, sample)
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        centres = np.where(lengths > 0, sums / np.maximum(lengths, 1e-9), centres)
    return np.asarray(centres)


def _nearest(vectors: Vectors, centres: Vectors) -> Numbers:
    blocks = (vectors[start : start + BLOCK] for start in range(0, len(vectors), BLOCK))
    return np.concatenate([np.empty(0, np.int64), *((block @ centres.T).argmax(axis=1) for block in blocks)])


def assign(folder: Path, centres: Vectors) -> set[tuple[str, int]]:
    """Write the cluster of each row of a partition; return the clusters, separately for each kind."""
    nearest = _nearest(np.load(folder / "vectors.npy", mmap_mode="r"), centres)
    np.save(folder / "clusters.npy", nearest)
    kinds = pq.read_table(folder / "rows.parquet", columns=["kind"])["kind"].to_pylist()
    return set(zip(kinds, nearest.tolist(), strict=True))


# Partition and place of each dropped row and of the row kept instead, and their cosines.
Duplicates = tuple[Numbers, Numbers, np.ndarray]


def compare(cluster: tuple[str, int], folders: Sequence[Path], threshold: float) -> Duplicates:
    """Find the duplicates in a cluster."""
    kind, number = cluster
    rows, vectors, places = [], [], []
    for part, folder in enumerate(folders):
        inside = np.flatnonzero(np.load(folder / "clusters.npy") == number)
        if len(inside):
            table = pq.read_table(folder / "rows.parquet").take(inside)
            same_kind = pc.equal(table["kind"], kind).to_numpy(zero_copy_only=False)
            rows.append(table.filter(same_kind))
            vectors.append(np.load(folder / "vectors.npy", mmap_mode="r")[inside[same_kind]])
            places.append(np.stack([np.full(same_kind.sum(), part), inside[same_kind]], axis=1))
    table, place = pa.concat_tables(rows), np.concatenate(places)
    order = best_first(table, ("draw", "ascending"))
    _, term_sets = np.unique(table["terms"].take(order).to_pylist(), return_inverse=True)
    dropped, kept, cosine = greedy(np.concatenate(vectors)[order], term_sets, threshold)
    return place[order[dropped]], place[order[kept]], cosine


def greedy(vectors: Vectors, term_sets: Numbers, threshold: float) -> tuple[Numbers, Numbers, np.ndarray]:
    """
    Process rows from the best; drop each that is near one already kept with the same anchor terms.

    Parameters
    ----------
    vectors
        The rows, best first; float32 of length 1. A zero vector is near nothing.
    term_sets
        Number of each row's set of anchor terms: only rows with the same set are compared.
    threshold
        Minimum cosine of duplicates.

    Returns
    -------
    The dropped rows, the nearest kept row of each, and their cosine.
    """
    kept = np.empty(0, np.int64)
    dropped: list[tuple[int, int, float]] = []
    for start in range(0, len(vectors), BLOCK):
        block = np.arange(start, min(start + BLOCK, len(vectors)))
        others = np.concatenate([kept, block])
        near = vectors[block] @ vectors[others].T
        near[term_sets[block][:, None] != term_sets[others]] = 0
        stays = np.concatenate([np.ones(len(kept), bool), np.zeros(len(block), bool)])
        for row, cosines in enumerate(near):
            met = np.flatnonzero((cosines >= threshold) & stays)
            if len(met):
                nearest = met[cosines[met].argmax()]
                dropped.append((int(block[row]), int(others[nearest]), float(cosines[nearest])))
            else:
                stays[len(kept) + row] = True
        kept = others[stays]
    columns = np.array(dropped, float).reshape(-1, 3)
    return columns[:, 0].astype(np.int64), columns[:, 1].astype(np.int64), columns[:, 2]


def _by_partition(duplicates: Sequence[Duplicates], folders: Sequence[Path]) -> Iterator[Verdict]:
    dropped, kept = (np.concatenate([part[side] for part in duplicates]).reshape(-1, 2) for side in (0, 1))
    cosine = np.concatenate([part[2] for part in duplicates])
    kept_ids = np.empty(len(kept), object)
    for number, folder in enumerate(folders):
        in_part = kept[:, 0] == number
        if in_part.any():
            ids = pq.read_table(folder / "rows.parquet", columns=["id"])["id"]
            kept_ids[in_part] = ids.take(kept[in_part, 1]).to_pylist()
    for number in range(len(folders)):
        in_part = dropped[:, 0] == number
        yield Verdict(dropped[in_part, 1], kept_ids[in_part].tolist(), cosine[in_part])


def apply(rows: pa.Table, verdict: Verdict, options: Options, context: Context) -> Outcome:
    """Drop the duplicates, naming the row kept instead of each."""
    reasons, details = np.full((2, len(rows)), None, object)
    reasons[verdict.rows] = "semantic duplicate"
    source = f"vectors of {options.model}" if options.model else "vectors of words and letters"
    for row, kept, cosine in zip(verdict.rows.tolist(), verdict.stays, verdict.cosine.tolist(), strict=True):
        details[row] = f"of {kept}: cosine {cosine:.3f} of {source}"
    return Outcome.split(rows, pa.array(reasons, pa.string()), pa.array(details, pa.string()))


stage = WholeStage(
    name="semantic_dedup",
    summary="drop rows that repeat a better row in other words",
    takes="examples",
    gives="examples",
    run=run,
    apply=apply,
    options=Options,
)
