"""A recipe's mistakes are named with file, line, key and fix; a right one is read whole."""

import json
from pathlib import Path

import pytest

from datagen.recipe.errors import RecipeError
from datagen.recipe.model import json_schema, load_recipe

EXAMPLES = Path(__file__).parents[3] / "examples"


def load(tmp_path, text, **overrides):
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    return load_recipe(path, overrides)


def mistakes(tmp_path, text):
    with pytest.raises(RecipeError) as error:
        load(tmp_path, text)
    return [line.removeprefix(f"{tmp_path}/") for line in str(error.value).splitlines()]


def test_the_example_is_valid():
    assert load_recipe(EXAMPLES / "python-reference.yaml").line()


def test_the_smallest_recipe_runs_the_whole_line(tmp_path):
    recipe = load(tmp_path, "name: x\ncorpus: [{path: docs}]")
    names = [name for name, _, _ in recipe.line()]
    assert (names[0], names[-1]) == ("ingest", "handoff")
    assert recipe.models.role("judge") == recipe.models.role("generator")
    assert recipe.folder == tmp_path


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("corpus: [{path: a}]", "recipe.yaml:1: name: is required and not there; add it"),
        ("name: x\ncorpus:\n  - path: a\n    txet_field: b", "recipe.yaml:4: corpus.0.txet_field: no such key; did you mean text_field?"),
        ("name: x\ncorpus:\n  - {}", "recipe.yaml:3: corpus.0: give either path: or python: (found {})"),
        ("name: x\ncorpus: [{path: a}]\nstages:\n  chunk:\n    max_char: 9", "recipe.yaml:5: stages.chunk.max_char: no such key; did you mean max_chars?"),
        ("name: x\ncorpus: [{path: a}]\nstages:\n  chunk: {max_chars: many}", "recipe.yaml:4: stages.chunk.max_chars: Input should be a valid integer"),
        ("name: x\ncorpus: [{path: a}]\nstages:\n  chnk:", "recipe.yaml:4: stages.chnk: there is no stage 'chnk'; there are"),
        ("name: x\ncorpus: [{path: a}]\nstages:\n  mine: {use: ./none.py:stage}", "recipe.yaml:4: stages.mine: the stage './none.py:stage' cannot be loaded"),
        ("name: x\ncorpus: [{path: a}]\nmodels:\n  generator: {engine: openai, model: m}", "recipe.yaml:4: models.generator.base_url: is required"),
        ("name: x\ncorpus: [{path: a}]\nmodels: {judge: target, target: judge}", "recipe.yaml:3: models: the roles"),
        ("name: x\ncorpus: [{path: a}]\nmodels:\n  jugde: {model: m}", "recipe.yaml:4: models.jugde: no stage asks this role"),
        ("name: x\ncorpus: [{path: a}]\nstages:\n  ingest:\n  score: {role: second}", "recipe.yaml:5: stages.score: models has no role 'second'; there are generator"),
        ("name: x\ncorpus: [{path: a}]\nstages:\n  ingest:\n  chunk: {role: judge}", "recipe.yaml:5: stages.chunk: it asks no model"),
        ("name: x\ncorpus: [a", "recipe.yaml:2: not YAML"),
        ("- a", "recipe.yaml: a recipe is a mapping"),
    ],
)  # fmt: skip
def test_a_mistake_names_line_key_and_fix(tmp_path, text, said):
    [line] = mistakes(tmp_path, text)
    assert line.startswith(said)


def test_all_mistakes_are_said_at_once(tmp_path):
    assert len(mistakes(tmp_path, "name: x y\ncorpus: []\nseed: soon")) == 3


def test_overrides_are_set_over_the_file(tmp_path):
    text = "name: x\ncorpus: [{path: a}]\nstages: {chunk: }"
    recipe = load(tmp_path, text, **{"stages.chunk.max_chars": 900, "seed": 7})
    assert (recipe.seed, recipe.step("chunk")[1].max_chars) == (7, 900)


def test_a_recipe_may_bring_its_own_stage(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from datagen.stage import MapStage, Outcome\n"
        "stage = MapStage('shout', 'says it loud', 'passages', 'passages', lambda rows, o, c: Outcome.all_kept(rows))\n"
    )
    recipe = load(tmp_path, "name: x\ncorpus: [{path: a}]\nstages:\n  shout: {use: './mine.py:stage'}")
    assert recipe.line()[0][1].summary == "says it loud"


def test_a_stage_may_ask_a_role_of_its_own(tmp_path):
    recipe = load(
        tmp_path,
        "name: x\ncorpus: [{path: a}]\nmodels: {second: {model: m}, third: second}\n"
        "stages: {instruct: , again: {use: instruct, role: third}}",
    )
    (_, first, _), (_, again, _) = recipe.line()
    assert (first.role, again.role) == ("generator", "third")
    assert recipe.models.role("third") == recipe.models.role("second") != recipe.models.role("generator")


def test_the_schema_knows_every_stage_and_refers_to_nothing_that_is_missing():
    schema = json_schema()
    text = json.dumps(schema)
    assert "max_chars" in json.dumps(schema["properties"]["stages"]["properties"]["chunk"])
    referred = {part.split('"')[0] for part in text.split('"#/$defs/')[1:]}
    assert referred <= set(schema["$defs"])
