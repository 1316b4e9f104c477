"""The licence checks of rows and of the recipe."""

from pathlib import Path

import pytest

from datagen.errors import UserError
from datagen.recipe.errors import RecipeError
from datagen.recipe.load import load_recipe
from datagen.request import Identity
from datagen.schema import EXAMPLES, table_of
from datagen.stages.filter.licences import stage
from datagen.stages.generate.instruct import stage as instruct
from tests.support.asked import ask
from tests.support.generators import GOOD, TEXT
from tests.support.pairs import parent, reply_text
from tests.support.rows import context
from tests.support.written import passage


def row(*models, **fields):
    made = parent(**fields)
    listed = [{"model": name, "revision": "1", "licence": licence} for name, licence in models]
    made["lineage"] = made["lineage"] | {"models": listed, "model": models[-1][0] if models else ""}
    return made


def gate(*rows, recipe=None, **options):
    outcome = stage.apply(
        table_of(EXAMPLES, rows), stage.options(**options), context("licences", **(recipe or {}))
    )
    return outcome.kept.to_pylist(), outcome.dropped.to_pylist()


def test_every_model_that_contributed_must_be_allowed():
    rows = [
        row(("a", "MIT"), answer="1"),
        row(("a", "mit"), ("b", "Apache-2.0"), answer="2"),
        row(("closed", "terms forbid training"), ("a", "MIT"), answer="3"),
        row(("a", "MIT"), ("unknown", ""), answer="4"),
        row(answer="5"),
    ]
    kept, dropped = gate(*rows, allowed=["MIT", "apache-2.0"])
    assert [one["answer"] for one in kept] == ["1", "2", "5"]
    assert [(one["reason"], one["detail"]) for one in dropped] == [
        ("licence not allowed", "closed: terms forbid training"),
        ("licence not allowed", "unknown: no licence stated"),
    ]


def test_a_row_whose_models_are_not_recorded_is_dropped():
    made = row(("a", "MIT"))
    made["lineage"] = made["lineage"] | {"models": None}
    _, (dropped,) = gate(made, allowed=["MIT"])
    assert dropped["detail"] == "a: no licence recorded"


def test_the_licences_of_the_recipe_are_the_default_and_none_is_an_error():
    models = {"generator": {"engine": "scripted", "model": "a:b", "licence": "MIT"}}
    assert gate(row(("a", "MIT")), recipe={"licences": ["MIT"], "models": models})[0]
    assert gate(row(("a", "GPL-3.0")), recipe={"licences": ["MIT"], "models": models})[1]
    with pytest.raises(UserError, match="name the licences"):
        gate(row(("a", "MIT")))


def test_a_generated_row_has_the_licence_that_the_recipe_states():
    who = Identity("m", "1", "MIT")
    answer = reply_text(GOOD["extractive_question"])
    (made,), _, _ = ask(instruct, [passage(TEXT)], lambda _: answer, who=who, tasks=["extractive_question"])
    assert made["lineage"]["models"] == [{"model": "m", "revision": "1", "licence": "MIT"}]
    assert who == Identity("m", "1")  # the licence is no part of a request's key


RECIPE = """
name: r
corpus: [{path: .}]
licences: [Apache-2.0]
models:
  generator: %s
  judge: %s
stages: {ingest: , chunk: , instruct: %s}
"""
OPEN = "{engine: scripted, model: 'a:b', licence: apache-2.0}"
CLOSED = "{engine: openai, model: large, base_url: 'http://x/v1', licence: closed terms}"
SILENT = "{engine: openai, model: large, base_url: 'http://x/v1'}"


def recipe(tmp_path: Path, *parts):
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE % parts, encoding="utf-8")
    return load_recipe(path)


def test_a_recipe_whose_generator_has_another_licence_is_refused(tmp_path):
    assert recipe(tmp_path, OPEN, OPEN, "").licences == ("Apache-2.0",)
    assert recipe(tmp_path, "{model: bundled}", OPEN, "")
    with pytest.raises(RecipeError, match=r"generator.*'closed terms' is not among the recipe's licences"):
        recipe(tmp_path, CLOSED, OPEN, "")
    with pytest.raises(RecipeError, match="states no licence"):
        recipe(tmp_path, SILENT, OPEN, "")


def test_an_unused_model_is_not_refused(tmp_path):
    assert recipe(tmp_path, OPEN, CLOSED, "")
    path = tmp_path / "recipe.yaml"
    path.write_text(
        (RECIPE % (OPEN, CLOSED, "")).replace("instruct: }", "instruct: , score: }"), encoding="utf-8"
    )
    with pytest.raises(RecipeError, match="judge"):
        load_recipe(path)
