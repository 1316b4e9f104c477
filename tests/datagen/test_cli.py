"""Command line output: no secrets, no terminal escape sequences, no traceback for an invalid --set."""

import sys

import pytest

from datagen import cli
from datagen.errors import UserError
from datagen.recipe.overrides import overrides_of


def output_of(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["datagen", *arguments])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return end.value.code, "".join(capsys.readouterr())


@pytest.mark.parametrize("value", ["[1", "{", "2024-02-30", "!!int x", "&a [*a]", "\x01", "[" * 5000])
def test_an_invalid_yaml_value_is_reported(value):
    with pytest.raises(UserError, match=r"--set x=.*not YAML"):
        overrides_of([f"x={value}"])


@pytest.mark.parametrize("key", ["models.generator.base_url", "nothing"])
def test_passwords_and_escape_sequences_of_the_command_line_are_masked(key, monkeypatch, capsys, tmp_path):
    (tmp_path / "r.yaml").write_text("name: r\ncorpus: [{path: x}]\nmodels: {generator: {engine: openai}}\n")
    given = f"{key}=[http://user:hush-hush@host/\x1b[2J"
    code, output = output_of(monkeypatch, capsys, "run", str(tmp_path / "r.yaml"), "--set", given)
    assert code == 2 and "hush-hush" not in output and "\x1b[2J" not in output


def test_the_resume_command_masks_passwords():
    again = cli.shown(cli._how_to_go_on(["run", "r.yaml", "--set", "m.base_url=http://user:hush@host/v1"]))
    assert "hush" not in again and "datagen run r.yaml" in again
