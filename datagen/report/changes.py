"""Write and print the changes between two releases."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from datagen.json_types import JsonObject
from datagen.report.comparison import Comparison
from datagen.report.terminal import LOOK, output
from datagen.store.digests import read_sealed, write_sealed
from datagen.store.parquet import whole_file

SUMMARY, LIST = "changes.json", "changes.jsonl"  # in a run's folder
MIN_DIFFERENCE = 0.005  # minimum relative difference of a figure to show
COUNTS = ("old", "kept", "changed", "added", "retired", "new")


def summary(comparison: Comparison) -> JsonObject:
    """Convert a comparison to plain values for JSON, without the list of rows."""
    values = asdict(comparison)
    del values["changes"]
    return values | {"kept": round(comparison.kept, 4), "figures": comparison.figures()}


def write_changes(comparison: Comparison, folder: Path) -> None:
    """Write ``changes.json`` (the comparison) and ``changes.jsonl`` (every row that is not in both runs)."""
    write_rows(comparison, folder / LIST)
    write_sealed(summary(comparison), folder / SUMMARY)


def write_rows(comparison: Comparison, path: Path) -> None:
    """Write every row that is not in both runs as a JSON line."""
    with whole_file(path) as unfinished, unfinished.open("w", encoding="utf-8") as file:
        for change in comparison.changes:
            file.write(json.dumps(asdict(change), ensure_ascii=False) + "\n")


def read_summary(folder: Path) -> JsonObject | None:
    """Read the comparison of a run with the previous release; None if there is none."""
    return read_sealed(folder / SUMMARY)


def headline(comparison: JsonObject) -> str:
    """Summarise the changes in one line."""
    documents = comparison["documents"]
    products: Mapping[str, Mapping[str, int]] = comparison["products"]
    rows = {name: sum(counts[name] for counts in products.values()) for name in COUNTS}
    text = (
        f"since {comparison['old']}: documents {documents['added']:,} added, {documents['edited']:,} edited, "
        f"{documents['removed']:,} removed, {documents['unchanged']:,} unchanged; "
        f"rows {rows['kept']:,} kept, {rows['changed']:,} changed, {rows['added']:,} added, "
        f"{rows['retired']:,} retired"
    )
    near = comparison.get("near_duplicates")
    return f"{text}; near duplicates of old rows among the new ones: {near:,}" if near else text


def show(comparison: Comparison) -> None:
    """Print a comparison: documents, rows by product, and the figures that differ."""
    out = output()
    values = summary(comparison)
    out.print(headline(values), markup=False, soft_wrap=True)
    table = Table(title="rows", **LOOK)
    table.add_column("product")
    for name in COUNTS:
        table.add_column(name, justify="right")
    for product, counts in comparison.products.items():
        table.add_row(product, *(f"{counts[name]:,}" for name in COUNTS))
    out.print(table)
    for title in ("yields", "scores", "lengths", "mixture", "tasks"):
        figures: Mapping[str, Sequence[float | None]] = values[title]
        if differing := {name: both for name, both in figures.items() if _differ(*both)}:
            table = Table(title=title, **LOOK)
            table.add_column("")
            for name in (comparison.old, comparison.new):
                table.add_column(escape(name), justify="right")
            for name, both in differing.items():
                table.add_row(escape(name), *("-" if value is None else f"{value:.4g}" for value in both))
            out.print(table)


def _differ(old: float | None, new: float | None) -> bool:
    if old is None or new is None:
        return old is not new
    return abs(old - new) > MIN_DIFFERENCE * max(abs(old), abs(new))
