"""From documents to the hand-off: rows kept and dropped by stage."""

from typing import NamedTuple

from datagen.report import charts
from datagen.store.record import StageRecord

DROPPED = "dropped"

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


def unit(record: StageRecord) -> str:
    """Name what a stage gives: documents, passages, rows of the data set, and so on."""
    return "rows" if record["gives"] == "examples" else record["gives"]


def funnel_chart(records: Records) -> charts.Chart | None:
    """Draw what each stage kept and dropped, in a colour for each unit."""
    values = [
        {"stage": record["stage"], "number": number, "outcome": outcome}
        for record in records
        for outcome, number in (
            (unit(record), record["rows_out"]),
            (DROPPED, sum(record["dropped"].values())),
        )
    ]
    if not values:
        return None
    units = list(dict.fromkeys(map(unit, records)))
    colours = {name: charts.COLOURS[rank % len(charts.COLOURS)] for rank, name in enumerate(units)}
    caption = "What each stage kept or generated, by unit, and what it dropped"
    return charts.bars(
        "Documents, passages and rows by stage",
        caption,
        values,
        "stage",
        "number",
        "outcome",
        colours | {DROPPED: "var(--dropped)"},
    )


def duplicates(records: Records) -> list[tuple[str, str, int, float]]:
    """List (stage, reason, rows, share of the stage's input) of all duplicates."""
    return [
        (record["stage"], reason, count, count / max(record["rows_in"], 1))
        for record in records
        for reason, count in record["dropped"].items()
        if "duplicate" in reason or reason == "repeated"
    ]
