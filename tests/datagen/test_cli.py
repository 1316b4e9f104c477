"""What the command line says: no secrets, no commands to the terminal, no traceback for a slip in --set."""

import sys

import pytest
from typer.testing import CliRunner

from datagen import cli
from datagen.errors import UserError


def said_by(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["datagen", *arguments])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return end.value.code, "".join(capsys.readouterr())


@pytest.mark.parametrize("value", ["[1", "{", "2024-02-30", "!!int x", "&a [*a]", "\x01", "[" * 5000])
def test_a_value_that_is_no_yaml_is_told(value):
    with pytest.raises(UserError, match=r"--set x=.*not YAML"):
        cli._overrides([f"x={value}"])


@pytest.mark.parametrize("key", ["models.generator.base_url", "nothing"])
def test_a_password_and_terminal_codes_of_the_command_line_are_not_shown(key, monkeypatch, capsys, tmp_path):
    (tmp_path / "r.yaml").write_text("name: r\ncorpus: [{path: x}]\nmodels: {generator: {engine: openai}}\n")
    given = f"{key}=[http://user:hush-hush@host/\x1b[2J"
    code, said = said_by(monkeypatch, capsys, "run", str(tmp_path / "r.yaml"), "--set", given)
    assert code == 2 and "hush-hush" not in said and "\x1b[2J" not in said


def test_how_to_go_on_shows_no_password():
    again = cli.shown(cli._how_to_go_on(["run", "r.yaml", "--set", "m.base_url=http://user:hush@host/v1"]))
    assert "hush" not in again and "datagen run r.yaml" in again


def test_the_doctor_says_which_profile_a_recipes_models_have(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    path = tmp_path / "recipe.yaml"
    path.write_text(
        "name: x\ncorpus: [{path: docs}]\nstages: {ingest: , chunk: , instruct: }\n"
        "models: {generator: {engine: openai, base_url: 'http://h', model: qwen3-14b}}\n"
    )
    said = CliRunner().invoke(cli.app, ["doctor", str(path)]).stdout
    assert "profile of generator" in said
    assert "large (14 billion parameters, by its name)" in said
    assert "set models.generator.thinking" in " ".join(said.split())
