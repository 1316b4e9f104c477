"""
Find passages that may answer each question, by search over all passages.

Search is lexical (`datagen.stages.shared.passage_search`). With `model`, hits are also ranked by vectors, and
both rankings are combined by reciprocal rank fusion (Cormack et al. 2009); vectors only reorder lexical hits.

A passage that contains less than `least` of the question's content words is not a hit. For a question without
hits, `answered` is false; it keeps its nearest passage, and `open_questions` passes it to the refusals.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
from pydantic import Field

import datagen.stage
from datagen.rows import HitRow
from datagen.schema import HIT
from datagen.stage import Context, Outcome, Partitions, WholeStage
from datagen.stages.shared import passage_search
from datagen.stages.shared.language.rules import Languages
from datagen.stages.shared.passage import overlap
from datagen.stages.shared.similarity import vectors
from datagen.stages.shared.similarity.vectors import Embedder
from datagen.store.parquet import read_part

NAMES = [field.name for field in HIT if field.name != "share"]
FUSION = 60  # constant of reciprocal rank fusion

Verdict = tuple[int, Embedder | None]


class Hit(HitRow):
    """A passage found for a question, with its score in the search."""

    score: float


class Options(datagen.stage.Options):
    """How many passages each question gets, and what counts as a hit."""

    top: int = Field(3, ge=1, le=passage_search.BEST, description="Maximum number of passages per question")
    least: float = Field(
        0.5, gt=0, le=1, description="Minimum share of the question's content words that a hit contains"
    )
    model: str = Field(
        "",
        description="Also rank hits by vectors: encoder, bundled or a checkpoint's folder; left out: no",
    )


def run(partitions: Partitions, options: Options, context: Context) -> Iterator[Verdict]:
    """Search all passages for the questions of all partitions."""
    paths = passage_search.passage_files(context)
    questions = (table["question"].to_pylist() for table in partitions.columns(["question"]))
    passage_search.search(paths, map(passage_search.Queries.of, questions), context)
    embedder = None
    if options.model:
        columns = [partial(_texts, path) for path in paths]
        embedder = vectors.learn(options.model, columns, context.scratch / "learnt.npy", context.each)
    yield from ((number, embedder) for number in range(len(partitions)))


def _texts(path: Path) -> pa.ChunkedArray:
    return read_part(path, ["text"])["text"]


def apply(rows: pa.Table, verdict: Verdict, options: Options, context: Context) -> Outcome:
    """Give each question its passages."""
    number, embedder = verdict
    hits = fetch(passage_search.read_hits(context.scratch, number), passage_search.passage_files(context))
    answered: list[bool] = []
    passages: list[list[Hit]] = []
    languages = Languages(context)
    for index, row in enumerate(rows.select(["question", "lineage"]).to_pylist()):
        ranked = _ranked(row["question"], hits.get(index, []), embedder)
        content = set(languages.of(row).content(row["question"]))
        for hit in ranked:
            passage_words = set(languages.of(hit).content(hit["text"]))
            hit["share"] = overlap(sorted(content), passage_words) if content else 0.0
        relevant = [hit for hit in ranked if hit["share"] >= options.least]
        answered.append(bool(relevant))
        passages.append(relevant[: options.top] or ranked[:1])
    for name, values in (("answered", answered), ("passages", passages)):
        column = rows.schema.get_field_index(name)
        field = rows.schema.field(column)
        rows = rows.set_column(column, field, pa.array(values, field.type))
    figures = {"with passages": sum(answered), "without passages": len(answered) - sum(answered)}
    return replace(Outcome.all_kept(rows), figures=figures)


def fetch(matches: passage_search.Hits, paths: Sequence[Path]) -> dict[int, list[Hit]]:
    """Read the passages found: index of the question -> hits, best first."""
    hits: dict[int, list[Hit]] = {}
    for part in np.unique(matches["part"]).tolist():
        part_matches = matches[matches["part"] == part]
        rows, text_indices = np.unique(part_matches["row"], return_inverse=True)
        texts = read_part(paths[part], NAMES).take(rows).to_pylist()
        for hit, text_index in zip(part_matches, text_indices.tolist(), strict=True):
            passage: Hit = texts[text_index] | {"score": hit["score"].item()}
            hits.setdefault(hit["query"].item(), []).append(passage)
    for query, query_hits in hits.items():
        hits[query] = sorted(query_hits, key=lambda hit: (-hit["score"], hit["id"]))[: passage_search.BEST]
    return hits


def _ranked(question: str, hits: list[Hit], embedder: Embedder | None) -> list[Hit]:
    if embedder is None or len(hits) < 2:
        return hits
    embedded = embedder.embed(pa.array([question, *(hit["text"] for hit in hits)], pa.string()))
    similarity = embedded[1:] @ embedded[0]
    by_vector = np.argsort(np.argsort(-similarity, kind="stable"), kind="stable")
    fused = [1 / (FUSION + lexical) + 1 / (FUSION + int(rank)) for lexical, rank in enumerate(by_vector)]
    return [hits[index] for index in np.argsort(-np.array(fused), kind="stable").tolist()]


stage = WholeStage(
    name="retrieve",
    summary="find passages for each question, by search over all passages",
    takes="questions",
    gives="questions",
    run=run,
    apply=apply,
    options=Options,
)
