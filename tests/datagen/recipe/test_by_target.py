"""Self-Specialization: the target itself writes the instructions and answers them."""

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
    load(tmp_path)
    load(tmp_path, target='{engine: scripted, model: "m:one"}')
    load(tmp_path, target=TWO, by_target="false")
    load(tmp_path, role="other", by_target="false")


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
