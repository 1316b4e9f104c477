"""The distribution of each score: all rows that have it, and those that were handed off."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from datagen.report import bins, charts
from datagen.run.folder import Run
from datagen.schema import EXAMPLES
from datagen.store.parquet import parts, read_part

BOOKKEEPING = {"threshold"}  # floating columns that are no score
COLOURS = {"handed off": "var(--kept)", "not handed off": "var(--dropped)"}


def score_charts(run: Run) -> list[charts.Chart]:
    """Draw a histogram of each score. A score's rows are those of the first stage whose table has it."""
    records = [record for record in run.stage_records() if record["gives"] == "examples"]
    if not records:
        return []
    last = _tables(run, records[-1])
    found = []
    for name, first in _scores(run, records).items():
        if chart := _chart(name, _tables(run, first), last, first["stage"]):
            found.append(chart)
    return found


def _scores(run: Run, records: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Map each score of the last table to the first stage that refines examples and has it."""
    first: dict[str, dict[str, Any]] = {}
    for record in records:
        if record["takes"] != "examples" and record is not records[-1]:
            continue  # it has only the rows that it made
        for path in _tables(run, record)[:1]:
            for field in pq.read_schema(path):
                if pa.types.is_floating(field.type) and field.name not in BOOKKEEPING:
                    first.setdefault(field.name, record)
    own = [name for name in EXAMPLES.names if name in first]
    return {name: first[name] for name in [*(name for name in first if name not in own), *own]}


def _tables(run: Run, record: dict[str, Any]) -> list[Path]:
    return parts(run.stage_folder(record["stage"]))


def _chart(name: str, scored: list[Path], last: list[Path], stage: str) -> charts.Chart | None:
    spans = [known for path in scored if (known := bins.span([_values(path, name)]))]
    if not spans:
        return None
    edges = bins.edges(min(low for low, _ in spans), max(high for _, high in spans))
    total, kept = (_counted(paths, name, edges) for paths in (scored, last))
    values = [
        {name: label, "rows": int(rows), "outcome": outcome}
        for outcome, counts in (("handed off", kept), ("not handed off", np.maximum(total - kept, 0)))
        for label, rows in zip(bins.names(edges), counts, strict=True)
    ]
    caption = f"{int(total.sum()):,} rows with this score, as of {stage}"
    return charts.columns(name, caption, values, name, "rows", "outcome", COLOURS)


def _counted(paths: list[Path], name: str, edges: bins.Floats) -> Any:
    """Count the values of a column by bin over all parts."""
    return sum((bins.count(_values(path, name), edges) for path in paths), np.zeros(len(edges) - 1, np.int64))


def _values(path: Path, name: str) -> bins.Floats:
    table = read_part(path, [name])
    if name not in table.column_names:
        return np.zeros(0)
    result: bins.Floats = pc.cast(table[name], pa.float64()).drop_null().to_numpy()
    return result

