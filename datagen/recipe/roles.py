"""The section `models` of a recipe: the model of each role, and the engine that answers for it."""

import json
import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BeforeValidator, ConfigDict, Field, field_serializer, field_validator, model_validator

from datagen.errors import hint
from datagen.json_types import JsonObject
from datagen.recipe.sections import Section
from datagen.redaction import mask_settings

MAX_IN_FLIGHT = 100_000  # each is a task of the event loop
CONTROL = re.compile(r"[\x00-\x1f\x7f]")  # not allowed in a header


def _parse_switch(value: object) -> object:
    """Convert YAML's off to "off", and on to None, the model's default."""
    return "off" if value is False else None if value is True else value


Thinking = Annotated[
    Literal["off"] | Annotated[int, Field(ge=1)] | None,
    BeforeValidator(_parse_switch),
    Field(
        description="Reasoning models: off, or the maximum tokens of reasoning, in addition to those of the "
        "answer. Default: the model's default, within the tokens of the answer"
    ),
]

PROFILE = Field(
    "",
    description="Default options of the stages that use the model: bundled, small, large, or a file "
    "profiles/NAME.yaml in your prompts. Default: inferred from its size; see `datagen doctor RECIPE`",
)

BUNDLED_LICENCE = "Apache-2.0"
LICENCE = Field(
    "",
    description="The model's licence, such as Apache-2.0, or that of its provider's terms; stored in the "
    "lineage of every row that it contributes to. The bundled model's is known",
)

PATIENCE = Field(900, gt=0, description="Seconds without any answer after which the engine is restarted")


class Licensed(Section):
    """A model with a licence."""

    licence: str = LICENCE

    @property
    def stated_licence(self) -> str:
        """The licence that the recipe states; "" if it states none."""
        return self.licence


class VllmModel(Licensed):
    """A model that vLLM runs in a child process of the worker, on a GPU or the CPU."""

    engine: Literal["vllm"] = "vllm"
    model: str = Field(
        "bundled",
        description="bundled, bundled-chat (its base model, not trained to write exercises), "
        "a folder with a checkpoint, or a hub id",
    )
    revision: str = Field("", description="Commit or tag on the hub; for a folder, computed from its files")
    window: int = Field(128, ge=1, le=MAX_IN_FLIGHT, description="Requests in flight at once")
    max_model_len: int = Field(4096, ge=128, description="Maximum tokens of prompt and answer together")
    patience: float = PATIENCE
    profile: str = PROFILE
    thinking: Thinking = None
    options: JsonObject = Field(
        default_factory=dict,
        description="Further arguments of vLLM's EngineArgs, such as tensor_parallel_size, reasoning_parser",
    )

    @property
    def stated_licence(self) -> str:
        """The licence that the recipe states, or that of the bundled model."""
        return self.licence or (BUNDLED_LICENCE if self.model in ("bundled", "bundled-chat") else "")

    @model_validator(mode="after")
    def _check_thinking(self) -> "VllmModel":
        if isinstance(self.thinking, int) and "reasoning_parser" not in self.options:
            raise ValueError("a limit for thinking requires options: {reasoning_parser: ...}, such as qwen3")
        return self


class OpenAIModel(Licensed):
    """A model on any server with the OpenAI chat completions API."""

    engine: Literal["openai"]
    model: str = Field(description="The model's name on that server")
    revision: str = Field("", description="Change it to regenerate everything")
    base_url: str = Field(description="For example http://localhost:8000/v1")
    api_key_env: str = Field(
        "OPENAI_API_KEY",
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="Environment variable with the API key, if the server needs one",
    )
    window: int = Field(
        64,
        ge=1,
        le=MAX_IN_FLIGHT,
        description="Requests in flight at once; lowered while the server accepts fewer",
    )
    timeout: float = Field(300, gt=0, le=1e6, description="Seconds to wait for an answer")
    retries: int = Field(
        5,
        ge=0,
        description="Retries of a failed request while the server answers others",
    )
    patience: float = Field(
        1800, gt=0, description="Seconds to wait for a server that answers no request, before the run stops"
    )
    profile: str = PROFILE
    thinking: Thinking = None
    options: JsonObject = Field(
        default_factory=dict,
        description="Further parameters of each request, such as max_completion_tokens, extra_body or "
        "extra_headers; null removes one",
    )

    @field_validator("options")
    @classmethod
    def _check_options(cls, options: JsonObject) -> JsonObject:
        """Reject invalid parameters before the run starts; never show a value."""
        try:
            json.dumps(options, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"not valid as JSON: {error}. Put quotes around a date") from None
        for name in ("extra_body", "extra_headers"):
            if not isinstance(options.get(name) or {}, dict):
                raise ValueError(f"{name} should be a mapping, such as {name}: {{name: value}}")
        for name, value in (options.get("extra_headers") or {}).items():
            if not isinstance(value, str | int | float | None) or CONTROL.search(f"{name}{value}"):
                raise ValueError(f"extra_headers: the value of {name!r} must be one line of text")
        if (options.get("extra_body") or {}).get("stream", options.get("stream")):
            raise ValueError("stream: streaming is not supported; remove it")
        return options

    @property
    def headers(self) -> dict[str, str]:
        """Additional headers of each request."""
        extra = self.options.get("extra_headers") or {}
        return {name: str(value) for name, value in extra.items() if value is not None}

    @field_serializer("base_url", "options")
    def _masked(self, value: object) -> object:
        return mask_settings(value)

    def __repr_args__(self) -> Iterator[tuple[str | None, object]]:
        """Mask secrets in logs."""
        return ((name, mask_settings(value)) for name, value in super().__repr_args__())


class ScriptedModel(Licensed):
    """A Python function in place of a model, for tests and for trying out a recipe."""

    engine: Literal["scripted"]
    model: str = Field(description="module:function, called with a Request, returns the answer's text")
    revision: str = ""
    window: int = Field(128, ge=1, le=MAX_IN_FLIGHT, description="Requests in flight at once")
    latency: float = Field(0, ge=0, description="Seconds per answer")
    patience: float = PATIENCE
    profile: str = PROFILE


Model = Annotated[VllmModel | OpenAIModel | ScriptedModel, Field(discriminator="engine")]


class Models(Section):
    """
    The model of each role. A role may name another role instead of a model.

    The generator writes rows, the target is the model to be fine-tuned, and the judge scores rows. Stages can
    use further roles: with `models: {second: ...}`, `again: {use: instruct, role: second}`.
    """

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, Model | str]

    generator: Model = VllmModel()
    target: Model | Literal["generator", "judge"] = "generator"
    judge: Model | Literal["generator", "target"] = "generator"

    @property
    def roles(self) -> tuple[str, ...]:
        """The names of all roles."""
        return (*type(self).model_fields, *(self.model_extra or ()))

    def role(self, name: str) -> Model:
        """
        Return the model of a role.

        Raises
        ------
        ValueError
            If there is no such role, or roles refer to each other.
        """
        seen: list[str] = []
        value: Model | str = name
        while isinstance(value, str):
            if value in seen:
                raise ValueError(f"the roles {' and '.join(seen)} refer to each other; give one a model")
            if value not in self.roles:
                raise ValueError(f"there is no role {value!r}; {hint(value, self.roles)}")
            seen.append(value)
            value = getattr(self, value)
        return value

    @model_validator(mode="before")
    @classmethod
    def _default_engine(cls, data: object) -> object:
        """Set the engine of a model without ``engine`` to vLLM."""
        if isinstance(data, dict):
            for role, model in data.items():
                if isinstance(model, dict) and "engine" not in model:
                    data = data | {role: {"engine": "vllm"} | model}
        return data

    @model_validator(mode="after")
    def _check_roles(self) -> "Models":
        for role in self.roles:
            self.role(role)
        return self
