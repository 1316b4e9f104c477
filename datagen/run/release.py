"""Decide whether a complete run becomes the latest release, and compare it with the previous one."""

import logging
from collections import Counter
from pathlib import Path

from datagen.errors import UserError
from datagen.recipe.gates import failed
from datagen.report.compare import compare
from datagen.report.comparison import Comparison
from datagen.report.rows import products, tasks
from datagen.run.folder import Run, open_run

log = logging.getLogger(__name__)


def changes(run: Run, home: Path) -> Comparison | None:
    """Compare a run with the latest release; None if there is none, or it cannot be read."""
    latest = home / "latest"
    if not latest.exists():
        return None
    try:
        released = open_run(latest)
        return None if released.id == run.id else compare(released, run)
    except UserError as error:
        log.warning(f"the run is not compared with the latest release: {error}")
        return None


def objection(run: Run, home: Path, changed: Comparison | None = None) -> str:
    """
    Return the reason not to release a run, or "".

    Reasons are a product below the recipe's ``min_rows``, a task below its ``min_task_rows``, a failed gate,
    no rows at all, or none of a product that the latest release has, unless its ``min_rows`` is 0.

    Parameters
    ----------
    run
        The run.
    home
        The folder of the recipe's runs.
    changed
        The comparison with the latest release, if any.
    """
    counts = {product: sum(splits.values()) for product, splits in products(run).items()}
    minimums: dict[str, int] = run.manifest["recipe"].get("min_rows", {})
    if short := [
        f"{counts[name]:,} of {rows:,} rows in {name}"
        for name, rows in minimums.items()
        if counts[name] < rows
    ]:
        return f"its hand-off has {' and '.join(short)} (min_rows)"
    least: dict[str, int] = run.manifest["recipe"].get("min_task_rows", {})
    by_task = tasks(run) if least else Counter[str]()
    if short := [
        f"{by_task[name]:,} of {rows:,} rows of {name}"
        for name, rows in least.items()
        if by_task[name] < rows
    ]:
        return f"its hand-off has {' and '.join(short)} (min_task_rows)"
    gates: list[str] = run.manifest["recipe"].get("gates", [])
    latest = home / "latest"
    try:
        if changed and (failures := failed(gates, changed.figures())):
            return f"it fails {' and '.join(failures)} against {changed.old} (gates)"
        if gates and changed is None and latest.exists() and open_run(latest).id != run.id:
            return "it has gates, but cannot be compared with the latest release"
    except UserError as error:
        return f"its gates cannot be tested: {error}"
    if not latest.exists():
        return ""
    rows = _rows(run)
    absent = [name for name, count in counts.items() if not count and name not in minimums]
    if rows and not absent:
        return ""
    try:
        released = open_run(latest)
        if not rows:
            before = _rows(released)
            return f"it has no rows, but the latest release has {before:,}" if before else ""
        gone = {name: sum(splits.values()) for name, splits in products(released).items() if name in absent}
    except UserError as error:  # rows replace a release that cannot be read
        unknown = f"the rows of the latest release cannot be counted: {error}"
        return "" if rows else f"it has no rows, and {unknown}"
    return _without({name: count for name, count in gone.items() if count})


def _without(gone: dict[str, int]) -> str:
    """Return the objection to a hand-off without products of which the latest release has this many rows."""
    if not gone:
        return ""
    lost = " and ".join(f"no {name} (the latest release has {count:,})" for name, count in gone.items())
    zero = ", ".join(f"{name}: 0" for name in gone)
    return f"its hand-off has {lost}; min_rows: {{{zero}}} permits that"


def _rows(run: Run) -> int:
    """Count the rows of a run's hand-off; if it has none, those of its last stage."""
    handed_off = sum(sum(splits.values()) for splits in products(run).values())
    records = run.stage_records()
    if handed_off or not records or (run.folder / "handoff").exists():
        return handed_off
    rows = records[-1].get("rows_out")
    return rows if isinstance(rows, int) else 1  # altered by hand: assume that there are rows
