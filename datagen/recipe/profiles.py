"""
Profiles: default options of the stages that use a model, by the model's capability.

A profile is a file in ``prompts/profiles/`` with options per stage, which the recipe's options override.
`choose` returns the profile named in the recipe for a role's model, or infers one from the model's size. A
recipe's folder of prompts may add profiles or replace built-in ones.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from datagen.errors import UserError, hint
from datagen.json_types import JsonObject
from datagen.paths import expanded
from datagen.prompt import exists, load
from datagen.recipe.roles import OpenAIModel, ScriptedModel, VllmModel

BUILT_IN = ("bundled", "small", "large")  # by size, smallest first
FOLDER = "profiles"

# "7B" in Qwen2.5-7B-Instruct, "8x7B", "360M", "E4B"; not the active "A3B" of a mixture, nor "4bit".
SIZE = re.compile(r"(?<![A-Za-z0-9.])(?:(\d+)x|E)?(\d+(?:\.\d+)?)([BM])(?![A-Za-z0-9])", re.IGNORECASE)


class Profile(BaseModel):
    """
    A file of ``prompts/profiles/``.

    Parameters
    ----------
    summary
        One line on its purpose.
    least_billions
        Minimum parameters, in billions, of a model that gets it. Only used for built-in profiles.
    stages
        Stage -> option -> value.
    unsuited
        Stage -> what its rows were like with such a model. A recipe with such a stage is rejected.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    summary: str
    least_billions: float = Field(0, ge=0)
    stages: dict[str, JsonObject] = {}
    unsuited: dict[str, str] = {}


@dataclass(frozen=True)
class Choice:
    """The profile of a model, and the reason for its choice."""

    name: str
    why: str


def read_profile(name: str, folder: Path | None = None) -> Profile:
    """
    Read a profile, from the recipe's folder of prompts or a built-in one.

    Raises
    ------
    UserError
        If there is none of this name, or the file is not a profile.
    """
    if not re.fullmatch(r"[\w.-]+", name) or not exists(f"{FOLDER}/{name}", folder):
        raise UserError(
            f"there is no profile {name!r}; {hint(name, BUILT_IN)} "
            f"(your own is a file {FOLDER}/NAME.yaml in the recipe's folder of prompts)"
        )
    return load(f"{FOLDER}/{name}", folder).checked(Profile, "compare prompts/profiles/small.yaml")


def defaults(
    stage: str, model: VllmModel | OpenAIModel | ScriptedModel, folder: Path | None = None
) -> JsonObject:
    """Return the default options of a stage for a model; empty for most stages."""
    return read_profile(choose(model, folder).name, folder).stages.get(stage, {})


def choose(model: VllmModel | OpenAIModel | ScriptedModel, folder: Path | None = None) -> Choice:
    """
    Choose the profile of a model.

    The recipe's ``profile`` takes precedence. Otherwise it depends on the size, from a checkpoint's
    config.json or from the model's name. A model of unknown size gets ``large`` on a server and ``small`` in
    process.
    """
    if model.profile:
        return Choice(model.profile, "set in the recipe")
    if isinstance(model, ScriptedModel):
        return Choice("bundled", "a scripted model")
    if isinstance(model, VllmModel) and model.model in ("bundled", "bundled-chat"):
        return Choice("bundled", "the bundled model")
    billions, source = size_of(model.model)
    if billions is None:
        name = "large" if isinstance(model, OpenAIModel) else "small"
        return Choice(name, "size unknown; set profile to choose another")
    fitting = [name for name in BUILT_IN if read_profile(name, folder).least_billions <= billions]
    return Choice(fitting[-1], f"{billions:.3g} billion parameters, by its {source}")


def size_of(model: str) -> tuple[float | None, str]:
    """
    Estimate a model's number of parameters, including all experts.

    Returns
    -------
    billions, source
        The number, None if unknown; and its source, config.json or the name.
    """
    config = expanded(model) / "config.json"
    if config.is_file():
        try:
            return _parameters(json.loads(config.read_text(encoding="utf-8"))) / 1e9, "config.json"
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            pass  # an unknown kind of configuration: use the folder's name
    match = SIZE.search(Path(model).name)
    if match is None:
        return None, ""
    experts, number, unit = match.groups()
    return int(experts or 1) * float(number) / (1 if unit in "Bb" else 1000), "name"


def _parameters(config: JsonObject) -> float:
    """Count the parameters of a decoder-only transformer from its configuration."""
    text = config.get("text_config", config)
    hidden, layers, heads = text["hidden_size"], text["num_hidden_layers"], text["num_attention_heads"]
    head = text.get("head_dim") or hidden // heads
    attention = 2 * hidden * head * (heads + (text.get("num_key_value_heads") or heads))
    experts = text.get("num_local_experts") or text.get("num_experts") or text.get("n_routed_experts") or 1
    inner = text.get("moe_intermediate_size") if experts > 1 else None
    feed_forward = 3 * hidden * (inner or text["intermediate_size"]) * experts
    tied = text.get("tie_word_embeddings", config.get("tie_word_embeddings", False))
    embeddings = text["vocab_size"] * hidden * (1 if tied else 2)
    return float(layers * (attention + feed_forward) + embeddings)
