"""Whether a run that came to its end may become the latest release."""

from pathlib import Path

from datagen.errors import UserError
from datagen.report.html import products
from datagen.run.folder import Run, open_run


def objection(run: Run, home: Path) -> str:
    """
    Say what speaks against releasing a run: a product below the recipe's ``min_rows``, or no rows at all.

    A run without rows does not replace a release that has some.
    """
    made = {product: sum(splits.values()) for product, splits in products(run).items()}
    least: dict[str, int] = run.manifest["recipe"].get("min_rows", {})
    if short := [
        f"{made[name]:,} of {rows:,} rows in {name}" for name, rows in least.items() if made[name] < rows
    ]:
        return f"its hand-off has {' and '.join(short)} (min_rows)"
    latest = home / "latest"
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
