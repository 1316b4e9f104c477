"""The final rows of a run: the output of its last stage that produces examples, and its hand-off."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from datagen.run.folder import Run
from datagen.schema import KINDS
from datagen.store.parquet import count_rows, parts, read_part
from datagen.store.record import StageRecord


def final_stage(run: Run) -> StageRecord | None:
    """Return the record of the last stage that produces examples; None without one."""
    records = [record for record in run.stage_records() if record.get("gives") == "examples"]
    return records[-1] if records else None


def final_parts(run: Run) -> list[Path]:
    """List the partitions of the last stage that produces examples; empty without one."""
    record = final_stage(run)
    return parts(run.stage_folder(record["stage"])) if record else []


def products(run: Run) -> dict[str, dict[str, int]]:
    """Count the rows of the hand-off: product -> split -> rows. A product without rows has no splits."""
    counts: dict[str, dict[str, int]] = {product: {} for product in KINDS.values()}
    for product, splits in counts.items():
        for path in handed_off(run, product):
            if rows := count_rows(path):
                split = path.name.partition("-")[0]
                splits[split] = splits.get(split, 0) + rows
    return counts


def tasks(run: Run) -> Counter[str]:
    """Count the rows of the hand-off by task."""
    counts = Counter[str]()
    for path in handed_off(run, *KINDS.values()):
        counts.update(read_part(path, ["task"])["task"].to_pylist())
    return counts


def knowledge_test_rows(run: Run) -> int:
    """Count the rows of the hand-off's knowledge test, which are in no product."""
    return sum(count_rows(path) for path in handed_off(run, "knowledge_test"))


def handed_off(run: Run, *products: str) -> Iterator[Path]:
    """List the Parquet files of some products in the hand-off."""
    for product in products:
        yield from sorted((run.folder / "handoff" / product).rglob("*.parquet"))
