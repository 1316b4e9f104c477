"""
The recipe: one YAML file that says what is read, which models work, and what each stage does.

Mistakes are reported with the file, the line, the key and the fix (`datagen.recipe.errors`); `json_schema`
gives editors the same rules.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError, field_validator, model_validator

from datagen.errors import UserError
from datagen.recipe import profiles
from datagen.recipe.errors import Mistake, explain, location, mistaken, read_yaml
from datagen.recipe.gates import read_gate
from datagen.recipe.registry import DEFAULT_PIPELINE, find_stage, installed_stages
from datagen.recipe.sections import Budget, Cluster, Models, Section, Source
from datagen.recipe.wiring import unconnected
from datagen.stage import Context, ModelStage, Options, Stage


def _address_alone(given: Any) -> Any:
    return {"address": given} if isinstance(given, str) else given


class Recipe(Section):
    """One run from documents to hand-off."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="Names the folder under outputs/")
    corpus: list[Source] = Field(min_length=1, description="What is read")
    models: Models = Field(default_factory=Models)
    stages: dict[str, dict[str, Any] | None] = Field(
        default_factory=lambda: dict.fromkeys(DEFAULT_PIPELINE),
        description="The stages in their order, each with its options. Left out: the whole line",
    )
    licences: tuple[str, ...] = Field(
        (),
        description="Licences that models may have, such as Apache-2.0: a recipe whose stages ask another "
        "model is refused. Left out: any",
    )
    budget: Budget = Field(Budget(), description="What the run may spend before it stops")
    min_rows: dict[Literal["reading", "instructions", "refusals", "preferences"], int] = Field(
        default_factory=dict,
        description="Rows that a product of the hand-off must have, or the run does not become latest",
    )
    gates: list[str] = Field(
        default_factory=list,
        description="Conditions on the comparison with the latest release, such as kept<0.8, under which the "
        "run does not become latest; docs/operating.md lists the figures",
    )
    cluster: Annotated[Cluster, BeforeValidator(_address_alone, Cluster | str)] = Cluster()
    prompts: str = Field("", description="A folder of prompts that come before the built-in ones")
    lists: tuple[str, ...] = Field(
        (), description="Lists in prompts/languages/lists/ that add to the languages' rules, such as us-code"
    )
    outputs: str = Field(
        "outputs",
        exclude=True,
        description="The folder that runs land in, as `<outputs>/<name>/<run>/`; `--outputs` comes first",
    )
    seed: int = Field(0, description="Draws other samples, templates and splits")
    file: Path = Field(
        default=Path("recipe.yaml"), exclude=True, description="Where the recipe was read from"
    )

    @field_validator("gates")
    @classmethod
    def _readable_gates(cls, gates: list[str]) -> list[str]:
        for text in gates:
            read_gate(text)
        return gates

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
    def output_folder(self) -> Path:
        """The folder that runs land in: relative to the recipe, wherever the command is run from."""
        return (self.folder / Path(self.outputs).expanduser()).resolve()

    @property
    def prompt_folder(self) -> Path | None:
        """The recipe's own prompts."""
        return self.folder / self.prompts if self.prompts else None

    def context(self, stage: str, run_folder: Path) -> Context:
        """Tell a stage what it may know of this recipe."""
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
        """Tell which profile a role's model has, and why."""
        return profiles.choose(self.models.role(role), self.prompt_folder)

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
        if isinstance(stage, ModelStage) and stage.role in self.models.roles:
            model = self.models.role(stage.role)
            given = dict(profiles.defaults(stage.name, model, self.prompt_folder)) | given
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
    if mistakes := _unknown_profiles(recipe):
        return mistakes
    for name in recipe.stages:
        try:
            recipe.step(name)
        except ValidationError as error:
            use = (recipe.stages[name] or {}).get("use", name)
            options = find_stage(use, recipe.folder).options
            mistakes += [(("stages", name, *part["loc"]), explain(part, options)) for part in error.errors()]
        except UserError as error:
            mistakes.append((("stages", name), str(error)))
    return mistakes or _unasked_roles(recipe) or _unlicensed(recipe) or _unconnected(recipe)


def _unknown_profiles(recipe: Recipe) -> list[Mistake]:
    """Refuse a profile that does not exist, at the role that names it."""
    mistakes: list[Mistake] = []
    for role in recipe.models.roles:
        try:
            profiles.read_profile(
                profiles.choose(recipe.models.role(role), recipe.prompt_folder).name, recipe.prompt_folder
            )
        except UserError as error:
            mistakes.append((("models", role, "profile"), str(error)))
    return mistakes


def _unasked_roles(recipe: Recipe) -> list[Mistake]:
    """Refuse a role that nobody asks: it is a misspelt one."""
    models = recipe.models
    asked = {stage.role for _, stage, _ in recipe.line() if isinstance(stage, ModelStage)}
    asked |= {player for role in models.roles if isinstance(player := getattr(models, role), str)}
    advice = "no stage asks this role; the usual ones are generator, target and judge"
    return [(("models", role), advice) for role in models.model_extra or () if role not in asked]


def _unlicensed(recipe: Recipe) -> list[Mistake]:
    """Refuse models that a stage asks and whose licence is not among those of the recipe."""
    if not recipe.licences:
        return []
    allowed = {licence.casefold() for licence in recipe.licences}
    asked = {stage.role for _, stage, _ in recipe.line() if isinstance(stage, ModelStage)}
    mistakes: list[Mistake] = []
    for role in recipe.models.roles:
        licence = recipe.models.role(role).stated_licence
        if role in asked and licence.casefold() not in allowed:
            said = f"its licence {licence!r} is not" if licence else "it states no licence"
            advice = f"{said} among the recipe's licences ({', '.join(recipe.licences)}); give another model"
            mistakes.append((("models", role), advice + ("" if licence else ", or its licence:")))
    return mistakes


def _unconnected(recipe: Recipe) -> list[Mistake]:
    """Find stages that take a kind of table which no earlier stage gives."""
    steps = [(name, stage.takes, stage.gives) for name, stage, _ in recipe.line()]
    return [(("stages", name), what) for name, what in unconnected(steps)]


def _set(data: dict[str, Any], keys: list[str], value: Any) -> None:
    for key in keys[:-1]:
        if not isinstance(data.get(key), dict):
            data[key] = {}
        data = data[key]
    data[keys[-1]] = value
