"""The outcome of a run as one JSON value."""

from collections import Counter

from datagen.report.changes import read_summary
from datagen.report.planned import read_outcome
from datagen.report.promises import promises
from datagen.report.rows import products
from datagen.run.folder import Run


def outcome_of(run: Run) -> dict[str, object]:
    """Summarise a run: folder, state, stages, rows, promises, requests, plan, and changes."""
    records = run.stage_records()
    requests: Counter[str] = Counter()
    for record in records:
        requests.update(record.get("requests", {}))
    changes = read_summary(run.folder)
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
        "promises": promises(run),
        "requests": dict(requests),
        "plan": read_outcome(run.folder),
        "changes": changes and {name: changes[name] for name in ("old", "documents", "products", "kept")},
    }
