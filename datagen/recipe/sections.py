"""The sections of a recipe: corpus, models, cluster and budget."""

import json
import re
from collections.abc import Iterator
from datetime import date
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_serializer,
    field_validator,
    model_validator,
)

from datagen.errors import hint
from datagen.json_types import JsonObject
from datagen.redaction import mask_secrets, mask_settings

MAX_IN_FLIGHT = 100_000  # each is a task of the event loop
CONTROL = re.compile(r"[\x00-\x1f\x7f]")  # not allowed in a header


class Section(BaseModel):
    """A part of the recipe. Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Source(Section):
    """
    Documents to read. Give `path` or `python`.

    A file's format is inferred from its extension or its content; docs/documents.md lists the formats. A
    field is given by its path within a record: `body`, `meta.title`, `conversations.*.value`.
    """

    path: str = Field(
        "",
        description="A file, a folder, or a glob such as docs/**/*.html; relative to the recipe. Or a URL "
        "that fsspec supports, such as s3://bucket/docs, gs:// or abfss://",
    )
    python: str = Field(
        "", description="A mapping of titles to texts in an importable module: module:attribute"
    )
    include: tuple[str, ...] = Field(
        (), description="Globs of the files to read, such as *.md or manuals/**; default: all"
    )
    exclude: tuple[str, ...] = Field(
        (), description="Globs of files and folders to exclude, such as *.log or drafts"
    )
    text_field: str = Field("text", description="Records: the field with the text")
    title_field: str = Field("title", description="Records: the field with the title, if any")
    id_field: str = Field("id", description="Records: the field with the record's id, if any")
    fields: dict[str, str] = Field(
        {},
        description="Records: fields to read, as name: path. text, title and id are as above; any "
        "other name becomes metadata",
    )
    encoding: str = Field(
        "", description="Encoding of text that is not UTF-8, such as windows-1252; default: detected"
    )
    language: str = Field(
        "",
        pattern=r"^([a-z]{2,3})?$",
        description="ISO 639 code of all documents, such as de; default: detected per text",
    )
    licence: str = Field("", description="Licence, such as CC-BY-4.0; added to the metadata")
    metadata: JsonObject = Field({}, description="Added to the metadata of each document")

    @model_validator(mode="after")
    def _check_path_or_python(self) -> "Source":
        if bool(self.path) == bool(self.python):
            raise ValueError("give either path: or python:")
        return self

    @field_validator("encoding")
    @classmethod
    def _check_encoding(cls, encoding: str) -> str:
        try:
            "".encode(encoding or "utf-8")
        except LookupError:
            raise ValueError(f"there is no text encoding {encoding!r}; try windows-1252") from None
        return encoding

    @field_validator("path")
    @classmethod
    def _check_credentials(cls, path: str) -> str:
        """Reject a URL with credentials, which the run's manifest would store; never show them."""
        if "\0" in path:
            raise ValueError("a path cannot contain a NUL character")
        address = re.match(r"[a-z][a-z0-9+.-]*://(?:([^/@]*)@)?(.*)", path, re.DOTALL)
        if address and (":" in (address[1] or "") or mask_secrets(address[2]) != address[2]):
            raise ValueError("remove the key or password from the URL: credentials come from the environment")
        return path

    @property
    def is_remote(self) -> bool:
        """Whether `path` is a URL."""
        return re.match(r"[a-z][a-z0-9+.-]*://", self.path) is not None

    def path_of(self, field: str) -> str:
        """Return the path of "text", "title" or "id" within a record."""
        record_fields = {"text": self.text_field, "title": self.title_field, "id": self.id_field}
        return self.fields.get(field) or record_fields[field]

    @property
    def constants(self) -> JsonObject:
        """Metadata added to each document."""
        return self.metadata | ({"licence": self.licence} if self.licence else {})


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
            for role, player in data.items():
                if isinstance(player, dict) and "engine" not in player:
                    data = data | {role: {"engine": "vllm"} | player}
        return data

    @model_validator(mode="after")
    def _check_roles(self) -> "Models":
        for role in self.roles:
            self.role(role)
        return self


class Cluster(Section):
    """
    Where the stages run. The section may be just an address: `cluster: tcp://host:8786`.

    Start the workers of a remote scheduler yourself, with the same version of datagen and the same folders.
    Start workers for engines with `dask worker tcp://host:8786 --resources engine=1 --nthreads 4`.
    """

    address: str = Field(
        "",
        description="Address of a Dask scheduler, such as tcp://host:8786; default: workers on this machine",
    )
    workers: int = Field(
        0, ge=0, description="Worker processes for CPU stages on this machine; 0: one per core"
    )
    partition_mb: float = Field(8, gt=0, description="Text per partition, in MB; bounds a worker's memory")

    @model_validator(mode="after")
    def _check_address(self) -> "Cluster":
        if self.address and not re.fullmatch(r"[a-z]+://\S+:\d+", self.address):
            raise ValueError("the address of a cluster has the form tcp://host:8786")
        if self.address and self.workers:
            raise ValueError("workers are only started on this machine; give either address or workers")
        return self


class Price(Section):
    """
    The price of a model's answers, for plans and the report. It affects no row and no request.

    Prices are per million tokens, per hour of an engine, or both.
    """

    prompt: float = Field(0, ge=0, allow_inf_nan=False, description="Per million input tokens")
    completion: float = Field(0, ge=0, allow_inf_nan=False, description="Per million output tokens")
    cached: float | None = Field(
        None,
        ge=0,
        allow_inf_nan=False,
        description="Per million input tokens from the prefix cache; default: as other input tokens",
    )
    hour: float = Field(0, ge=0, allow_inf_nan=False, description="Per hour of the engine")
    currency: str = Field("USD", pattern=r"^[A-Z]{3}$", description="Code of the currency; one per recipe")
    stated: str = Field(
        "", pattern=r"^(\d{4}-\d{2}-\d{2})?$", description="Date of the price, such as 2026-11-29, in quotes"
    )

    @field_validator("stated")
    @classmethod
    def _real_date(cls, stated: str) -> str:
        if stated:
            date.fromisoformat(stated)
        return stated

    def of(
        self, prompt_tokens: float, cached_tokens: float, completion_tokens: float, hours: float | None
    ) -> float | None:
        """
        Compute the price of answers.

        Parameters
        ----------
        prompt_tokens, cached_tokens, completion_tokens
            Input tokens, those of them from the prefix cache, and output tokens.
        hours
            Hours of the engine; None if unknown.

        Returns
        -------
        An amount in `currency`; None if the engine has a price per hour and the hours are unknown.
        """
        if self.hour and hours is None:
            return None
        cached = self.prompt if self.cached is None else self.cached
        tokens = (
            (prompt_tokens - cached_tokens) * self.prompt
            + cached_tokens * cached
            + completion_tokens * self.completion
        )
        return tokens / 1e6 + self.hour * (hours or 0.0)

    @property
    def terms(self) -> str:
        """The price as text, with its date."""
        terms = []
        if self.prompt or self.completion:
            terms.append(f"{self.prompt:g}/{self.completion:g} per million input/output tokens")
        if self.cached is not None:
            terms.append(f"{self.cached:g} per million cached ones")
        if self.hour:
            terms.append(f"{self.hour:g} per engine hour")
        date = f" (as of {self.stated})" if self.stated else ""
        return f"{self.currency} {', '.join(terms) or '0'}{date}"


class Budget(Section):
    """
    Limits on the answers of a run; omitted ones are unlimited.

    A run stops when it reaches a limit. Its answers are kept, and with a higher budget the run continues.
    Reused answers do not count. With one engine, the number of requests is exact, and tokens may exceed the
    limit by those of the requests in flight (the model's window). Each further engine may add its requests in
    flight, and those that it answers in half a second.
    """

    requests: int | None = Field(None, ge=0, description="Maximum answered requests")
    prompt_tokens: int | None = Field(None, ge=0, description="Maximum input tokens, including cached ones")
    completion_tokens: int | None = Field(None, ge=0, description="Maximum output tokens")
