"""The recipe reference: every key with its type, default and meaning, written from the models themselves."""

import inspect
import json
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from datagen.recipe.model import Recipe
from datagen.recipe.registry import DEFAULT_PIPELINE, find_stage, installed_stages
from datagen.recipe.sections import Budget, Cluster, Models, OpenAIModel, ScriptedModel, Source, VllmModel

INTRODUCTION = """\
# Recipe reference

Written by `datagen schema --markdown`; do not edit. A recipe is one YAML file. `datagen schema` prints
the same rules as a JSON schema: save it and point your editor's YAML plug-in at it for completion and checks.
"""

SECTIONS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("The recipe", Recipe),
    ("corpus: a list of", Source),
    ("models", Models),
    ("models with `engine: vllm`", VllmModel),
    ("models with `engine: openai`", OpenAIModel),
    ("models with `engine: scripted`", ScriptedModel),
    ("budget", Budget),
    ("cluster", Cluster),
)


def markdown() -> str:
    """Write the whole reference."""
    lines = [INTRODUCTION]
    for title, model in SECTIONS:
        lines += [f"## {title}", "", inspect.getdoc(model) or "", "", *_table(model)]
    lines += [
        "## stages",
        "",
        "Each key names a stage and holds its options; `use` names the stage if the key does not, and `role` "
        "has the model of another role asked, where the stage asks one. A recipe "
        "without `stages` runs those of the default line, in this order; the others come behind them here.",
    ]
    for name in (name for name, where in installed_stages().items() if where.startswith("datagen.")):
        stage = find_stage(name)
        takes = f"{stage.takes} → {stage.gives}" if stage.takes else f"corpus → {stage.gives}"
        optional = "" if name in DEFAULT_PIPELINE else " Not in the default pipeline."
        lines += ["", f"### {name}", "", f"{takes}: {stage.summary}.{optional}", "", *_table(stage.options)]
    return "\n".join(lines).rstrip() + "\n"


def _table(model: type[BaseModel]) -> Iterator[str]:
    schema = model.model_json_schema()
    rows = [
        (key, part) for key, part in schema.get("properties", {}).items() if key not in {"file", "engine"}
    ]
    if not rows:
        yield from ("It has no options.", "")
        return
    yield "| key | type | default | meaning |"
    yield "|---|---|---|---|"
    required = schema.get("required", [])
    for key, part in rows:
        default = "required" if key in required else _default(part)
        meaning = part.get("description", "").replace("|", "\\|")
        yield f"| `{key}` | {_type(part)} | {default} | {meaning} |"
    yield ""


def _default(part: dict[str, Any]) -> str:
    value = part.get("default")
    if isinstance(value, dict) and len(json.dumps(value)) > 40:
        return "see there"
    return f"`{json.dumps(value, ensure_ascii=False)}`" if "default" in part else ""


def _type(part: dict[str, Any]) -> str:
    if "anyOf" in part or "oneOf" in part:
        return " or ".join(dict.fromkeys(map(_type, part.get("anyOf") or part["oneOf"])))
    if "enum" in part:
        return ", ".join(f"`{value}`" for value in part["enum"])
    if "$ref" in part:
        return str(part["$ref"]).rpartition("/")[2]
    if part.get("type") == "array":
        return f"list of {_type(part.get('items', {}))}"
    if part.get("type") == "object":
        inner = part.get("additionalProperties")
        return f"mapping to {_type(inner)}" if isinstance(inner, dict) else "mapping"
    return str(part.get("type", "any"))
