"""From documents to the hand-off: rows kept and dropped by stage, and what a handed-off row cost."""

from typing import Any, NamedTuple

from datagen.report import charts

KEPT = {"kept": "var(--kept)", "dropped": "var(--dropped)"}

Records = list[dict[str, Any]]


class Step(NamedTuple):
    """A number at the head of the report."""

    rows: int
    name: str


def steps(records: Records) -> list[Step]:
    """Count what was read, what was cut, what was made and what was handed off."""
    found = []
    for gives, name in (("documents", "documents"), ("passages", "passages"), ("examples", "rows made")):
        made = [record for record in records if record["gives"] == gives != record["takes"]]
        if made:
            found.append(Step(sum(record["rows_out"] for record in made), name))
    if records and records[-1]["gives"] == "examples":
        found.append(Step(records[-1]["rows_out"], "rows handed off"))
    return found


def funnel_chart(records: Records) -> charts.Chart | None:
    """Draw what each stage kept and dropped."""
    values = [
        {"stage": record["stage"], "rows": rows, "outcome": outcome}
        for record in records
        for outcome, rows in (("kept", record["rows_out"]), ("dropped", sum(record["dropped"].values())))
    ]
    if not values:
        return None
    caption = "Rows that each stage kept or made, and rows that it dropped"
    return charts.bars("Rows by stage", caption, values, "stage", "rows", "outcome", KEPT)


def cost_chart(records: Records) -> charts.Chart | None:
    """Draw the tokens that models wrote for each stage, per row handed off."""
    kept = records[-1]["rows_out"] if records else 0
    spent = [record for record in records if record.get("cost", {}).get("completion_tokens")]
    if not kept or not spent:
        return None
    values = [
        {"stage": record["stage"], "tokens": round(record["cost"]["completion_tokens"] / kept, 1)}
        for record in spent
    ]
    caption = "Tokens that models wrote for a stage, divided by the rows handed off. Stages may share answers"
    return charts.bars("Written tokens per row handed off", caption, values, "stage", "tokens")


def duplicates(records: Records) -> list[tuple[str, str, int, float]]:
    """List (stage, reason, rows, share of the rows that the stage saw) of all duplicates."""
    return [
        (record["stage"], reason, count, count / max(record["rows_in"], 1))
        for record in records
        for reason, count in record["dropped"].items()
        if "duplicate" in reason or reason == "repeated"
    ]
