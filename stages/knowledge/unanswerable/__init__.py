"""
Find a near miss for each question: a passage that seems to answer it but leaves it open.

Either the passage is replaced by another one, from the same document or found in the whole corpus by question
and answer; or the question is changed in a name, number or date. These conditions keep the question open:

* neither the answer nor an alias of it occurs in the passage, and the passage does not resemble the evidence;
* search scores the passage clearly lower than the question's own passage;
* the new name or number does not occur in the passage.

The judge makes the final decision (`datagen.stages.knowledge.refuse`). None of this depends on what the
target knows. A row that already has a near miss keeps it.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

import datagen.stage
from datagen.request import Reject
from datagen.rows import Fields, Row
from datagen.schema import NEAR_MISS, content_id, fraction
from datagen.stage import Context, Outcome, Partitions, WholeStage
from datagen.stages.knowledge.unanswerable import change
from datagen.stages.shared import passage_search
from datagen.stages.shared.language.matching import Aliases, contained_share, likeness
from datagen.stages.shared.language.rules import Language, Languages

TRIED = 32  # names to try from the same document, and from other documents
READ = ("question", "answer", "evidence", "context", "lineage", "near")


class Options(datagen.stage.Options):
    """How many near misses to make, and what counts as containing the answer."""

    share: float = Field(0.5, ge=0, le=1, description="Share of the questions that get a near miss")
    changed: float = Field(
        0.4, ge=0, le=1, description="Share of these in which the question is changed, if possible"
    )
    overlap: float = Field(
        0.6, gt=0, le=1, description="Reject a passage with this share of the answer's words"
    )
    rival: float = Field(
        0.8,
        gt=0,
        description="Reject a passage with this share of the search score of the question's own passage",
    )
    aliases: str = Field("", description="A YAML file, relative to the recipe: answer -> list of its aliases")


def run(partitions: Partitions, options: Options, context: Context) -> Iterator[int]:
    """Search all passages for the questions of all partitions; yield the partition numbers."""
    seed = str(context.seed)
    queries = (_queries(table, options, seed) for table in partitions.columns(READ))
    passage_search.search(passage_search.passage_files(context), queries, context)
    yield from range(len(partitions))


def apply(rows: pa.Table, number: int, options: Options, context: Context) -> Outcome:
    """Add a near miss, or the reason why there is none, to each drawn question without one."""
    seed, aliases = str(context.seed), Aliases.load(context.folder, options.aliases)
    records = rows.select(READ).to_pylist()
    candidates = _fetch(
        passage_search.read_hits(context.scratch, number), passage_search.passage_files(context)
    )
    languages = Languages(context)
    named = _Names(records, languages)
    near: list[Fields | None] = []
    for index, row in enumerate(records):
        if not _drawn(row, options, seed):
            near.append(row["near"])
            continue
        try:
            language = languages.of(row)
            near_miss = _change(row, named, options, seed, language) or _exchange(
                row, candidates.get(index, []), aliases, options, language
            )
        except Reject as why:
            near_miss = {"reason": why.reason, "detail": why.detail}
        near.append(near_miss)
    column = rows.schema.get_field_index("near")
    return Outcome.all_kept(rows.set_column(column, "near", pa.array(near, NEAR_MISS)))


def _drawn(row: Row, options: Options, seed: str) -> bool:
    if row["near"] or not row["question"]:
        return False
    # The string is not that of the stage: another one would draw, and ask about, other questions.
    return fraction("near_miss", row["question"], row["answer"], seed) < options.share


def _queries(rows: pa.Table, options: Options, seed: str) -> passage_search.Queries:
    records = rows.select(["question", "answer", "near"]).to_pylist()
    texts = [f"{row['question']} {row['answer']}" if _drawn(row, options, seed) else "" for row in records]
    return passage_search.Queries.of(texts, rows["lineage"].combine_chunks())


def _fetch(matches: passage_search.Hits, paths: Sequence[Path]) -> dict[int, list[Row]]:
    """Read the passages found, in the order in which to try them."""
    passages: dict[int, list[Row]] = {}
    for part in np.unique(matches["part"]).tolist():
        part_matches = matches[matches["part"] == part]
        rows, text_indices = np.unique(part_matches["row"], return_inverse=True)
        texts = pq.read_table(paths[part], columns=["id", "title", "text"]).take(rows).to_pylist()
        for hit, text_index in zip(part_matches, text_indices.tolist(), strict=True):
            measures = {name: hit[name].item() for name in ("score", "gap", "own")}
            passages.setdefault(hit["query"].item(), []).append(texts[text_index] | measures)
    for query, query_passages in passages.items():
        passages[query] = _in_turn(query_passages)
    return passages


def _in_turn(passages: list[Row]) -> list[Row]:
    """Order passages: the nearest of the same document first, then the best hits."""
    nearby = sorted(
        (passage for passage in passages if passage["gap"] >= 0),
        key=lambda passage: (passage["gap"], passage["id"]),
    )
    nearby = nearby[: passage_search.NEIGHBOURS]
    chosen = {passage["id"] for passage in nearby}
    rest = [passage for passage in passages if passage["id"] not in chosen]
    best = sorted(rest, key=lambda passage: (not passage["own"], -passage["score"], passage["id"]))[
        : 1 + passage_search.BEST
    ]
    return nearby + best


def _exchange(
    row: Row, passages: list[Row], aliases: Aliases, options: Options, language: Language
) -> Fields:
    """
    Choose the passage.

    Raises
    ------
    Reject
        If there is no passage, or each may contain the answer.
    """
    own_score = max((passage["score"] for passage in passages if passage["own"]), default=0.0)
    others = [passage for passage in passages if not passage["own"]]
    for passage in others:
        names = [row["answer"], *aliases.of(row["answer"], language)]
        answer_share = max(contained_share(name, passage["text"], language=language) for name in names)
        similarity = likeness(passage["text"], row["evidence"] or row["answer"], language=language)
        rivals = own_score > 0 and passage["score"] >= options.rival * own_score
        if max(answer_share, similarity) < options.overlap and not rivals:
            return {
                "question": row["question"],
                "change": "passage",
                "context": passage["text"],
                "title": passage["title"],
            }
    if others:
        raise Reject("context may answer it", f"all {len(others)} nearby passages may contain the answer")
    raise Reject("no other passage", "search finds only the question's own passage")


def _change(row: Row, named: "_Names", options: Options, seed: str, language: Language) -> Fields | None:
    """Change the question if it is drawn for this and has a name or number to change."""
    if not row["context"] or fraction("change", row["question"], seed) >= options.changed:
        return None
    replacement = change.changed(row["question"], row["context"], named.near(row), language, options.overlap)
    if replacement is None:
        return None
    return {
        "question": replacement[0],
        "change": replacement[1],
        "context": row["context"],
        "title": row["lineage"]["title"],
    }


class _Names:
    """The names in a partition's questions, as replacements for each other."""

    def __init__(self, rows: Sequence[Row], languages: Languages) -> None:
        self._documents: dict[str, list[str]] = {}
        for row in rows:
            mine = self._documents.setdefault(row["lineage"]["document_id"], [])
            mine += change.names(row["question"] or "", languages.of(row))
        all_names = {name for names in self._documents.values() for name in names}
        self._ring = sorted((content_id(name), name) for name in all_names)

    def near(self, row: Row) -> Iterator[str]:
        """Draw names, first from the same document; new rows change few draws."""
        mine = set(self._documents[row["lineage"]["document_id"]])
        yield from sorted(mine, key=lambda name: content_id(row["question"], name))[:TRIED]
        start = bisect_left(self._ring, (content_id(row["question"]), ""))
        for step in range(min(TRIED, len(self._ring))):
            yield self._ring[(start + step) % len(self._ring)][1]


stage = WholeStage(
    name="unanswerable",
    summary="find passages near a question's own that leave it open, by search over all passages",
    takes="probes",
    gives="probes",
    run=run,
    apply=apply,
    options=Options,
)
