"""
Drops documents that break published rules of quality (Gopher, C4, FineWeb), once the recipe says so.

Without ``drop: true`` every document goes on, and a sample shows what each rule would drop and an example of
it. Several stages with ``use: quality`` and an ``only`` of their own set rules for each domain.
"""

from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, field_validator

import datagen.stage
from datagen.schema import fraction
from datagen.stage import Context, Outcome, Partitions, WholeStage
from datagen.stages.shared.language.detect import UNDETERMINED
from datagen.stages.sources.quality.rules import MEASURES, chosen, judge
from datagen.store.parquet import write_json

COLUMNS = ("id", "source", "text", "language")
SAMPLE = "sample.json"  # beside the stage's table: what the rules say of each document of the sample
SHOWN = 6  # rules in the notice


class Options(datagen.stage.Options):
    """Which rules, for which documents, and whether they drop anything."""

    rules: tuple[Literal["gopher", "gopher_repetition", "c4", "fineweb"], ...] = Field(
        ("gopher", "gopher_repetition"), min_length=1, description="Sets of published rules"
    )
    bounds: dict[str, tuple[float | None, float | None]] = Field(
        {},
        description="Other bounds than the published ones, measure: [least, most]; null: none. Measures: "
        + ", ".join(MEASURES),
    )
    only: str = Field(
        "", description="Glob of the sources of documents that are judged, such as laws/*; left out: all"
    )
    drop: bool = Field(False, description="Drop what breaks a rule; else a sample shows what would go")
    sample: int = Field(1000, ge=1, description="Documents of the sample")

    @field_validator("bounds")
    @classmethod
    def _of_measures(
        cls, bounds: dict[str, tuple[float | None, float | None]]
    ) -> dict[str, tuple[float | None, float | None]]:
        if unknown := set(bounds) - set(MEASURES):
            raise ValueError(f"there is no measure {sorted(unknown)[0]!r}; there are {', '.join(MEASURES)}")
        return bounds


def run(partitions: Partitions, options: Options, context: Context) -> Iterator[None]:
    """Show on a sample what the rules say, then have each partition judged."""
    each = -(-options.sample // max(len(partitions), 1))
    samples = [_drawn(rows, each, context.seed, options) for rows in partitions.columns(COLUMNS)]
    if samples:
        _show(pa.concat_tables(samples), options, context)
    yield from [None] * len(partitions)


def apply(documents: pa.Table, known: None, options: Options, context: Context) -> Outcome:
    """Drop the documents that break a rule; each names the first rule that it breaks, and all others."""
    reasons: list[str | None] = [None] * len(documents)
    details: list[str | None] = [None] * len(documents)
    if options.drop:
        judged = np.flatnonzero(_chosen(documents, options))
        for at, broken in zip(judged, _judge(documents.take(judged), options), strict=True):
            if broken:
                reasons[at] = broken[0][0]
                details[at] = "; ".join(said for _, said in broken)
    return Outcome.split(documents, reasons, details)


def _judge(documents: pa.Table, options: Options) -> list[list[tuple[str, str]]]:
    languages = documents["language"].to_pylist() if "language" in documents.column_names else []
    english = np.array([language in (None, "en", UNDETERMINED) for language in languages], bool)
    english = english if languages else np.ones(len(documents), bool)
    texts = pc.fill_null(documents["text"].combine_chunks(), "")
    return judge(texts, english, chosen(options.rules, options.bounds))


def _chosen(documents: pa.Table, options: Options) -> np.ndarray:
    sources = documents["source"].to_pylist()
    return np.array([not options.only or fnmatchcase(source or "", options.only) for source in sources], bool)


def _drawn(rows: pa.Table, most: int, seed: int, options: Options) -> pa.Table:
    """Draw documents by lot, the same on any machine."""
    places = np.flatnonzero(_chosen(rows, options))
    lots = [fraction("quality", str(seed), rows["id"][int(at)].as_py()) for at in places]
    return rows.take(np.sort(places[np.argsort(lots, kind="stable")[:most]]))


def _show(sample: pa.Table, options: Options, context: Context) -> None:
    """Say how many documents of the sample each rule drops, with an example; write all of it to a file."""
    broken = _judge(sample, options)
    sources = sample["source"].to_pylist()
    counts = Counter(reason for reasons in broken for reason, _ in reasons)
    examples: dict[str, str] = {}
    for source, reasons in zip(sources, broken, strict=True):
        for reason, said in reasons:
            examples.setdefault(reason, f"{source}, {said}")
    verb = "drop" if options.drop else "would drop"
    gone = sum(map(bool, broken))
    lines = [f"of a sample of {len(sample):,} documents the rules {verb} {gone:,}"]
    lines += [
        f"{reason}: {count:,}, such as {examples[reason]}" for reason, count in counts.most_common(SHOWN)
    ]
    if not options.drop and gone:
        lines.append(f"nothing was dropped; {context.stage}.drop: true drops them")
    context.notice(lines)
    table = [
        {"source": source, "broken": dict(reasons)} for source, reasons in zip(sources, broken, strict=True)
    ]
    write_json(table, context.output / SAMPLE)


stage = WholeStage(
    "quality",
    "drop documents that break rules of quality",
    "documents",
    "documents",
    run,
    Options,
    apply=apply,
)
