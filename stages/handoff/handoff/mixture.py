"""The requested and actual mixture, for the card and the manifest."""

import json
from dataclasses import asdict

from datagen.json_types import JsonObject
from datagen.recipe.registry import stages_of
from datagen.stage import Context
from datagen.stages.handoff.handoff.configurations import KNOWLEDGE_TEST
from datagen.stages.handoff.handoff.tally import Amount, Tally

FILE = "mixture.json"  # stored with the table of mix
TOLERANCE = 0.01  # deviation of a share without a warning


def plan(context: Context) -> JsonObject:
    """Read the plan of the recipe's last `mix` stage; {} without one."""
    for name, stage, _ in reversed(list(stages_of(context.recipe, context.folder))):
        path = context.run_folder / "stages" / name / FILE
        if stage.name == "mix" and path.is_file():
            mixture: JsonObject = json.loads(path.read_text(encoding="utf-8"))
            return mixture
    return {}


def realised(tally: Tally, context: Context) -> JsonObject:
    """Return the plan of the mixture with the actual amounts of each part."""
    planned = plan(context)
    planned.pop("dropped", None)  # counted with the rows that the hand-off drops
    if "knowledge_test" in planned:
        planned["knowledge_test"] = tally.rows(KNOWLEDGE_TEST, KNOWLEDGE_TEST)
    by = planned.get("by", "rows")
    phases: dict[int, int] = {}
    requested: dict[tuple[int, str], float] = {
        (part["phase"], part["part"]): part["share"] for part in planned.get("requested", [])
    }
    amounts = {key: Amount() for key in requested} | tally.parts
    for (phase, _), amount in amounts.items():
        phases[phase] = phases.get(phase, 0) + _size(asdict(amount), by)
    parts = [
        {
            "phase": phase,
            "part": part,
            "requested": requested.get((phase, part)),
            "realised": round(_size(asdict(amount), by) / phases[phase], 5) if phases[phase] else 0.0,
            **asdict(amount),
        }
        for (phase, part), amount in sorted(amounts.items())
    ]
    warnings = [*planned.get("warnings", []), *deviations(parts)]
    return {"by": by} | planned | {"parts": parts, "warnings": warnings}


def deviations(parts: list[JsonObject]) -> list[str]:
    """Describe the parts whose actual share is not the requested one."""
    return [_deviation(part) for part in parts if _deviates(part)]


def _deviates(part: JsonObject) -> bool:
    return part["requested"] is not None and abs(part["realised"] - part["requested"]) > TOLERANCE


def _deviation(part: JsonObject) -> str:
    return (
        f"part {part['part']!r} of phase {part['phase']} has {part['realised']:.1%} of the phase; "
        f"{part['requested']:.1%} were requested"
    )


def _size(amount: dict[str, int], by: str) -> int:
    return amount["rows" if by == "rows" else by]
