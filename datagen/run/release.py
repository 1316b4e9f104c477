"""Whether a complete run may become the latest release, and how it differs from the one before."""

import logging
from pathlib import Path

from datagen.errors import UserError
from datagen.recipe.gates import failed
from datagen.report.compare import Comparison, compare
from datagen.report.html import products
from datagen.run.folder import Run, open_run

log = logging.getLogger(__name__)


def changes(run: Run, home: Path) -> Comparison | None:
    """Compare a run with the latest release; None where there is none that can be read."""
    latest = home / "latest"
    if not latest.exists():
        return None
    try:
        before = open_run(latest)
        return None if before.id == run.id else compare(before, run)
    except UserError as error:
        log.warning(f"the run is not compared with the latest release: {error}")
        return None


def objection(run: Run, home: Path, changed: Comparison | None = None) -> str:
    """
    Say what speaks against releasing a run.

    A product below the recipe's ``min_rows``, a gate that fails, or no rows at all: a run without rows does
    not replace a release that has some.

    Parameters
    ----------
    run
        The run.
    home
        The folder of the recipe's runs.
    changed
        The comparison with the latest release; None where there is none.
    """
    made = {product: sum(splits.values()) for product, splits in products(run).items()}
    least: dict[str, int] = run.manifest["recipe"].get("min_rows", {})
    if short := [
        f"{made[name]:,} of {rows:,} rows in {name}" for name, rows in least.items() if made[name] < rows
    ]:
        return f"its hand-off has {' and '.join(short)} (min_rows)"
    gates: list[str] = run.manifest["recipe"].get("gates", [])
    latest = home / "latest"
    try:
        if changed and (wrong := failed(gates, changed.figures())):
            return f"it fails {' and '.join(wrong)} against {changed.old} (gates)"
        if gates and changed is None and latest.exists() and open_run(latest).id != run.id:
            return "it has gates, and cannot be compared with the latest release"
    except UserError as error:
        return f"its gates cannot be tested: {error}"
    if _rows(run) or not latest.exists():
        return ""
    try:
        before = _rows(open_run(latest))
    except UserError as error:
        return f"it has no rows, and whether the release before it has some cannot be told: {error}"
    return f"it has no rows, and the release before it has {before:,}" if before else ""


def _rows(run: Run) -> int:
    """Count the rows of a run's hand-off; where it has none, of its last stage."""
    handed_off = sum(sum(splits.values()) for splits in products(run).values())
    records = run.stage_records()
    if handed_off or not records or (run.folder / "handoff").exists():
        return handed_off
    rows = records[-1].get("rows_out")
    return rows if isinstance(rows, int) else 1  # altered by hand: rather some than none
