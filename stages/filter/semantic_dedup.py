"""
Drop rows that say in other words what a better row says (SemDeDup).

Texts become vectors (`datagen.stages.shared.similarity.vectors`), vectors are put into clusters, and within a
cluster a row goes when its cosine with a row that stays is at least `similarity`. Rows are taken best first:
by their scores, then by a draw, so what goes is near what stays, and no chain falls to its first row. Near is
not the same: a pair goes only if both say the same names, numbers, signs and negations
(`datagen.stages.shared.language.anchor_terms`). Rows of different kinds are not compared.

Vectors are made, clusters assigned and compared on all workers; what is between two steps stands in files.
Two alike rows that fall into different clusters are not found: that is the price of not comparing all with
all, and the smaller the clusters, the higher.

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
SAMPLE = 50_000  # rows that clusters are learnt from
ROUNDS = 20  # of k-means
BLOCK = 1024  # rows compared at once


class Options(datagen.stage.Options):
    """How near rows must be, and by which vectors."""

    model: str = Field(
        encoder.NAME,
        description="encoder, bundled, or the folder of a checkpoint; '': words and letters, no synonyms",
    )
    similarity: float = Field(
        0.85, gt=0, le=1, description="Cosine from which rows say the same; for bundled, 0.95"
    )
    cluster: int = Field(2000, ge=2, description="Rows of a cluster, about: all are compared with all")


@dataclass(frozen=True)
class Verdict:
    """Of a partition the rows that go: where they stand, the ids of those that stay for them, how near."""

    rows: Numbers
    stays: list[str]
    cosine: np.ndarray


def run(partitions: Partitions, options: Options, context: Context) -> Iterator[Verdict]:
    """Embed all rows, put them into clusters, and compare within the clusters."""
    if not len(partitions):
        return
    shutil.rmtree(context.scratch, ignore_errors=True)
    context.scratch.mkdir(parents=True)
    folder = context.folder / options.model
    model = str(folder) if options.model and folder.is_dir() else options.model
    columns = [partial(_texts, reader) for reader in partitions.readers]
    embedder = learn(model, columns, context.scratch / "learnt.npy", context.each)
    folders = [context.scratch / f"part-{number:05d}" for number in range(len(partitions))]
    write = partial(embed, embedder=embedder, seed=str(context.seed))
    rows = context.each(write, list(zip(partitions.readers, folders, strict=True)))
    centres = learn_centres(folders, sum(rows), options.cluster)
    clusters = sorted(set().union(*context.each(partial(assign, centres=centres), folders)))
    found = context.each(partial(compare, folders=folders, least=options.similarity), clusters)
    yield from _by_partition(found, folders)


def _texts(reader: Reader) -> pa.ChunkedArray:
    return text_of(reader(COMPARED))


def embed(task: tuple[Reader, Path], embedder: Embedder, seed: str) -> int:
    """Write down a partition's vectors and what decides which row is the better one; count its rows."""
    reader, folder = task
    table = reader([*COMPARED, *SCORES])
    texts = text_of(table)
    folder.mkdir()
    np.save(folder / "vectors.npy", embedder.embed(texts))
    ids = table["id"].to_pylist()
    brief = {
        "id": table["id"],
        "kind": table["kind"] if "kind" in table.column_names else pa.array([""] * len(table), pa.string()),
        "says": [content_id(*sorted(said)) for said in subjects(texts)],
        "draw": pa.array([fraction("semantic", seed, row) for row in ids], pa.float64()),
        **scores(table),
    }
    pq.write_table(pa.table(brief), folder / "rows.parquet")
    return len(table)


def learn_centres(folders: Sequence[Path], rows: int, size: int) -> Vectors:
    """
    Find as many centres as there are clusters of a size, by spherical k-means over a sample.

    The sample and what it begins with are drawn by the rows' ids, so the order of rows changes nothing.
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
    result: Vectors = centres
    return result


def _nearest(vectors: Vectors, centres: Vectors) -> Numbers:
    blocks = (vectors[start : start + BLOCK] for start in range(0, len(vectors), BLOCK))
    return np.concatenate([np.empty(0, np.int64), *((block @ centres.T).argmax(axis=1) for block in blocks)])


def assign(folder: Path, centres: Vectors) -> set[tuple[str, int]]:
    """Write down of which cluster each row of a partition is; list the clusters, each kind's apart."""
    nearest = _nearest(np.load(folder / "vectors.npy", mmap_mode="r"), centres)
    np.save(folder / "clusters.npy", nearest)
    kinds = pq.read_table(folder / "rows.parquet", columns=["kind"])["kind"].to_pylist()
    return set(zip(kinds, nearest.tolist(), strict=True))


Found = tuple[Numbers, Numbers, np.ndarray]  # rows that go and rows that stay: partition and place; cosines


def compare(cluster: tuple[str, int], folders: Sequence[Path], least: float) -> Found:
    """Find the rows of a cluster that go."""
    kind, number = cluster
    rows, vectors, places = [], [], []
    for part, folder in enumerate(folders):
        inside = np.flatnonzero(np.load(folder / "clusters.npy") == number)
        if len(inside):
            table = pq.read_table(folder / "rows.parquet").take(inside)
            mine = pc.equal(table["kind"], kind).to_numpy(zero_copy_only=False)
            rows.append(table.filter(mine))
            vectors.append(np.load(folder / "vectors.npy", mmap_mode="r")[inside[mine]])
            places.append(np.stack([np.full(mine.sum(), part), inside[mine]], axis=1))
    table, place = pa.concat_tables(rows), np.concatenate(places)
    order = best_first(table, ("draw", "ascending"))
    _, says = np.unique(table["says"].take(order).to_pylist(), return_inverse=True)
    goes, stays, cosine = greedy(np.concatenate(vectors)[order], says, least)
    return place[order[goes]], place[order[stays]], cosine


def greedy(vectors: Vectors, says: Numbers, least: float) -> tuple[Numbers, Numbers, np.ndarray]:
    """
    Go through rows from the best; each goes that is near one that stays and says the same of the same.

    Parameters
    ----------
    vectors
        The rows, best first; float32 of length 1. One of zeros is near nothing.
    says
        Numbers of what they speak of: only rows with the same one are compared.
    least
        Cosine from which two rows are near.

    Returns
    -------
    The rows that go, for each the nearest one that stays, and their cosine.
    """
    kept = np.empty(0, np.int64)
    gone: list[tuple[int, int, float]] = []
    for start in range(0, len(vectors), BLOCK):
        here = np.arange(start, min(start + BLOCK, len(vectors)))
        others = np.concatenate([kept, here])
        near = vectors[here] @ vectors[others].T
        near[says[here][:, None] != says[others]] = 0
        stays = np.concatenate([np.ones(len(kept), bool), np.zeros(len(here), bool)])
        for row, cosines in enumerate(near):
            met = np.flatnonzero((cosines >= least) & stays)
            if len(met):
                nearest = met[cosines[met].argmax()]
                gone.append((int(here[row]), int(others[nearest]), float(cosines[nearest])))
            else:
                stays[len(kept) + row] = True
        kept = others[stays]
    told = np.array(gone, float).reshape(-1, 3)
    return told[:, 0].astype(np.int64), told[:, 1].astype(np.int64), told[:, 2]


def _by_partition(found: Sequence[Found], folders: Sequence[Path]) -> Iterator[Verdict]:
    goes, stays = (np.concatenate([of[side] for of in found]).reshape(-1, 2) for side in (0, 1))
    cosine = np.concatenate([of[2] for of in found])
    names = np.empty(len(stays), object)
    for part, folder in enumerate(folders):
        here = stays[:, 0] == part
        if here.any():
            ids = pq.read_table(folder / "rows.parquet", columns=["id"])["id"]
            names[here] = ids.take(stays[here, 1]).to_pylist()
    for part in range(len(folders)):
        here = goes[:, 0] == part
        yield Verdict(goes[here, 1], names[here].tolist(), cosine[here])


def apply(rows: pa.Table, verdict: Verdict, options: Options, context: Context) -> Outcome:
    """Take the rows out that go, and say of each for which one."""
    said = np.full((2, len(rows)), None, object)
    said[0, verdict.rows] = "semantic duplicate"
    by = f"vectors of {options.model}" if options.model else "vectors of words and letters"
    for row, stays, cosine in zip(verdict.rows.tolist(), verdict.stays, verdict.cosine.tolist(), strict=True):
        said[1, row] = f"of {stays}: cosine {cosine:.3f} of {by}"
    return Outcome.split(rows, pa.array(said[0], pa.string()), pa.array(said[1], pa.string()))


stage = WholeStage(
    name="semantic_dedup",
    summary="drop what a better row says already in other words",
    takes="examples",
    gives="examples",
    run=run,
    apply=apply,
    options=Options,
)
