"""Check that a consensus has enough different models, before requests to them are paid for."""

import json
from collections.abc import Iterator

from datagen.paths import expanded
from datagen.recipe.errors import Mistake
from datagen.recipe.model import Recipe
from datagen.recipe.roles import OpenAIModel
from datagen.stage import ModelStage

OUTPUT, VOTE = "another_output", "consensus"
OTHERS = 2  # fewest outputs of models other than the one that wrote the row
ROWS = ("examples", "candidates")
REMEDY = "give each another_output stage a role with its own model"

# Parameters of a request that choose an adapter of the model (SGLang, LoRAX, llama.cpp).
ADAPTERS = ("lora_path", "adapter_id", "lora")

Name = tuple[str, str, str]  # of a model, its revision, and its adapter


def too_few_voters(recipe: Recipe) -> Iterator[Mistake]:
    """
    Find outputs of one model that are to be compared with each other, and votes that no row could win.

    A model is the same under two roles, on two servers or with other settings, except with another adapter.
    """
    outputs: dict[Name, str] = {}  # model -> stage that asks it
    writers = set[Name | None]()  # of the rows so far; None: rows that no model of the recipe wrote
    for name, stage, _ in recipe.line():
        asked = _model(recipe, stage.role) if isinstance(stage, ModelStage) else None
        if asked and stage.name == OUTPUT:
            if (other := outputs.setdefault(asked, name)) != name:
                yield ("stages", name), f"it asks the same model as {other}, {asked[0]}; {REMEDY}"
        elif stage.name == VOTE and all(len({*outputs} - {writer}) < OTHERS for writer in writers):
            own = f" other than the writer, {names}" if (names := _named(writers & {*outputs})) else ""
            have = _named({*outputs} - writers) or "none"
            yield (
                ("stages", name),
                f"it needs outputs of {OTHERS} models{own}, and has those of {have}; {REMEDY}",
            )
        elif stage.gives in ROWS and stage.takes not in ROWS:
            writers.add(asked)


def _model(recipe: Recipe, role: str) -> Name:
    spec = recipe.models.role(role)
    parameters = [spec.options] if isinstance(spec, OpenAIModel) else []
    parameters += [nested for of in parameters for nested in (of.get("extra_body"),) if nested]
    adapters = {name: of[name] for of in parameters for name in ADAPTERS if of.get(name)}
    folder = expanded(spec.model)
    model = str(folder.resolve()) if folder.is_dir() else spec.model
    return model, spec.revision or "main", json.dumps(adapters, sort_keys=True)


def _named(models: set[Name] | set[Name | None]) -> str:
    return ", ".join(sorted(model[0] for model in models if model))
