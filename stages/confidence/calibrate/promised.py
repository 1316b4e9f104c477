"""The promises of calibrate, for later stages."""

import json

from datagen.json_types import JsonObject
from datagen.recipe.registry import find_stage
from datagen.stage import Context, WholeStage

Promises = dict[str, JsonObject]  # kind or task -> its entry in `report.json`


def before(context: Context) -> tuple[str, Promises]:
    """
    Read the promises of the last calibrate stage before this one.

    Returns
    -------
    Name of that stage, empty if there is none; and kind or task -> its entry in ``report.json``.
    """
    stages = context.recipe.get("stages", {})
    names = list(stages)
    earlier = names[: names.index(context.stage)] if context.stage in names else []
    for name in reversed(earlier):
        stage = find_stage((stages[name] or {}).get("use", name), context.folder)
        path = context.run_folder / "stages" / name / "report.json"
        if isinstance(stage, WholeStage) and stage.name == "calibrate" and path.exists():
            return name, json.loads(path.read_text(encoding="utf-8"))
    return "", {}


def missing(context: Context) -> str:
    """Summarise how many verdicts each promise needs that does not cover all rows."""
    _, promises = before(context)
    missing = {
        name: entry["promise"]["missing"]
        for name, entry in promises.items()
        if entry["promise"]["threshold"] is None or entry["promise"]["later"]
    }
    return "; ".join(
        f"{name}: {rows:,} rows need a verdict" if rows else f"{name}: more verdicts would not help"
        for name, rows in missing.items()
    )
