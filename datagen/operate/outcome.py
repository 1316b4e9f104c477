"""What a run came to, as one JSON value for machines."""

from collections import Counter
from typing import Any

from datagen.report.changes import read_summary
from datagen.report.html import products
from datagen.run.folder import Run


def outcome_of(run: Run) -> dict[str, Any]:
    """Summarise a run: where it is, its stages, rows, answers, and what changed since the last release."""
    records = run.stage_records()
    spent: Counter[str] = Counter()
    for record in records:
        spent.update(record.get("requests", {}))
    changed = read_summary(run.folder)
    return {
        "run": run.folder.name,
        "folder": str(run.folder),
        "state": run.manifest["state"],
        "started": run.manifest["started"],
        "finished": run.manifest.get("finished"),
        "stages": {
            record["stage"]: {
                "rows_in": record["rows_in"],
                "rows_out": record["rows_out"],
                "dropped": record["dropped"],
                "seconds": record["seconds"],
                "taken_over": record.get("taken_over"),
            }
            for record in records
        },
        "rows": products(run),
        "requests": dict(spent),
        "changes": changed and {name: changed[name] for name in ("old", "documents", "products", "kept")},
    }
