"""Load a recipe: read its file, validate each section, and check the sections against each other."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from datagen.errors import UserError, hint, similar
from datagen.json_types import JsonObject
from datagen.paths import not_a_file
from datagen.prompt import names_in
from datagen.recipe import profiles
from datagen.recipe.columns import missing_columns
from datagen.recipe.errors import Mistake, mistaken, mistakes_in, read_yaml
from datagen.recipe.gates import read_gate
from datagen.recipe.model import Recipe
from datagen.recipe.preconditions import unmet
from datagen.recipe.registry import find_stage
from datagen.recipe.roles import Models, ScriptedModel
from datagen.recipe.voters import too_few_voters
from datagen.recipe.wiring import unconnected
from datagen.stage import ModelStage

LISTS = "languages/lists"  # folder of word lists below the prompts
ADVICE = "the usual roles are generator, target and judge; a stage uses another with role: NAME"


def load_recipe(path: Path, overrides: Mapping[str, object] | None = None) -> Recipe:
    """
    Read and validate a recipe, including the options of every stage.

    Parameters
    ----------
    path
        The YAML file.
    overrides
        Dotted key -> value, which replace those of the file: ``{"stages.chunk.max_chars": 800}``.

    Raises
    ------
    RecipeError
        Has one line per error, with file, line, key and fix.
    """
    node, data = read_yaml(path, "the keys name and corpus")
    for key, value in (overrides or {}).items():
        _set(data, key.split("."), value)
    if "file" in data:
        raise mistaken(path, node, [(("file",), "no such key; datagen sets it")])
    try:
        recipe = Recipe.model_validate(data | {"file": path.resolve()})
        mistakes = _mistakes_across(recipe)
    except ValidationError as error:
        mistakes = mistakes_in(error, Recipe, data)
    if mistakes:
        raise mistaken(path, node, mistakes)
    return recipe


def _set(data: JsonObject, keys: list[str], value: object) -> None:
    for key in keys[:-1]:
        if not isinstance(data.get(key), dict):
            data[key] = {}
        data = data[key]
    data[keys[-1]] = value


def _mistakes_across(recipe: Recipe) -> list[Mistake]:
    """Find mistakes in a recipe whose sections are valid: those of the first check that finds any."""
    own = recipe.prompt_folder
    if own and not own.is_dir():
        return [(("prompts",), f"there is no folder {own}; leave prompts out to use the built-in ones")]
    if mistakes := [*_unreadable_prompts(own), *_unknown_profiles(recipe), *_unknown_lists(recipe)]:
        return mistakes
    for name in recipe.stages:
        try:
            recipe.step(name)
        except ValidationError as error:
            section = recipe.stages[name] or {}
            stage = find_stage(recipe.use(name), recipe.folder)
            mistakes += mistakes_in(error, stage.options, section, ("stages", name))
        except UserError as error:
            mistakes.append((("stages", name), str(error)))
    return (
        mistakes
        or _unused_roles(recipe)
        or _unknown_prices(recipe)
        or _unlicensed(recipe)
        or _beyond_the_model(recipe)
        or _unconnected(recipe)
        or _nothing_to_read(recipe)
        or [*missing_columns(recipe), *_unmeasured(recipe)]
        or [*too_few_voters(recipe), *unmet(recipe)]
    )


def _unreadable_prompts(own: Path | None) -> list[Mistake]:
    """Find prompts that are not files; the built-in prompts would replace them silently."""
    paths = sorted(own.rglob("*.yaml")) if own else []
    return [
        (
            ("prompts",),
            f"{path} is {kind}, not a file; remove it to use the built-in prompt",
        )
        for path in paths
        if (kind := not_a_file(path))
    ]


def _unknown_profiles(recipe: Recipe) -> list[Mistake]:
    """Find roles with a profile that does not exist."""
    mistakes: list[Mistake] = []
    models = recipe.models
    for role in (role for role in models.roles if not isinstance(getattr(models, role), str)):
        try:
            profiles.read_profile(
                profiles.choose(models.role(role), recipe.prompt_folder).name, recipe.prompt_folder
            )
        except UserError as error:
            mistakes.append((("models", role, "profile"), str(error)))
    return mistakes


def _unknown_lists(recipe: Recipe) -> list[Mistake]:
    """Find word lists that do not exist."""
    known = names_in(LISTS, recipe.prompt_folder)
    return [
        (("lists", index), f"there is no list {name!r}; {hint(name, known)}")
        for index, name in enumerate(recipe.lists)
        if name not in known
    ]


def _unused_roles(recipe: Recipe) -> list[Mistake]:
    """Find roles that no stage uses; they are probably misspelt."""
    models = recipe.models
    used = {stage.role for _, stage, _ in recipe.line() if isinstance(stage, ModelStage)}
    used |= {player for role in models.roles if isinstance(player := getattr(models, role), str)}
    usual = tuple(Models.model_fields)
    return [
        (("models", role), f"no stage uses this role; {similar(role, usual) or ADVICE}")
        for role in models.model_extra or ()
        if role not in used
    ]


def _unknown_prices(recipe: Recipe) -> list[Mistake]:
    """Find prices of roles that do not exist."""
    roles = recipe.models.roles
    advice = f"there is no such role; there are {', '.join(roles)}"
    return [(("prices", role), advice) for role in recipe.prices if role not in roles]


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
            problem = f"its licence {licence!r} is not" if licence else "it states no licence"
            advice = (
                f"{problem} among the recipe's licences ({', '.join(recipe.licences)}); give another model"
            )
            mistakes.append((("models", role), advice + ("" if licence else ", or its licence:")))
    return mistakes


def _beyond_the_model(recipe: Recipe) -> list[Mistake]:
    """Refuse stages that are off in the profile of the model that they ask."""
    mistakes: list[Mistake] = []
    for name, stage, _ in recipe.line():
        if not isinstance(stage, ModelStage) or isinstance(recipe.models.role(stage.role), ScriptedModel):
            continue
        profile = recipe.profile(stage.role).name
        fault = profiles.read_profile(profile, recipe.prompt_folder).unsuited.get(stage.name)
        if fault:
            what = f"off in the profile {profile!r} of models.{stage.role}: {fault}. Use a larger model"
            mistakes.append(
                (
                    ("stages", name),
                    f"{what}, or set models.{stage.role}.profile: small to run it with this one",
                )
            )
    return mistakes


def _unconnected(recipe: Recipe) -> list[Mistake]:
    """Find stages that take a kind of table that no earlier stage gives."""
    steps = [(name, stage.takes, stage.gives) for name, stage, _ in recipe.line()]
    return [(("stages", name), what) for name, what in unconnected(steps)]


def _nothing_to_read(recipe: Recipe) -> list[Mistake]:
    """Find a stage that reads the corpus if the recipe has none."""
    advice = "reads the corpus, but there is none; add corpus: [{path: docs}]"
    return [
        (("stages", name), advice)
        for name, stage, _ in recipe.line()
        if stage.name == "ingest" and not recipe.corpus
    ]


def _unmeasured(recipe: Recipe) -> list[Mistake]:
    """Find gates on the yield of a stage that the recipe does not have."""
    stages = [f"yield.{name}" for name in recipe.stages]
    figures = [(index, read_gate(text).name) for index, text in enumerate(recipe.gates)]
    return [
        (("gates", index), f"there is no stage of this name for {name!r}; {hint(name, stages)}")
        for index, name in figures
        if name.startswith("yield.") and name not in stages
    ]
