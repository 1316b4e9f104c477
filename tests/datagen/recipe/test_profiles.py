"""Profiles: choice by model, and override by the recipe's options."""

import json

import pytest

from datagen.errors import UserError
from datagen.recipe.load import load_recipe
from datagen.recipe.model import Recipe
from datagen.recipe.profiles import BUILT_IN, choose, read_profile, size_of
from datagen.recipe.registry import find_stage
from datagen.recipe.roles import OpenAIModel, ScriptedModel, VllmModel
from datagen.stage import ModelStage
from datagen.stages.exercises.task import task_names

LLAMA_8B = {
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "intermediate_size": 14336,
    "vocab_size": 128256,
}
MIXTRAL = LLAMA_8B | {"num_local_experts": 8, "vocab_size": 32000}


def recipe(model, **stages):
    settings = {"name": "x", "corpus": [{"path": "docs"}], "models": {"generator": model}}
    return Recipe.model_validate(settings | {"stages": stages or {"instruct": None}})


def options(model, **settings):
    return recipe(model, instruct=settings).step("instruct")[1]


def scripted(profile=""):
    return {"engine": "scripted", "model": "a:b", "profile": profile}


@pytest.mark.parametrize(
    ("name", "profile"),
    [
        ("Qwen/Qwen2.5-7B-Instruct", "large"),
        ("mistralai/Mixtral-8x7B-v0.1", "large"),
        ("Qwen/Qwen3-30B-A3B", "large"),
        ("Qwen/Qwen2.5-1.5B-Instruct", "small"),
        ("google/gemma-3n-E4B-it", "small"),
        ("HuggingFaceTB/SmolLM2-360M-Instruct", "bundled"),
        ("bundled", "bundled"),
        ("bundled-chat", "bundled"),
        ("someone/model-4bit", "small"),
    ],
)
def test_the_profile_is_inferred_from_the_models_name(name, profile):
    assert choose(VllmModel(model=name)).name == profile


def test_a_served_model_of_unknown_size_counts_as_large():
    assert choose(OpenAIModel(engine="openai", model="gpt-x", base_url="http://h")).name == "large"
    assert choose(OpenAIModel(engine="openai", model="qwen2.5-3b", base_url="http://h")).name == "small"


@pytest.mark.parametrize(
    ("config", "billions"), [(LLAMA_8B, 8.0), (MIXTRAL, 46.7), ({"text_config": LLAMA_8B}, 8.0)]
)
def test_a_checkpoints_config_takes_precedence_over_its_folders_name(config, billions, tmp_path):
    folder = tmp_path / "tiny-1B"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    size, source = size_of(str(folder))
    assert source == "config.json"
    assert size == pytest.approx(billions, rel=0.01)


@pytest.mark.parametrize("config", ["{", "[]", "{}", '{"hidden_size": "wide"}', "[" * 100_000])
def test_with_an_unknown_config_the_folders_name_is_used(config, tmp_path):
    folder = tmp_path / "mystery-7B"
    folder.mkdir()
    (folder / "config.json").write_text(config)
    assert size_of(str(folder)) == (7.0, "name")


def test_a_profile_set_in_the_recipe_takes_precedence_over_the_size():
    assert choose(VllmModel(model="x/y-70B", profile="small")).name == "small"
    assert choose(ScriptedModel(engine="scripted", model="a:b")).name == "bundled"


def test_options_of_the_recipe_override_single_options_of_the_profile():
    large = options(scripted("large"))
    assert (large.max_tokens, large.temperature, large.variant) == (1536, 0.7, "worked")
    changed = options(scripted("large"), temperature=0, tasks=["summary"])
    assert (changed.max_tokens, changed.temperature, changed.tasks) == (1536, 0.0, {"summary": 1.0})


def test_a_stage_has_the_profile_of_its_role():
    settings = {"name": "x", "corpus": [{"path": "docs"}]}
    settings["models"] = {"generator": scripted(), "second": scripted("large")}
    settings["stages"] = {"instruct": None, "again": {"use": "instruct", "role": "second"}}
    loaded = Recipe.model_validate(settings)
    assert loaded.step("instruct")[1].max_tokens == 192
    assert loaded.step("again")[1].max_tokens == 1536


def test_the_bundled_profile_equals_the_stages_defaults():
    from datagen.stages.generate.instruct import Options

    assert options(scripted("bundled")) == Options()


def seeded(model, stage="from_seeds"):
    """Write a recipe with a stage whose rows the bundled model gets wrong."""
    return f"name: x\ncorpus: [{{path: docs}}]\nmodels: {{generator: {model}}}\nstages:\n  ingest:\n  chunk:\n  seeds: {{path: [a.jsonl]}}\n  mine_own: {{use: {stage}}}\n"


@pytest.mark.parametrize("model", ["{model: bundled}", "{model: org/tiny-360M}"])
def test_a_stage_that_is_off_in_the_profile_of_its_model_is_refused(tmp_path, model):
    path = tmp_path / "recipe.yaml"
    path.write_text(seeded(model))
    with pytest.raises(
        UserError,
        match=r"recipe.yaml:8: stages.mine_own: off in the profile 'bundled' of models.generator: .*profile: small",
    ):
        load_recipe(path)


@pytest.mark.parametrize(
    "model", ["{model: org/one-3B}", "{model: bundled, profile: small}", "{engine: scripted, model: 'a:b'}"]
)
def test_a_stage_that_is_off_in_a_profile_runs_with_other_models(tmp_path, model):
    path = tmp_path / "recipe.yaml"
    path.write_text(seeded(model))
    assert load_recipe(path).step("mine_own")[0].name == "from_seeds"


def test_the_profile_of_the_role_that_a_stage_asks_decides(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(
        "name: x\nmodels: {generator: {model: org/one-7B}, judge: {model: bundled}}\n"
        "stages:\n  own_pairs: {path: [a.jsonl]}\n  expand:\n  assess:\n"
    )
    with pytest.raises(UserError, match=r"recipe.yaml:6: stages.assess: off .* of models.judge"):
        load_recipe(path)


@pytest.mark.parametrize("name", BUILT_IN)
def test_stages_that_are_off_in_a_profile_exist(name):
    for stage in read_profile(name).unsuited:
        assert isinstance(find_stage(stage), ModelStage)


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_profiles_options_are_valid_options_of_its_stages(name):
    for stage in read_profile(name).stages:
        assert recipe(scripted(name), **{stage: None}).step(stage)


def test_a_recipes_own_profile_is_read_from_its_prompts(tmp_path):
    (tmp_path / "mine/profiles").mkdir(parents=True)
    (tmp_path / "mine/profiles/house.yaml").write_text(
        "summary: ours\nstages: {instruct: {max_tokens: 99}}\n"
    )
    path = tmp_path / "recipe.yaml"
    path.write_text(
        "name: x\ncorpus: [{path: docs}]\nprompts: mine\nstages: {ingest: , chunk: , instruct: }\n"
        "models: {generator: {engine: scripted, model: 'a:b', profile: house}}\n"
    )
    loaded = load_recipe(path)
    assert loaded.step("instruct")[1].max_tokens == 99
    assert loaded.profile("generator").name == "house"


def test_an_unknown_profile_is_reported_with_its_line(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(
        "name: x\ncorpus: [{path: docs}]\nmodels:\n  generator: {engine: scripted, model: 'a:b', profile: huge}\n"
    )
    with pytest.raises(
        UserError, match=r"recipe.yaml:4.*there is no profile 'huge'; there are bundled, small, large"
    ):
        load_recipe(path)
    with pytest.raises(UserError, match="no profile"):
        read_profile("../languages/en")


def test_the_profile_large_asks_for_the_whole_task_pool():
    pool = set(task_names()) - {"summary", "continuation"}  # abstract and the stage mine write these
    assert set(read_profile("large").stages["instruct"]["tasks"]) == pool
