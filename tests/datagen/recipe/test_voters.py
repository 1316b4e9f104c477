"""A recipe whose consensus lacks different models is rejected when it is read."""

import pytest

from datagen.errors import UserError
from datagen.recipe.load import load_recipe

RECIPE = """
name: x
corpus: [{{path: a}}]
models: {{generator: {first}, second: {second}, third: {third}, judge: {judge}}}
stages:
  ingest:
  chunk:
  {rows}
  second_output: {{use: another_output, role: second}}
  third_output: {{use: another_output, role: third}}
  consensus:
  mix:
"""
ONE, TWO, THREE = (f"{{engine: scripted, model: 'm:{name}'}}" for name in ("one", "two", "three"))
REVISED = "{engine: scripted, model: 'm:two', revision: '2'}"
SERVED = "{engine: openai, model: m, base_url: 'http://localhost:1/v1'}"
ADAPTED = "{{engine: openai, model: m, base_url: 'http://localhost:1/v1', options: {{extra_body: {{lora_path: {}}}}}}}"
ELSEWHERE = "{engine: openai, model: m, base_url: 'http://localhost:2/v1', thinking: off}"
COURSE = "subjects: {tree: {Law: [Leases]}}\n  syllabus:\n  coursework:\n  assess:"
OWN = "own_pairs: {path: [pairs.jsonl]}"


def load(folder, first=ONE, second=TWO, third=THREE, rows="instruct:", judge="generator", without=""):
    text = RECIPE.format(first=first, second=second, third=third, rows=rows, judge=judge)
    if without:
        text = text.replace(without, "").replace(f", third: {third}", "")
    (folder / "recipe.yaml").write_text(text)
    return load_recipe(folder / "recipe.yaml")


@pytest.mark.parametrize(
    "models",
    [
        {},
        {"third": REVISED},
        {"first": TWO, "third": ONE, "rows": f"instruct:\n  {OWN}"},  # own pairs have two others
        {"first": TWO, "third": ONE, "rows": OWN},
        {"rows": COURSE},
        {"second": ADAPTED.format("law"), "third": ADAPTED.format("trade")},  # adapters of one model
    ],
)
def test_different_models_are_accepted(tmp_path, models):
    assert load(tmp_path, **models).line()


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ({"third": TWO}, "10: stages.third_output: it asks the same model as second_output, m:two; give each"),
        ({"third": "second"}, "10: stages.third_output: it asks the same model as second_output, m:two"),
        ({"second": SERVED, "third": ELSEWHERE}, "10: stages.third_output: it asks the same model as second_"),
        ({"second": SERVED, "third": SERVED.replace("model: m", "model: m, revision: main")},
         "10: stages.third_output: it asks the same model as second_output, m"),
        ({"second": ADAPTED.format("law"), "third": ADAPTED.format("law").replace(":1", ":2")},
         "10: stages.third_output: it asks the same model as second_output, m"),
        ({"third": "generator", "rows": "instruct:\n  score:", "judge": THREE},
         "12: stages.consensus: it needs outputs of 2 models other than the writer, m:one, and has those of m:two"),
        ({"third": "generator", "rows": COURSE, "judge": THREE}, "14: stages.consensus: it needs outputs of 2 models other than the"),
        ({"third": "generator"}, "11: stages.consensus: it needs outputs of 2 models other than the writer, m:one, "
         "and has those of m:two; give each another_output stage a role with its own model"),
        ({"second": "judge", "rows": OWN, "without": "  third_output: {use: another_output, role: third}\n"},
         "stages.consensus: it needs outputs of 2 models, and has those of m:one; give each another_output stage"),
    ],
)  # fmt: skip
def test_a_model_that_would_vote_twice_is_rejected(tmp_path, models, message):
    with pytest.raises(UserError) as error:
        load(tmp_path, **models)
    assert message in str(error.value)


def test_two_paths_of_one_folder_are_one_model(tmp_path):
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    second, third = (f"{{model: '{path}'}}" for path in (folder, tmp_path / "m" / ".." / "m"))
    with pytest.raises(UserError, match="it asks the same model as second_output"):
        load(tmp_path, second=second, third=third)
