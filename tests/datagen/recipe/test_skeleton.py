"""`datagen new task`: the skeleton works as written, and overwrites nothing."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from datagen.cli import app
from datagen.errors import UserError
from datagen.recipe.load import load_recipe
from datagen.recipe.skeleton import write_task
from datagen.trial import try_task
from tests.support.generators import GOOD, TEXT

ROOT = Path(__file__).parents[3]


def test_the_skeleton_is_a_task_that_a_recipe_may_name(tmp_path):
    files = write_task("risk", tmp_path)
    assert [path.name for path in files] == ["risk.yaml", "test_risk.py"]
    recipe = tmp_path / "r.yaml"
    recipe.write_text(
        "name: r\ncorpus: [{path: docs}]\nstages: {ingest: , chunk: , instruct: {tasks: {./risk.yaml: 1}}}\n"
    )
    _, options = load_recipe(recipe).step("instruct")
    assert options.task("./risk.yaml", tmp_path).name == "risk"


@pytest.mark.slow
def test_the_tests_of_the_skeleton_pass_as_written(tmp_path):
    write_task("risk", tmp_path / "tasks")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path / "tasks")]
    done = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "10 passed" in done.stdout


@pytest.mark.slow
def test_the_tests_of_the_skeleton_fail_where_its_checks_are_taken_out(tmp_path):
    task, test = write_task("risk", tmp_path)
    task.write_text(task.read_text().partition("# What an answer must pass")[0])
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(test)]
    done = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert done.returncode == 1 and "3 failed" in done.stdout


def test_nothing_is_overwritten(tmp_path):
    write_task("risk", tmp_path)
    (tmp_path / "risk.yaml").unlink()
    with pytest.raises(UserError, match="exists already"):
        write_task("risk", tmp_path)
    assert not (tmp_path / "risk.yaml").exists()


@pytest.mark.parametrize("name", ["", "Risk", "a-b", "../x", "7x", "class", "a b", "a" * 41])
def test_a_name_that_cannot_be_a_module_is_refused(tmp_path, name):
    with pytest.raises(UserError, match="cannot name a task"):
        write_task(name, tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_name_of_a_built_in_task_is_refused(tmp_path):
    done = CliRunner().invoke(app, ["new", "task", "extraction", "--in", str(tmp_path)])
    assert done.exit_code and "there is a task extraction already" in str(done.exception)
    assert not list(tmp_path.iterdir())


def test_the_skeleton_passes_the_linter_of_the_project(tmp_path):
    _, test = write_task("a" * 40, tmp_path)
    rules = ["--no-cache", "--config", str(ROOT / "pyproject.toml"), str(test)]
    for command in (["check", *rules], ["format", "--check", *rules]):
        done = subprocess.run([sys.executable, "-m", "ruff", *command], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="cannot be written to"):
        write_task("risk", tmp_path / "file")


def test_the_command_prints_its_files_and_the_next_steps(tmp_path):
    done = CliRunner().invoke(app, ["new", "task", "risk", "--in", str(tmp_path)])
    assert done.exit_code == 0 and (tmp_path / "risk.yaml").is_file()
    assert "risk.yaml" in done.output and "instruct:" in done.output and "pytest" in done.output


def test_a_trial_of_a_built_in_task_gives_its_row():
    import json

    row = try_task("extractive_question", json.dumps(GOOD["extractive_question"]), TEXT)
    assert row.reason == "" and row.answer == "12 years" and TEXT.strip() in row.prompt
    assert try_task("extractive_question", "prose", TEXT).reason == "unparsable"
