"""datagen preview: requests, answers and kept rows of a few passages, which a run reuses."""

import json
import re

import pytest
from typer.testing import CliRunner

from datagen.cli import app
from datagen.errors import UserError
from datagen.recipe.load import load_recipe
from datagen.run.preview import looks
from tests.support import scribe
from tests.support.faulty_server import answers, serving, unless
from tests.support.toys import SilentWatcher

RECIPE = """
name: atlas
corpus: [{path: docs}]
models: {generator: {engine: scripted, model: "tests.support.scribe:model"}}
cluster: {workers: 1}
stages:
  ingest:
  chunk: {min_chars: 100}
  instruct: {tasks: [extractive_question], share: 0.99}
"""


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "docs").mkdir()
    scribe.write_atlas(tmp_path / "docs")
    path = tmp_path / "atlas.yaml"
    path.write_text(RECIPE)
    return path


@pytest.mark.slow
def test_each_answer_has_its_prompt_verdict_and_row(recipe, tmp_path):
    previewed = list(looks(load_recipe(recipe), tmp_path / "outputs/atlas", 12))
    assert len(previewed) == 12
    kept = [look for look in previewed if look.verdict == "kept"]
    dropped = [look for look in previewed if look.verdict != "kept"]
    assert kept and dropped
    for look in kept:
        assert look.row["answer"] == json.loads(look.answer.completion.text)["answer"]
        assert look.row["context"] in look.answer.request.messages[-1]["content"]
    assert {look.verdict for look in dropped} == {"unparsable"}
    assert all(look.row is None and look.detail for look in dropped)


def test_sources_of_examples_give_no_passages(recipe, tmp_path):
    (tmp_path / "own.jsonl").write_text(json.dumps({"question": "Who keeps the atlas?", "answer": "Nobody."}))
    recipe.write_text(RECIPE.replace("  chunk:", "  own_pairs: {path: [own.jsonl]}\n  chunk:"))
    assert len(list(looks(load_recipe(recipe), tmp_path / "outputs/atlas", 3))) == 3


def test_the_command_prints_lines_of_json_and_pages_for_people(recipe):
    result = CliRunner().invoke(app, ["preview", str(recipe), "--rows", "3", "--json"])
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(lines) == 3
    assert {"messages", "answer", "verdict", "row", "schema", "sampling"} <= lines[0].keys()
    shown = CliRunner().invoke(app, ["preview", str(recipe), "--rows", "3"]).stdout
    assert "extractive_question" in shown and "kept rows by task" in shown


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_if_a_server_answers_nothing_the_answers_are_shown_and_the_command_fails(recipe, arguments):
    with serving(answers({"error": {"message": "temperature is not supported"}}, status=400)) as server:
        model = json.dumps({"engine": "openai", "model": "m", "base_url": server.url})
        recipe.write_text(re.sub("generator: {.*}", f"generator: {model}}}", RECIPE))
        result = CliRunner().invoke(app, ["preview", str(recipe), "--rows", "2", *arguments])
    assert isinstance(result.exception, UserError)  # `main` prints it and exits with status 2
    why = str(result.exception)
    assert why.startswith(
        "stages.instruct: none of its 2 requests was answered. The server's message: HTTP 400"
    )
    assert "temperature" in result.stdout and "temperature is not supported" in why
    assert "resume" not in result.stdout + why


def test_one_rejected_request_does_not_fail_the_command(recipe):
    fault = answers("too long", status=400)
    first = []
    with serving(
        unless(lambda text: not first and not first.append(text), fault, lambda text: "?")
    ) as server:
        model = json.dumps({"engine": "openai", "model": "m", "base_url": server.url})
        recipe.write_text(re.sub("generator: {.*}", f"generator: {model}}}", RECIPE))
        assert CliRunner().invoke(app, ["preview", str(recipe), "--rows", "2"]).exit_code == 0


@pytest.mark.cluster
def test_a_run_reuses_the_answers_of_a_preview(recipe, tmp_path, run_on_workers):
    loaded, outputs = load_recipe(recipe), tmp_path / "outputs"
    asked = len(list(looks(loaded, outputs / "atlas", 5)))
    run = run_on_workers(loaded, outputs, SilentWatcher())
    record = run.stage_record("instruct")
    assert record["requests"]["reused"] >= asked - 1  # one may be outside the share
    assert record["requests"]["reused"] + record["requests"]["completions"] == record["requests"]["asked"]
