"""What is promised about the rows of a run's hand-off."""

import json
from collections.abc import Iterator

from datagen.json_types import JsonObject
from datagen.run.folder import Run


def promises(run: Run) -> list[JsonObject]:
    """Read the promises about the rows of the hand-off."""
    paths = (run.stage_file(name, "promises.json") for name in run.manifest["stages"])
    return [promise for path in paths if path for promise in json.loads(path.read_text(encoding="utf-8"))]


def lines(run: Run) -> Iterator[str]:
    """State each promise in a line, and why there is none unless a stage's notice already says so."""
    notices = [notice for record in run.stage_records() for notice in record.get("notices", [])]
    for promise in promises(run):
        group, why = promise["group"], promise["why"]
        if not why:
            text = f"at least {100 * promise['target']:g}% of {promise['rows']:,} rows are right"
            seen = (
                f"{promise['right']:,} of {promise['judged']:,} judged rows are; bound {promise['bound']:.1%}"
            )
            others = f"; {promise['others']:,} others are not covered" if promise["others"] else ""
            yield f"{group}: {text} ({seen}, in run {promise['release']}){others}"
        elif not any(why in notice for notice in notices):
            yield f"{group}: nothing about {promise['others']:,} rows: {why}"
