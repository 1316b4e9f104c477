"""The sections of a recipe: what is read, which models work, where, and what a run may spend."""

import json
import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_serializer,
    field_validator,
    model_validator,
)

from datagen.redaction import mask_secrets, mask_settings

CONTROL = re.compile(r"[\x00-\x1f\x7f]")  # what no header may hold


class Section(BaseModel):
    """A part of the recipe. Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(Section):
    """
    Documents to read. Give `path` or `python`.

    A file's format is told by its ending, or by its content; docs/documents.md lists the formats. A field is
    named by its path within a record: `body`, `meta.title`, `conversations.*.value`.
    """

    path: str = Field(
        "",
        description="A file, a folder, or a glob such as docs/**/*.html; relative to the recipe. Or an "
        "address: s3://bucket/docs, gs://, abfss:// or any other that fsspec knows",
    )
    python: str = Field(
        "", description="A mapping of titles to texts in an importable module: module:attribute"
    )
    include: tuple[str, ...] = Field(
        (), description="Globs of the files to read, such as *.md or manuals/**; left out: all"
    )
    exclude: tuple[str, ...] = Field(
        (), description="Globs of files and folders to leave out, such as *.log or drafts"
    )
    text_field: str = Field("text", description="Records: the field that holds the text")
    title_field: str = Field("title", description="Records: the field that holds the title, if any")
    id_field: str = Field("id", description="Records: the field that names the record, if any")
    fields: dict[str, str] = Field(
        {},
        description="Records: what to take from where, name: path. text, title and id are as above; any "
        "other name is metadata",
    )
    encoding: str = Field(
        "", description="Of text that is not UTF-8, such as windows-1252; left out: guessed where it can be"
    )
    language: str = Field(
        "",
        pattern=r"^([a-z]{2,3})?$",
        description="An ISO 639 code such as de, for all its documents; left out: told from each text",
    )
    licence: str = Field("", description="Of these documents, such as CC-BY-4.0; goes into their metadata")
    metadata: dict[str, Any] = Field({}, description="Goes into the metadata of each document")

    @model_validator(mode="after")
    def _one_of(self) -> "Source":
        if bool(self.path) == bool(self.python):
            raise ValueError("give either path: or python:")
        return self

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, encoding: str) -> str:
        try:
            "".encode(encoding or "utf-8")
        except LookupError:
            raise ValueError(f"there is no text encoding {encoding!r}; windows-1252 is one") from None
        return encoding

    @field_validator("path")
    @classmethod
    def _without_credentials(cls, path: str) -> str:
        """Refuse an address with a key in it, which the run's manifest would keep; never show it."""
        address = re.match(r"[a-z][a-z0-9+.-]*://(?:([^/@]*)@)?(.*)", path, re.DOTALL)
        if address and (":" in (address[1] or "") or mask_secrets(address[2]) != address[2]):
            raise ValueError("an address holds no key or password: credentials come from the environment")
        return path

    @property
    def is_remote(self) -> bool:
        """Whether `path` is an address in an object store."""
        return re.match(r"[a-z][a-z0-9+.-]*://", self.path) is not None

    def path_of(self, field: str) -> str:
        """Give the path of "text", "title" or "id" within a record."""
        named = {"text": self.text_field, "title": self.title_field, "id": self.id_field}
        return self.fields.get(field) or named[field]

    @property
    def constants(self) -> dict[str, Any]:
        """What goes into the metadata of each document."""
        return self.metadata | ({"licence": self.licence} if self.licence else {})


def _off(given: Any) -> Any:
    """Read YAML's off and on: off is a setting, on is what the model does by itself."""
    return "off" if given is False else None if given is True else given


Thinking = Annotated[
    Literal["off"] | Annotated[int, Field(ge=1)] | None,
    BeforeValidator(_off),
    Field(
        description="Of a reasoning model: off, or the tokens that it may think beside those of its answer. "
        "Left out: as the model does by itself, within the tokens of the answer"
    ),
]

PROFILE = Field(
    "",
    description="bundled, small, large, or a file profiles/NAME.yaml of your own prompts: defaults of the "
    "stages that ask the model. Left out: inferred from its size; `datagen doctor RECIPE` shows which",
)

BUNDLED_LICENCE = "Apache-2.0"
LICENCE = Field(
    "",
    description="The model's licence, such as Apache-2.0, or that of its provider's terms; goes into the "
    "lineage of every row that it contributes to. The bundled model's is known",
)

PATIENCE = Field(
    900, gt=0, description="Seconds without any answer after which the engine hangs: it is opened again"
)


class Licensed(Section):
    """A model with a licence."""

    licence: str = LICENCE

    @property
    def stated_licence(self) -> str:
        """The licence that the recipe states; "" if it states none."""
        return self.licence


class VllmModel(Licensed):
    """A model that vLLM serves in the worker's own process tree, on a GPU or the CPU."""

    engine: Literal["vllm"] = "vllm"
    model: str = Field(
        "bundled",
        description="bundled, bundled-chat (the same before it was trained to write exercises), "
        "a folder with a checkpoint, or a model hub's id",
    )
    revision: str = Field("", description="Commit or tag on the hub; for a folder, told from its files")
    window: int = Field(128, ge=1, description="Requests in flight at once")
    max_model_len: int = Field(4096, ge=128, description="Tokens of prompt and answer together")
    patience: float = PATIENCE
    profile: str = PROFILE
    thinking: Thinking = None
    options: dict[str, Any] = Field(
        default_factory=dict,
        description="Further arguments of vLLM's EngineArgs, such as tensor_parallel_size, reasoning_parser",
    )

    @property
    def stated_licence(self) -> str:
        """The licence that the recipe states, or that of the bundled model."""
        return self.licence or (BUNDLED_LICENCE if self.model in ("bundled", "bundled-chat") else "")

    @model_validator(mode="after")
    def _thinks_with_parser(self) -> "VllmModel":
        if isinstance(self.thinking, int) and "reasoning_parser" not in self.options:
            raise ValueError("a budget for thinking needs options: {reasoning_parser: ...}, such as qwen3")
        return self


class OpenAIModel(Licensed):
    """A model behind any server that speaks the OpenAI chat completions protocol."""

    engine: Literal["openai"]
    model: str = Field(description="The model's name on that server")
    revision: str = Field("", description="Change it to regenerate everything")
    base_url: str = Field(description="For example http://localhost:8000/v1")
    api_key_env: str = Field(
        "OPENAI_API_KEY",
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="Environment variable that holds the key, if one is needed",
    )
    window: int = Field(
        64, ge=1, description="Requests in flight at once; fewer while the server does not take so many"
    )
    timeout: float = Field(300, gt=0, description="Seconds to wait for an answer")
    retries: int = Field(
        5,
        ge=0,
        description="Tries of a request that failed while the server answered others, before it is given up",
    )
    patience: float = Field(
        1800, gt=0, description="Seconds to wait for a server that answers nobody, before the run stops"
    )
    profile: str = PROFILE
    thinking: Thinking = None
    options: dict[str, Any] = Field(
        default_factory=dict,
        description="Further parameters of each request, such as max_completion_tokens, extra_body or "
        "extra_headers; null leaves one out",
    )

    @field_validator("options")
    @classmethod
    def _can_be_sent(cls, options: dict[str, Any]) -> dict[str, Any]:
        """Refuse what has no place in a request, before anything is paid for; never show a value."""
        try:
            json.dumps(options, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"they are sent as JSON: {error}. Put quotes around a date") from None
        for name in ("extra_body", "extra_headers"):
            if not isinstance(options.get(name) or {}, dict):
                raise ValueError(f"{name} holds names with values, such as {name}: {{name: value}}")
        for name, value in (options.get("extra_headers") or {}).items():
            if not isinstance(value, str | int | float | None) or CONTROL.search(f"{name}{value}"):
                raise ValueError(f"extra_headers: the value of {name!r} must be one line of text")
        if (options.get("extra_body") or {}).get("stream", options.get("stream")):
            raise ValueError("stream: answers are read whole; leave it out")
        return options

    @property
    def headers(self) -> dict[str, str]:
        """What the recipe adds to the headers of each request."""
        given = self.options.get("extra_headers") or {}
        return {name: str(value) for name, value in given.items() if value is not None}

    @field_serializer("base_url", "options")
    def _masked(self, value: Any) -> Any:
        return mask_settings(value)

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Leave secrets out of what is logged."""
        return ((name, mask_settings(value)) for name, value in super().__repr_args__())


class ScriptedModel(Licensed):
    """A Python function that plays the model: for tests, and to try a recipe without one."""

    engine: Literal["scripted"]
    model: str = Field(description="module:function, called with a Request, returning the answer's text")
    revision: str = ""
    window: int = Field(128, ge=1, description="Requests in flight at once")
    latency: float = Field(0, ge=0, description="Seconds that each answer takes")
    patience: float = PATIENCE
    profile: str = PROFILE


Model = Annotated[VllmModel | OpenAIModel | ScriptedModel, Field(discriminator="engine")]


class Models(Section):
    """
    Who plays which role. A role may name another role instead of a model.

    The generator writes, the target is the model that will be trained, the judge scores. A role of another
    name is asked by stages that say so: with `models: {second: ...}`, `again: {use: instruct, role: second}`.
    """

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[str, Model | str]

    generator: Model = VllmModel()
    target: Model | Literal["generator", "judge"] = "generator"
    judge: Model | Literal["generator", "target"] = "generator"

    @property
    def roles(self) -> tuple[str, ...]:
        """List the roles."""
        return (*type(self).model_fields, *(self.model_extra or ()))

    def role(self, name: str) -> VllmModel | OpenAIModel | ScriptedModel:
        """
        Find the model that plays a role.

        Raises
        ------
        ValueError
            When there is no such role, or roles name each other.
        """
        seen: list[str] = []
        player: Any = name
        while isinstance(player, str):
            if player in seen:
                raise ValueError(f"the roles {' and '.join(seen)} name each other; give one of them a model")
            if player not in self.roles:
                raise ValueError(f"there is no role {player!r}; there are {', '.join(self.roles)}")
            seen.append(player)
            player = getattr(self, player)
        result: VllmModel | OpenAIModel | ScriptedModel = player
        return result

    @model_validator(mode="before")
    @classmethod
    def _default_engine(cls, data: Any) -> Any:
        """Take a model without ``engine`` as vLLM's, and a model's bare name as its model."""
        if isinstance(data, dict):
            for role, player in data.items():
                if isinstance(player, dict) and "engine" not in player:
                    data = data | {role: {"engine": "vllm"} | player}
        return data

    @model_validator(mode="after")
    def _roles_end(self) -> "Models":
        for role in self.roles:
            self.role(role)
        return self


class Cluster(Section):
    """
    Where the work is done. An address may also stand for the whole section: `cluster: tcp://host:8786`.

    The workers of an address are started by hand, all with this version of datagen and the same folders.
    Those that shall hold an engine say so: `dask worker tcp://host:8786 --resources engine=1 --nthreads 4`.
    """

    address: str = Field(
        "",
        description="A Dask scheduler's, such as tcp://host:8786; left out: workers on this machine",
    )
    workers: int = Field(
        0, ge=0, description="Worker processes for CPU stages on this machine; 0: one a core"
    )
    partition_mb: float = Field(8, gt=0, description="Text in one partition, in MB; bounds a worker's memory")

    @model_validator(mode="after")
    def _here_or_there(self) -> "Cluster":
        if self.address and not re.fullmatch(r"[a-z]+://\S+:\d+", self.address):
            raise ValueError("the address of a cluster is written tcp://host:8786")
        if self.address and self.workers:
            raise ValueError("workers are started on this machine only; give an address or workers")
        return self


class Budget(Section):
    """
    What a run may spend on answers; a part that is left out has no limit.

    A run that has spent one part stops. What was answered is kept, and with a higher budget the same run
    goes on. Answers that are used again cost nothing. With one engine, requests are exact, and the tokens
    may be more than said by those of the requests in flight (the model's window); each further engine may
    add its own, and what it answers in half a second.
    """

    requests: int | None = Field(None, ge=0, description="Requests answered")
    prompt_tokens: int | None = Field(None, ge=0, description="Tokens read, cached ones included")
    completion_tokens: int | None = Field(None, ge=0, description="Tokens written")
