"""What calibrate has promised, for the stages after it."""

import json
from typing import Any

from datagen.recipe.registry import find_stage
from datagen.stage import Context, WholeStage

Promises = dict[str, dict[str, Any]]  # kind or task -> what `report.json` says of it


def before(context: Context) -> tuple[str, Promises]:
    """
    Read what was promised by the last calibrate before a stage.

    Returns
    -------
    Name of that stage, empty where there is none; and kind or task -> what its ``report.json`` says.
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
    """Say in a few words how many verdicts are missing for each promise that is not made of all rows."""
    _, promises = before(context)
    open_ = {
        name: found["promise"]["missing"]
        for name, found in promises.items()
        if found["promise"]["threshold"] is None or found["promise"]["later"]
    }
    return "; ".join(
        f"{name}: {rows:,} rows need a verdict" if rows else f"{name}: more verdicts would not do"
        for name, rows in open_.items()
    )
