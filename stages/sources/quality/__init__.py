"""
Drop documents that break published quality rules (Gopher, C4, FineWeb), if the recipe enables it.

Without ``drop: true`` every document is kept, and a sample shows what each rule would drop, with an example.
Several stages with ``use: quality`` and different ``only`` can set rules by domain.
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
SAMPLE = "sample.json"  # next to the stage's table: the rules that each document of the sample breaks
SHOWN = 6  # rules in the notice


class Options(datagen.stage.Options):
    """The rules, the documents they apply to, and whether they drop anything."""

    rules: tuple[Literal["gopher", "gopher_repetition", "c4", "fineweb"], ...] = Field(
        ("gopher", "gopher_repetition"), min_length=1, description="Sets of published rules"
    )
    bounds: dict[str, tuple[float | None, float | None]] = Field(
        {},
        description="Bounds in place of the published ones, measure: [least, most]; null: none. Measures: "
        + ", ".join(MEASURES),
    )
    only: str = Field("", description="Glob of the sources of documents to judge, such as laws/*; unset: all")
    drop: bool = Field(
        False, description="Drop documents that break a rule; false: only show a sample of them"
    )
    sample: int = Field(1000, ge=1, description="Documents in the sample")

    @field_validator("bounds")
    @classmethod
    def _of_measures(
        cls, bounds: dict[str, tuple[float | None, float | None]]
    ) -> dict[str, tuple[float | None, float | None]]:
        if unknown := set(bounds) - set(MEASURES):
            raise ValueError(f"there is no measure {sorted(unknown)[0]!r}; there are {', '.join(MEASURES)}")
        return bounds


def run(partitions: Partitions, options: Options, context: Context) -> Iterator[None]:
    """Show the effect of the rules on a sample, then let each partition be judged."""
    per_partition = -(-options.sample // max(len(partitions), 1))
    samples = [_sampled(rows, per_partition, context.seed, options) for rows in partitions.columns(COLUMNS)]
    if samples:
        _show(pa.concat_tables(samples), options, context)
    yield from [None] * len(partitions)


def apply(documents: pa.Table, nothing: None, options: Options, context: Context) -> Outcome:
    """Drop documents that break a rule; the first is the reason, and the detail lists all of them."""
    reasons: list[str | None] = [None] * len(documents)
    details: list[str | None] = [None] * len(documents)
    if options.drop:
        judged = np.flatnonzero(_chosen(documents, options))
        for at, broken in zip(judged, _judge(documents.take(judged), options), strict=True):
            if broken:
                reasons[at] = broken[0][0]
                details[at] = "; ".join(detail for _, detail in broken)
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


def _sampled(rows: pa.Table, size: int, seed: int, options: Options) -> pa.Table:
    """Sample documents by hash, so that the sample is the same on any machine."""
    places = np.flatnonzero(_chosen(rows, options))
    keys = [fraction("quality", str(seed), rows["id"][int(at)].as_py()) for at in places]
    return rows.take(np.sort(places[np.argsort(keys, kind="stable")[:size]]))


def _show(sample: pa.Table, options: Options, context: Context) -> None:
    """Show how many documents of the sample each rule drops, with an example; write all results to a file."""
    broken = _judge(sample, options)
    sources = sample["source"].to_pylist()
    counts = Counter(reason for reasons in broken for reason, _ in reasons)
    examples: dict[str, str] = {}
    for source, reasons in zip(sources, broken, strict=True):
        for reason, detail in reasons:
            examples.setdefault(reason, f"{source}, {detail}")
    verb = "drop" if options.drop else "would drop"
    count_broken = sum(map(bool, broken))
    lines = [f"of a sample of {len(sample):,} documents the rules {verb} {count_broken:,}"]
    lines += [
        f"{reason}: {count:,}, such as {examples[reason]}" for reason, count in counts.most_common(SHOWN)
    ]
    if not options.drop and count_broken:
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
