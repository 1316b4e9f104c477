"""Mistakes that a stage would report only after requests of earlier stages are found in the recipe."""

import pytest

from datagen.errors import UserError
from datagen.recipe.load import load_recipe

RECIPE = """
name: x
corpus: [{{path: a}}]
models:
  generator: {{engine: scripted, model: "m:one"}}
  target: {target}
  other: {{engine: scripted, model: "m:two"}}
stages:
  ingest:
  chunk:
  seeds: {{path: [seeds.jsonl]}}
  from_seeds: {{by_target: {by_target}}}
  retrieve:
  answer_questions: {{role: {role}}}
  judged: {{use: score, role: other}}
"""
TWO = '{engine: scripted, model: "m:two"}'


def load(folder, target="generator", by_target="true", role="generator"):
    (folder / "recipe.yaml").write_text(RECIPE.format(target=target, by_target=by_target, role=role))
    return load_recipe(folder / "recipe.yaml")


def test_another_model_may_write_unless_the_recipe_says_otherwise(tmp_path):
    assert load(tmp_path).line()
    assert load(tmp_path, target='{engine: scripted, model: "m:one"}').line()
    assert load(tmp_path, target=TWO, by_target="false").line()
    assert load(tmp_path, role="other", by_target="false").line()


@pytest.mark.parametrize(
    ("models", "found"),
    [
        ({"target": TWO}, ["12: stages.from_seeds", "14: stages.answer_questions"]),
        ({"role": "other"}, ["14: stages.answer_questions"]),
    ],
)
def test_a_recipe_in_which_another_model_writes_is_rejected(tmp_path, models, found):
    with pytest.raises(UserError) as error:
        load(tmp_path, **models)
    lines = str(error.value).splitlines()
    assert [line.rpartition("recipe.yaml:")[2].partition(": by_target")[0] for line in lines] == found
    assert all("make them one" in line for line in lines)


LATER = """
name: x
corpus: [{{path: a}}]
models: {{generator: {{engine: scripted, model: "m:one"}}}}
{licences}
stages:
  ingest:
  chunk:
  instruct:
  {stages}
  mix:
"""


@pytest.mark.parametrize(
    ("stages", "licences", "message"),
    [
        ("licences:", "licences: []", "10: stages.licences.allowed: name the licences, such as"),
        ("licences: {allowed: [MIT]}", "", ""),
        ("reflect_questions:\n  again: {use: reflect_questions}", "",
         "11: stages.again: reflect_questions proposes already"),
        ("reflect_questions:\n  reflect_answers:", "", ""),
        ("small: {use: instruct}\n  score:\n  compare_generators: {billions: {instruct: 7, smal: 1}}", "",
         "12: stages.compare_generators.billions.smal: there is no such stage with a model before it; did you mean small?"),
        ("small: {use: instruct}\n  score:\n  compare_generators: {billions: {instruct: 7, small: 1}}", "", ""),
    ],
)  # fmt: skip
def test_what_a_stage_needs_is_in_the_recipe(tmp_path, stages, licences, message):
    (tmp_path / "recipe.yaml").write_text(LATER.format(stages=stages, licences=licences))
    if not message:
        load_recipe(tmp_path / "recipe.yaml")
        return
    with pytest.raises(UserError) as error:
        load_recipe(tmp_path / "recipe.yaml")
    assert message in str(error.value)
