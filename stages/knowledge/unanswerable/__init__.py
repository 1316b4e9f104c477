"""
Find a near miss for each question: a passage that seems to answer it but leaves it open.

Either the passage is another one: of the same document, or found for question and answer in the whole
corpus. Or the question is another one, with a name, number or date in it changed. Search over all passages
checks that the question stays open:

* the answer's words do not occur in the passage, under any of its names, and the passage is not like the
  evidence;
* search does not score the passage nearly as high as the question's own passage;
* what was changed in a question does not occur in the passage.

The judge decides in the end (`datagen.stages.knowledge.refuse`). None of this depends on what the target
knows. A row that has a near miss already keeps it.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

import datagen.stage
from datagen.request import Reject
from datagen.schema import NEAR_MISS, content_id, fraction
from datagen.stage import Context, Outcome, Partitions, WholeStage
from datagen.stages.knowledge.unanswerable import change
from datagen.stages.shared import passage_search
from datagen.stages.shared.language.matching import Aliases, likeness, standing
from datagen.stages.shared.language.rules import Language, Languages

Row = Mapping[str, Any]
TRIED = 32  # names of the same document that may take another's place, and of others
READ = ("question", "answer", "evidence", "context", "lineage", "near")


class Options(datagen.stage.Options):
    """How many near misses are made, and what counts as containing the answer."""

    share: float = Field(0.5, ge=0, le=1, description="Share of the questions that are given a near miss")
    changed: float = Field(
        0.4, ge=0, le=1, description="Of these, the share in which the question is changed where it can be"
    )
    overlap: float = Field(0.6, gt=0, le=1, description="What is shown may hold no such share of the answer")
    rival: float = Field(
        0.8, gt=0, description="Nor may search score it so high, as a share of the question's own passage"
    )
    aliases: str = Field(
        "", description="A YAML file, relative to the recipe: answer -> list of what means the same"
    )


def run(partitions: Partitions, options: Options, context: Context) -> Iterator[int]:
    """Search all passages for the questions of all partitions; a partition is told its number."""
    seed = str(context.seed)
    queries = (_queries(table, options, seed) for table in partitions.columns(READ))
    passage_search.search(passage_search.shelves(context), queries, context)
    yield from range(len(partitions))


def apply(rows: pa.Table, number: int, options: Options, context: Context) -> Outcome:
    """Give each drawn question its near miss, or the reason why it has none; one that has some keeps it."""
    seed, aliases = str(context.seed), Aliases.load(context.folder, options.aliases)
    told = rows.select(READ).to_pylist()
    candidates = _fetch(passage_search.found(context.scratch, number), passage_search.shelves(context))
    languages = Languages(context)
    named = _Names(told, languages)
    near: list[dict[str, Any] | None] = []
    for place, row in enumerate(told):
        if not _drawn(row, options, seed):
            near.append(row["near"])
            continue
        try:
            language = languages.of(row)
            made = _change(row, named, options, seed, language) or _exchange(
                row, candidates.get(place, []), aliases, options, language
            )
        except Reject as why:
            made = {"reason": why.reason, "detail": why.detail}
        near.append(made)
    column = rows.schema.get_field_index("near")
    return Outcome.all_kept(rows.set_column(column, "near", pa.array(near, NEAR_MISS)))


def _drawn(row: Row, options: Options, seed: str) -> bool:
    if row["near"] or not row["question"]:
        return False
    return fraction("near_miss", row["question"], row["answer"], seed) < options.share


def _queries(rows: pa.Table, options: Options, seed: str) -> passage_search.Queries:
    told = rows.select(["question", "answer", "near"]).to_pylist()
    texts = [f"{row['question']} {row['answer']}" if _drawn(row, options, seed) else "" for row in told]
    return passage_search.Queries.of(texts, rows["lineage"].combine_chunks())


def _fetch(found: passage_search.Found, paths: Sequence[Path]) -> dict[int, list[Row]]:
    """Read the passages that were found, in the order in which they are tried."""
    told: dict[int, list[Row]] = {}
    for part in np.unique(found["part"]).tolist():
        mine = found[found["part"] == part]
        rows, places = np.unique(mine["row"], return_inverse=True)
        texts = pq.read_table(paths[part], columns=["id", "title", "text"]).take(rows).to_pylist()
        for hit, place in zip(mine, places.tolist(), strict=True):
            measured = {name: hit[name].item() for name in ("score", "gap", "own")}
            told.setdefault(hit["query"].item(), []).append(texts[place] | measured)
    for query, rows_ in told.items():
        told[query] = _in_turn(rows_)
    return told


def _in_turn(found: list[Row]) -> list[Row]:
    """Order passages: the nearest of the same document first, then the best hits."""
    near = sorted((one for one in found if one["gap"] >= 0), key=lambda one: (one["gap"], one["id"]))
    near = near[: passage_search.NEIGHBOURS]
    taken = {one["id"] for one in near}
    rest = [one for one in found if one["id"] not in taken]
    best = sorted(rest, key=lambda one: (not one["own"], -one["score"], one["id"]))[: 1 + passage_search.BEST]
    return near + best


def _exchange(
    row: Row, found: list[Row], aliases: Aliases, options: Options, language: Language
) -> dict[str, Any]:
    """
    Choose the passage.

    Raises
    ------
    Reject
        When each of them may contain the answer, or there is none.
    """
    own = max((one["score"] for one in found if one["own"]), default=0.0)
    tried = [one for one in found if not one["own"]]
    for passage in tried:
        names = [row["answer"], *aliases.of(row["answer"], language)]
        held = max(standing(name, passage["text"], language=language) for name in names)
        alike = likeness(passage["text"], row["evidence"] or row["answer"], language=language)
        rivals = own > 0 and passage["score"] >= options.rival * own
        if max(held, alike) < options.overlap and not rivals:
            shown = {"context": passage["text"], "title": passage["title"]}
            return {"question": row["question"], "change": "passage"} | shown
    if tried:
        raise Reject("context may answer it", f"search finds the answer in all {len(tried)} near ones")
    raise Reject("no other passage", "search finds none besides the question's own")


def _change(
    row: Row, named: "_Names", options: Options, seed: str, language: Language
) -> dict[str, Any] | None:
    """Change the question, where that is drawn and can be done."""
    if not row["context"] or fraction("change", row["question"], seed) >= options.changed:
        return None
    made = change.changed(row["question"], row["context"], named.near(row), language, options.overlap)
    if made is None:
        return None
    shown = {"context": row["context"], "title": row["lineage"]["title"]}
    return {"question": made[0], "change": made[1]} | shown


class _Names:
    """The names in a partition's questions, to be put in each other's place."""

    def __init__(self, rows: Sequence[Row], languages: Languages) -> None:
        self._documents: dict[str, list[str]] = {}
        for row in rows:
            mine = self._documents.setdefault(row["lineage"]["document_id"], [])
            mine += change.names(row["question"] or "", languages.of(row))
        all_names = {name for names in self._documents.values() for name in names}
        self._ring = sorted((content_id(name), name) for name in all_names)

    def near(self, row: Row) -> Iterator[str]:
        """List some names by a draw, those of the same document first; others change few draws."""
        mine = set(self._documents[row["lineage"]["document_id"]])
        yield from sorted(mine, key=lambda name: content_id(row["question"], name))[:TRIED]
        start = bisect_left(self._ring, (content_id(row["question"]), ""))
        for step in range(min(TRIED, len(self._ring))):
            yield self._ring[(start + step) % len(self._ring)][1]


stage = WholeStage(
    name="unanswerable",
    summary="find passages near a question's own that leave it open, by search over all of them",
    takes="probes",
    gives="probes",
    run=run,
    apply=apply,
    options=Options,
)
