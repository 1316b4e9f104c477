"""What changed between two releases, written down and shown."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import rich.console
from rich import box
from rich.markup import escape
from rich.table import Table

from datagen.report.compare import Comparison
from datagen.store.parquet import whole_file, write_json

SUMMARY, LIST = "changes.json", "changes.jsonl"  # in a run's folder
LEAST = 0.005  # relative difference of a figure that is shown
COUNTS = ("old", "kept", "changed", "added", "retired", "new")


def summary(found: Comparison) -> dict[str, Any]:
    """Give a comparison as plain values, without the list of rows."""
    said = asdict(found)
    del said["changes"]
    return said | {"kept": round(found.kept, 4), "figures": found.figures()}


def write_changes(found: Comparison, folder: Path) -> None:
    """Write ``changes.json``, the comparison, and ``changes.jsonl``, every row that is not in both runs."""
    write_rows(found, folder / LIST)
    write_json(summary(found), folder / SUMMARY)


def write_rows(found: Comparison, path: Path) -> None:
    """Write every row that is not in both runs, an object a line."""
    with whole_file(path) as beside, beside.open("w", encoding="utf-8") as file:
        for change in found.changes:
            file.write(json.dumps(asdict(change), ensure_ascii=False) + "\n")


def read_summary(folder: Path) -> dict[str, Any] | None:
    """Read the comparison of a run with the release before it; None where there is none."""
    try:
        read = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return read if isinstance(read, dict) else None


def headline(said: Mapping[str, Any]) -> str:
    """Say in one line what changed."""
    documents = said["documents"]
    products: Mapping[str, Mapping[str, int]] = said["products"]
    rows = {name: sum(counts[name] for counts in products.values()) for name in COUNTS}
    text = (
        f"since {said['old']}: documents {documents['added']:,} added, {documents['edited']:,} edited, "
        f"{documents['removed']:,} removed, {documents['unchanged']:,} unchanged; "
        f"rows {rows['kept']:,} kept, {rows['changed']:,} changed, {rows['added']:,} added, "
        f"{rows['retired']:,} retired"
    )
    near = said.get("near_duplicates")
    return f"{text}; {near:,} of the new ones nearly repeat an old one" if near else text


def show(found: Comparison, out: rich.console.Console) -> None:
    """Print a comparison: documents, rows by product, and the figures that differ."""
    said = summary(found)
    out.print(headline(said), markup=False, soft_wrap=True)
    look: dict[str, Any] = {"title_justify": "left", "title_style": "bold", "box": box.SIMPLE_HEAD}
    table = Table(title="rows", **look)
    table.add_column("product")
    for name in COUNTS:
        table.add_column(name, justify="right")
    for product, counts in found.products.items():
        table.add_row(product, *(f"{counts[name]:,}" for name in COUNTS))
    out.print(table)
    for title in ("yields", "scores", "lengths", "mixture", "tasks"):
        figures: Mapping[str, Sequence[float | None]] = said[title]
        if differing := {name: both for name, both in figures.items() if _differ(*both)}:
            table = Table(title=title, **look)
            table.add_column("")
            for name in (found.old, found.new):
                table.add_column(escape(name), justify="right")
            for name, both in differing.items():
                table.add_row(escape(name), *("-" if value is None else f"{value:.4g}" for value in both))
            out.print(table)


def _differ(old: float | None, new: float | None) -> bool:
    if old is None or new is None:
        return old is not new
    return abs(old - new) > LEAST * max(abs(old), abs(new))
