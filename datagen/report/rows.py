"""The final rows of a run: the output of its last stage that produces examples."""

from pathlib import Path

from datagen.run.folder import Run
from datagen.store.parquet import parts
from datagen.store.record import StageRecord


def final_stage(run: Run) -> StageRecord | None:
    """Return the record of the last stage that produces examples; None without one."""
    records = [record for record in run.stage_records() if record.get("gives") == "examples"]
    return records[-1] if records else None


def final_parts(run: Run) -> list[Path]:
    """List the partitions of the last stage that produces examples; empty without one."""
    record = final_stage(run)
    return parts(run.stage_folder(record["stage"])) if record else []
