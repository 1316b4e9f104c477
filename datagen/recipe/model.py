"""
The recipe: one YAML file with the corpus, the models, and the options of each stage.

`datagen.recipe.load` reads and checks it; `json_schema` gives the same rules to editors.
"""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, TypeAdapter, field_validator, model_validator
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import to_jsonable_python

from datagen.errors import UserError, hint
from datagen.json_types import JsonObject
from datagen.paths import expanded
from datagen.recipe import profiles
from datagen.recipe.gates import read_gate
from datagen.recipe.registry import DEFAULT_PIPELINE, find_stage, installed_stages
from datagen.recipe.roles import Models
from datagen.recipe.sections import Budget, Cluster, Price, Section, Source
from datagen.stage import Context, ModelStage, Options, Stage


def _address_only(value: object) -> object:
    return {"address": value} if isinstance(value, str) else value


class Recipe(Section):
    """One run from documents to hand-off."""

    # A file system allows 255 bytes, and names such as NAME.pilot are made from it.
    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=200, description="Name of the folder in outputs/"
    )
    corpus: list[Source] = Field(
        default_factory=list, min_length=1, description="Documents to read; only ingest needs it"
    )
    models: Models = Field(default_factory=Models)
    stages: dict[str, JsonObject | None] = Field(
        default_factory=lambda: dict.fromkeys(DEFAULT_PIPELINE),
        description="Stages in order, each with its options. Default: the default pipeline",
    )
    licences: tuple[str, ...] = Field(
        (),
        description="Licences that models may have, such as Apache-2.0: a recipe whose stages use another "
        "model is rejected. Default: any",
    )
    budget: Budget = Field(Budget(), description="Limits on what the run may spend")
    prices: dict[str, Price] = Field(
        default_factory=dict,
        description="Price of the answers by role, such as {generator: {prompt: 0.15, completion: 0.6}}; the "
        "plan gives the cost of each stage, the report that of a row",
    )
    min_rows: dict[Literal["reading", "instructions", "refusals", "preferences"], int] = Field(
        default_factory=dict,
        description="Minimum rows per product of the hand-off. With fewer, the run is not released. Nor is "
        "one without a product that the latest release has, unless 0 permits it",
    )
    min_task_rows: dict[str, Annotated[int, Field(ge=1)]] = Field(
        default_factory=dict,
        description="Minimum rows per task of the hand-off, such as {comparison: 50}. With fewer, the run is "
        "not released",
    )
    gates: list[str] = Field(
        default_factory=list,
        description="Conditions on the comparison with the latest release, such as kept<0.8, that prevent "
        "the run from being released; docs/operating.md lists the figures",
    )
    cluster: Annotated[Cluster, BeforeValidator(_address_only, Cluster | str)] = Cluster()
    prompts: str = Field("", description="Folder of prompts that take precedence over the built-in ones")
    lists: tuple[str, ...] = Field(
        (), description="Lists in prompts/languages/lists/ that extend the language rules, such as us-code"
    )
    outputs: str = Field(
        "outputs",
        exclude=True,
        description="Folder of the runs, `<outputs>/<name>/<run>/`; `--outputs` takes precedence",
    )
    seed: int = Field(0, description="Seed of samples, templates and splits")
    file: Path = Field(default=Path("recipe.yaml"), exclude=True, description="The recipe's file")

    @field_validator("gates")
    @classmethod
    def _readable_gates(cls, gates: list[str]) -> list[str]:
        for text in gates:
            read_gate(text)
        return gates

    @field_validator("prices")
    @classmethod
    def _one_currency(cls, prices: dict[str, Price]) -> dict[str, Price]:
        currencies = sorted({price.currency for price in prices.values()})
        if len(currencies) > 1:
            raise ValueError(f"give all prices in one currency, not in {' and '.join(currencies)}")
        return prices

    @model_validator(mode="before")
    @classmethod
    def _anchor_models(cls, data: object) -> object:
        """Resolve a model's folder relative to the recipe, like the corpus."""
        if not isinstance(data, dict) or not isinstance(models := data.get("models"), dict):
            return data
        anchored = dict(models)
        for role, section in models.items():
            model = section.get("model") if isinstance(section, dict) else None
            if isinstance(model, str) and model.startswith(("./", "../")):
                anchored[role] = section | {"model": str((Path(data["file"]).parent / model).resolve())}
        return data | {"models": anchored}

    @property
    def folder(self) -> Path:
        """The folder that the recipe's paths are relative to."""
        return self.file.parent

    @property
    def output_folder(self) -> Path:
        """The folder of all runs, relative to the recipe and not to the working directory."""
        return (self.folder / expanded(self.outputs)).resolve()

    @property
    def prompt_folder(self) -> Path | None:
        """The folder of the recipe's prompts, if any."""
        return self.folder / self.prompts if self.prompts else None

    def context(self, stage: str, run_folder: Path) -> Context:
        """Build the context of a stage."""
        return Context(
            stage=stage,
            seed=self.seed,
            folder=self.folder,
            run_folder=run_folder,
            prompts=self.prompt_folder,
            lists=self.lists,
            models=self.models,
            corpus=tuple(self.corpus),
            partition_bytes=self.cluster.partition_mb * 1e6,
            recipe=self.model_dump(mode="json"),
        )

    def profile(self, role: str) -> profiles.Choice:
        """Return the profile of a role's model, with the reason."""
        return profiles.choose(self.models.role(role), self.prompt_folder)

    def line(self) -> list[tuple[str, Stage, Options]]:
        """List the stages of this recipe: name in the recipe, stage, options."""
        return [(name, *self.step(name)) for name in self.stages]

    def use(self, name: str) -> str:
        """
        Return the name or import string by which a stage of this recipe is found.

        Raises
        ------
        UserError
            If it is not a text.
        """
        use = (self.stages[name] or {}).get("use", name)
        if not isinstance(use, str):
            raise UserError("use should be a text: the name of a stage, or ./file.py:stage")
        return use

    def step(self, name: str) -> tuple[Stage, Options]:
        """
        Find a stage and validate its options.

        Raises
        ------
        UserError
            If there is no such stage, or no model for its role.
        ValidationError
            If its options are invalid.
        """
        options = dict(self.stages[name] or {})
        options.pop("use", None)
        stage = find_stage(self.use(name), self.folder)
        role = options.pop("role", None)
        if role is not None:
            if not isinstance(stage, ModelStage):
                raise UserError("it uses no model, so it has no role; remove role")
            if not isinstance(role, str) or role not in self.models.roles:
                raise UserError(f"models has no role {role!r}; {hint(str(role), self.models.roles)}")
            stage = replace(stage, role=role)
        if isinstance(stage, ModelStage) and stage.role in self.models.roles:
            model = self.models.role(stage.role)
            options = dict(profiles.defaults(stage.name, model, self.prompt_folder)) | options
        return stage, stage.options.model_validate(options)


class _SchemaGenerator(GenerateJsonSchema):
    """Pydantic's generator without a serialiser for each default, which would double its time."""

    def encode_default(self, dft: object) -> object:
        """Convert a default to plain values."""
        return to_jsonable_python(dft)


def json_schema() -> JsonObject:
    """Return the JSON schema of a recipe, with the options of every installed stage, for editors."""
    schema = Recipe.model_json_schema(schema_generator=_SchemaGenerator)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["properties"].pop("file")
    stages = {}
    for name in installed_stages():
        stage = find_stage(name)
        options = TypeAdapter(stage.options).json_schema(
            ref_template=f"#/$defs/{name}.{{model}}", schema_generator=_SchemaGenerator
        )
        for inner, definition in options.pop("$defs", {}).items():
            schema["$defs"][f"{name}.{inner}"] = definition
        role = {"role": {"type": "string"}} if isinstance(stage, ModelStage) else {}
        options["properties"] = {"use": {"type": "string"}, **role, **options.get("properties", {})}
        stages[name] = {"anyOf": [options | {"description": stage.summary}, {"type": "null"}]}
    other = {"anyOf": [{"type": "object"}, {"type": "null"}]}
    schema["properties"]["stages"] |= {"properties": stages, "additionalProperties": other}
    return schema
