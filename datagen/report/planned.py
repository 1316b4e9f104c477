"""Compare a plan with the actual run."""

from collections import Counter
from pathlib import Path

from datagen.json_types import JsonObject
from datagen.report.rows import final_parts
from datagen.request import Usage
from datagen.run.folder import Run
from datagen.schema import KINDS
from datagen.store.digests import read_sealed
from datagen.store.parquet import read_part

PLAN = "plan.json"  # the plan, in the folder of the recipe's runs; its comparison, in a run's folder


def compare_with_plan(run: Run) -> JsonObject | None:
    """
    Compare a complete run with its plan, if it has one.

    Each answer counts once, including reused ones.

    Returns
    -------
    For requests and tokens, the planned and actual number; for each product, the planned rows, the bounds of
    the interval, and the actual rows.
    """
    planned = read_sealed(run.folder.parent / PLAN)
    if planned is None or planned["fingerprint"] != run.manifest["fingerprint"]:
        return None
    records = run.stage_records()
    with_requests = [record for record in records if "requests" in record]
    cost = sum(
        (Usage(**{k: v for k, v in r["cost"].items() if k != "rows"}) for r in with_requests), start=Usage()
    )
    actual = {
        "requests": sum(record["requests"]["asked"] for record in with_requests),
        "prompt_tokens": cost.prompt_tokens,
        "completion_tokens": cost.completion_tokens,
    }
    expected = {name: sum(stage[name] for stage in planned["stages"]) for name in actual}
    rows: Counter[str] = Counter()
    for path in final_parts(run):
        rows.update(KINDS[kind] for kind in read_part(path, ["kind"])["kind"].to_pylist())
    return {
        "basis": planned["basis"],
        "amounts": {name: [expected[name], actual[name]] for name in actual},
        "rows": {name: [*estimate, rows[name]] for name, estimate in planned["products"].items()},
    }


def read_outcome(folder: Path) -> JsonObject | None:
    """Read the comparison of a run with its plan; None if it had none."""
    return read_sealed(folder / PLAN)


def lines(outcome: JsonObject) -> list[str]:
    """Describe planned and actual figures: one line for amounts, one for rows."""
    amounts = (
        f"{name.replace('_', ' ')} {actual:,} ({_deviation(expected, actual)})"
        for name, (expected, actual) in outcome["amounts"].items()
    )
    rows = (
        f"{product} {actual:,} ({low:,.0f} to {high:,.0f})"
        for product, (_, low, high, actual) in outcome["rows"].items()
        if high or actual
    )
    return [
        f"plan based on {outcome['basis']}: {', '.join(amounts)}",
        f"rows (planned): {', '.join(rows)}",
    ]


def _deviation(expected: float, actual: float) -> str:
    return f"{(actual - expected) / expected:+.1%} of the plan" if expected else "none planned"
