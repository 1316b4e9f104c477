"""
Profiles: defaults of the stages that ask a model, by what the model can do.

A profile is a file in ``prompts/profiles/``: options for each stage by its name, which the recipe's own
options override. `choose` takes the profile that the recipe names for a role's model, or infers one from the
model's size. A recipe's own folder of prompts may hold further profiles, or replace the built-in ones.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from datagen.errors import UserError
from datagen.paths import expanded
from datagen.prompt import exists, load
from datagen.recipe.sections import OpenAIModel, ScriptedModel, VllmModel

BUILT_IN = ("bundled", "small", "large")  # by size, the smallest first
FOLDER = "profiles"

# "7B" in Qwen2.5-7B-Instruct, "8x7B", "360M", "E4B"; not the active "A3B" of a mixture, nor "4bit".
SIZE = re.compile(r"(?<![A-Za-z0-9.])(?:(\d+)x|E)?(\d+(?:\.\d+)?)([BM])(?![A-Za-z0-9])", re.IGNORECASE)


class Profile(BaseModel):
    """
    A file of ``prompts/profiles/``.

    Parameters
    ----------
    summary
        What it is for, in a line.
    least_billions
        Parameters, in billions, from which a model gets it. Read of the built-in profiles only.
    stages
        Stage -> option -> value.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    summary: str
    least_billions: float = Field(0, ge=0)
    stages: dict[str, dict[str, Any]] = {}


@dataclass(frozen=True)
class Choice:
    """The profile of a model: its name, and why it was chosen."""

    name: str
    why: str


def read_profile(name: str, folder: Path | None = None) -> Profile:
    """
    Read a profile, the recipe's own (from its folder of prompts) or a built-in one.

    Raises
    ------
    UserError
        When there is none of this name, or the file is not a profile.
    """
    if not re.fullmatch(r"[\w.-]+", name) or not exists(f"{FOLDER}/{name}", folder):
        raise UserError(
            f"there is no profile {name!r}; there are {', '.join(BUILT_IN)}. A profile of your own is "
            f"{FOLDER}/NAME.yaml in the recipe's folder of prompts"
        )
    return load(f"{FOLDER}/{name}", folder).checked(Profile, "compare prompts/profiles/small.yaml")


def defaults(
    stage: str, model: VllmModel | OpenAIModel | ScriptedModel, folder: Path | None = None
) -> Mapping[str, Any]:
    """Give the options that a stage has by default when it asks a model; none for most stages."""
    return read_profile(choose(model, folder).name, folder).stages.get(stage, {})


def choose(model: VllmModel | OpenAIModel | ScriptedModel, folder: Path | None = None) -> Choice:
    """
    Choose the profile of a model.

    The recipe's ``profile`` comes first, then the size: from a checkpoint's config.json, else from the
    model's name. A model of unknown size gets ``large`` behind a server and ``small`` in process.
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
    Estimate a model's parameters, all experts included.

    Returns
    -------
    billions, source
        None where neither its config.json nor its name tells; and which of the two did.
    """
    config = expanded(model) / "config.json"
    if config.is_file():
        try:
            return _parameters(json.loads(config.read_text(encoding="utf-8"))) / 1e9, "config.json"
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            pass  # a configuration of another kind: the folder's name may tell
    found = SIZE.search(Path(model).name)
    if found is None:
        return None, ""
    experts, number, unit = found.groups()
    return int(experts or 1) * float(number) / (1 if unit in "Bb" else 1000), "name"


def _parameters(config: Mapping[str, Any]) -> float:
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
