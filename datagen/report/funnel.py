"""From documents to the hand-off: rows kept and dropped by stage."""

from typing import NamedTuple

from datagen.report import charts
from datagen.store.record import StageRecord

KEPT = {"kept": "var(--kept)", "dropped": "var(--dropped)"}

Records = list[StageRecord]


class Step(NamedTuple):
    """A figure at the top of the report."""

    rows: int
    name: str


def steps(records: Records) -> list[Step]:
    """Count documents, passages, generated rows and handed-off rows."""
    result = []
    for gives, name in (("documents", "documents"), ("passages", "passages"), ("examples", "rows generated")):
        created = [record for record in records if record["gives"] == gives != record["takes"]]
        if created:
            result.append(Step(sum(record["rows_out"] for record in created), name))
    if records and records[-1]["gives"] == "examples":
        result.append(Step(records[-1]["rows_out"], "rows handed off"))
    return result


def funnel_chart(records: Records) -> charts.Chart | None:
    """Draw the rows that each stage kept and dropped."""
    values = [
        {"stage": record["stage"], "rows": rows, "outcome": outcome}
        for record in records
        for outcome, rows in (("kept", record["rows_out"]), ("dropped", sum(record["dropped"].values())))
    ]
    if not values:
        return None
    caption = "Rows that each stage kept or generated, and rows that it dropped"
    return charts.bars("Rows by stage", caption, values, "stage", "rows", "outcome", KEPT)


def duplicates(records: Records) -> list[tuple[str, str, int, float]]:
    """List (stage, reason, rows, share of the stage's input) of all duplicates."""
    return [
        (record["stage"], reason, count, count / max(record["rows_in"], 1))
        for record in records
        for reason, count in record["dropped"].items()
        if "duplicate" in reason or reason == "repeated"
    ]
