"""
The recipe: one YAML file that says what is read, which models work, and what each stage does.

Mistakes are reported with the file, the line, the key and the fix (`datagen.recipe.errors`); `json_schema`
gives editors the same rules.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from datagen.errors import UserError
from datagen.recipe.errors import Mistake, explain, location, mistaken, read_yaml
from datagen.recipe.registry import DEFAULT_PIPELINE, find_stage, installed_stages
from datagen.stage import ModelStage, Options, Stage


class Section(BaseModel):
    """A part of the recipe. Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(Section):
    """
    Documents to read. Give `path` or `python`.

    Formats are told by the ending, which .gz may follow: text (.txt, .text, .rst), Markdown (.md,
    .markdown), HTML (.html, .htm, .xhtml), JSON lines (.jsonl, .ndjson) and .parquet.
    """

    path: str = Field(
        "", description="A file, a folder, or a glob such as docs/**/*.html; relative to the recipe"
    )
    python: str = Field(
        "", description="A mapping of titles to texts in an importable module: module:attribute"
    )
    text_field: str = Field("text", description="JSONL and Parquet: the field that holds the text")
    title_field: str = Field("title", description="JSONL and Parquet: the field that holds the title, if any")
    id_field: str = Field("id", description="JSONL and Parquet: the field that names the record, if any")

    language: str = Field(
        "",
        pattern=r"^([a-z]{2,3})?$",
        description="An ISO 639 code such as de, for all its documents; left out: told from each text",
    )

    @model_validator(mode="after")
    def _one_of(self) -> "Source":
        if bool(self.path) == bool(self.python):
            raise ValueError("give either path: or python:")
        return self


PATIENCE = Field(
    900, gt=0, description="Seconds without any answer after which the engine hangs: it is opened again"
)


class VllmModel(Section):
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
    options: dict[str, Any] = Field(
        default_factory=dict,
        description="Further arguments of vLLM's EngineArgs, such as tensor_parallel_size",
    )


class OpenAIModel(Section):
    """A model behind any server that speaks the OpenAI chat completions protocol."""

    engine: Literal["openai"]
    model: str = Field(description="The model's name on that server")
    revision: str = Field("", description="Say another revision to have everything written anew")
    base_url: str = Field(description="For example http://localhost:8000/v1")
    api_key_env: str = Field(
        "OPENAI_API_KEY", description="Environment variable that holds the key, if one is needed"
    )
    window: int = Field(64, ge=1, description="Requests in flight at once")
    timeout: float = Field(300, gt=0, description="Seconds to wait for an answer")
    retries: int = Field(
        5, ge=0, description="Tries after a failure that may pass: 429, 5xx, a lost connection"
    )


class ScriptedModel(Section):
    """A Python function that plays the model: for tests, and to try a recipe without one."""

    engine: Literal["scripted"]
    model: str = Field(description="module:function, called with a Request, returning the answer's text")
    revision: str = ""
    window: int = Field(128, ge=1, description="Requests in flight at once")
    latency: float = Field(0, ge=0, description="Seconds that each answer takes")
    patience: float = PATIENCE


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


def _address_alone(given: Any) -> Any:
    return {"address": given} if isinstance(given, str) else given


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


class Recipe(Section):
    """One run from documents to hand-off."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="Names the folder under outputs/")
    corpus: list[Source] = Field(min_length=1, description="What is read")
    models: Models = Field(default_factory=Models)
    stages: dict[str, dict[str, Any] | None] = Field(
        default_factory=lambda: dict.fromkeys(DEFAULT_PIPELINE),
        description="The stages in their order, each with its options. Left out: the whole line",
    )
    budget: Budget = Field(Budget(), description="What the run may spend before it stops")
    cluster: Annotated[Cluster, BeforeValidator(_address_alone, Cluster | str)] = Cluster()
    prompts: str = Field("", description="A folder of prompts that come before the built-in ones")
    lists: tuple[str, ...] = Field(
        (), description="Lists in prompts/languages/lists/ that add to the languages' rules, such as us-code"
    )
    seed: int = Field(0, description="Draws other samples, templates and splits")
    file: Path = Field(
        default=Path("recipe.yaml"), exclude=True, description="Where the recipe was read from"
    )

    @model_validator(mode="before")
    @classmethod
    def _anchor_models(cls, data: Any) -> Any:
        """Let a model's folder start from the recipe, as a corpus does, and not from where it is run."""
        players = data.get("models") if isinstance(data, dict) else None
        if not isinstance(players, dict):
            return data
        anchored = dict(players)
        for role, player in players.items():
            model = player.get("model") if isinstance(player, dict) else None
            if isinstance(model, str) and model.startswith(("./", "../")):
                anchored[role] = player | {"model": str((Path(data["file"]).parent / model).resolve())}
        return data | {"models": anchored}

    @property
    def folder(self) -> Path:
        """The folder that the recipe's relative paths start from."""
        return self.file.parent

    @property
    def prompt_folder(self) -> Path | None:
        """The recipe's own prompts."""
        return self.folder / self.prompts if self.prompts else None

    def line(self) -> list[tuple[str, Stage, Options]]:
        """List the stages of this recipe: name in the recipe, stage, options."""
        return [(name, *self.step(name)) for name in self.stages]

    def step(self, name: str) -> tuple[Stage, Options]:
        """
        Find one stage and read its options.

        Raises
        ------
        UserError
            When there is no such stage, or none of the role that it is given.
        ValidationError
            When its options are wrong.
        """
        given = dict(self.stages[name] or {})
        stage = find_stage(given.pop("use", name), self.folder)
        if role := given.pop("role", None):
            if not isinstance(stage, ModelStage):
                raise UserError("it asks no model and has no role; leave out role")
            if role not in self.models.roles:
                raise UserError(f"models has no role {role!r}; there are {', '.join(self.models.roles)}")
            stage = replace(stage, role=role)
        return stage, stage.options.model_validate(given)


def load_recipe(path: Path, overrides: Mapping[str, Any] | None = None) -> Recipe:
    """
    Read a recipe and check it whole, the options of every stage included.

    Parameters
    ----------
    path
        The YAML file.
    overrides
        Dotted key -> value, set over what the file says: ``{"stages.chunk.max_chars": 800}``.

    Raises
    ------
    RecipeError
        Naming file, line, key and fix, one line a mistake.
    """
    node, data = read_yaml(path, "the keys name and corpus")
    for key, value in (overrides or {}).items():
        _set(data, key.split("."), value)
    try:
        recipe = Recipe.model_validate(data | {"file": path.resolve()})
        mistakes = _mistaken_stages(recipe)
    except ValidationError as error:
        mistakes = [(location(part), explain(part, Recipe)) for part in error.errors()]
    if mistakes:
        raise mistaken(path, node, mistakes)
    return recipe


def json_schema() -> dict[str, Any]:
    """Give the JSON schema of a recipe, with the options of every installed stage, for editors."""
    schema = Recipe.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["properties"].pop("file")
    stages = {}
    for name in installed_stages():
        options = find_stage(name)
        part = TypeAdapter(options.options).json_schema(ref_template=f"#/$defs/{name}.{{model}}")
        for inner, definition in part.pop("$defs", {}).items():
            schema["$defs"][f"{name}.{inner}"] = definition
        asks = {"role": {"type": "string"}} if isinstance(options, ModelStage) else {}
        part["properties"] = {"use": {"type": "string"}, **asks, **part.get("properties", {})}
        stages[name] = {"anyOf": [part | {"description": options.summary}, {"type": "null"}]}
    other = {"anyOf": [{"type": "object"}, {"type": "null"}]}
    schema["properties"]["stages"] |= {"properties": stages, "additionalProperties": other}
    return schema


def _mistaken_stages(recipe: Recipe) -> list[Mistake]:
    mistakes: list[Mistake] = []
    for name in recipe.stages:
        try:
            recipe.step(name)
        except ValidationError as error:
            use = (recipe.stages[name] or {}).get("use", name)
            options = find_stage(use, recipe.folder).options
            mistakes += [(("stages", name, *part["loc"]), explain(part, options)) for part in error.errors()]
        except UserError as error:
            mistakes.append((("stages", name), str(error)))
    return mistakes or _unasked_roles(recipe)


def _unasked_roles(recipe: Recipe) -> list[Mistake]:
    """Refuse a role that nobody asks: it is a misspelt one."""
    models = recipe.models
    asked = {stage.role for _, stage, _ in recipe.line() if isinstance(stage, ModelStage)}
    asked |= {player for role in models.roles if isinstance(player := getattr(models, role), str)}
    advice = "no stage asks this role; the usual ones are generator, target and judge"
    return [(("models", role), advice) for role in models.model_extra or () if role not in asked]


def _set(data: dict[str, Any], keys: list[str], value: Any) -> None:
    for key in keys[:-1]:
        if not isinstance(data.get(key), dict):
            data[key] = {}
        data = data[key]
    data[keys[-1]] = value
