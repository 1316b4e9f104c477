"""A plan set against the run that was made of it."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from datagen.request import Usage
from datagen.run.folder import Run
from datagen.schema import KINDS
from datagen.store.parquet import parts, read_part

PLAN = "plan.json"  # in the folder of the recipe's runs; in a run's folder, what came of it


def compare_with_plan(run: Run) -> dict[str, Any] | None:
    """
    Set a complete run against its plan, where it was planned.

    Answers count once, whichever run paid for them.

    Returns
    -------
    For requests and tokens the planned and the actual number; for each product the planned rows, the ends of
    the interval, and the actual rows.
    """
    try:
        planned = json.loads((run.folder.parent / PLAN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if planned.get("fingerprint") != run.manifest["fingerprint"]:
        return None
    records = run.stage_records()
    asked = [record for record in records if "requests" in record]
    cost = sum((Usage(**{k: v for k, v in r["cost"].items() if k != "rows"}) for r in asked), start=Usage())
    actual = {
        "requests": sum(record["requests"]["asked"] for record in asked),
        "prompt_tokens": cost.prompt_tokens,
        "completion_tokens": cost.completion_tokens,
    }
    expected = {name: sum(stage[name] for stage in planned["stages"]) for name in actual}
    made = [record for record in records if record.get("gives") == "examples"]
    rows: Counter[str] = Counter()
    for path in parts(run.stage_folder(made[-1]["stage"])) if made else []:
        rows.update(KINDS[kind] for kind in read_part(path, ["kind"])["kind"].to_pylist())
    return {
        "basis": planned["basis"],
        "amounts": {name: [expected[name], actual[name]] for name in actual},
        "rows": {name: [*estimate, rows[name]] for name, estimate in planned["products"].items()},
    }


def read_outcome(folder: Path) -> dict[str, Any] | None:
    """Read what came of the plan of a run; None where it was not planned."""
    try:
        read = json.loads((folder / PLAN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return read if isinstance(read, dict) else None


def lines(said: dict[str, Any]) -> list[str]:
    """Say what was planned and what came: a line for amounts, one for rows."""
    amounts = (
        f"{name.replace('_', ' ')} {actual:,} ({_deviation(expected, actual)})"
        for name, (expected, actual) in said["amounts"].items()
    )
    rows = (
        f"{product} {actual:,} ({low:,.0f} to {high:,.0f})"
        for product, (_, low, high, actual) in said["rows"].items()
        if high or actual
    )
    return [
        f"planned by {said['basis']}: {', '.join(amounts)}",
        f"rows, and what was planned: {', '.join(rows)}",
    ]


def _deviation(expected: float, actual: float) -> str:
    return f"{(actual - expected) / expected:+.1%} of the plan" if expected else "none planned"
