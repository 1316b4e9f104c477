"""The commands and files in docs/operating.md: every command exists, every file is well-formed."""

import configparser
import re
import shlex

import pytest
import typer
import yaml

from datagen.cli import app
from tests.support import ROOT

TEXT = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
COMMANDS = sorted(
    set(
        re.findall(
            r"(?:^|[`\"/ ])(datagen (?:check|plan|run|diff|releases|rollback|clean)[^`\n\"|>;]*)", TEXT
        )
    )
)
VALUES = {"RECIPE": "recipe.yaml", "OLD": "a", "NEW": "b", "RUN": "c"}


def blocks(language):
    return [text for name, text in BLOCKS if name == language]


def test_the_page_has_commands():
    assert len(COMMANDS) > 12


@pytest.mark.parametrize("command", COMMANDS)
def test_documented_options_exist(command):
    words = [VALUES.get(word, word) for word in shlex.split(re.sub(r"\s\d>>?.*", "", command))][1:]
    group = typer.main.get_command(app)
    command_ = group.commands[words[0]]
    options = {
        option for parameter in command_.params for option in [*parameter.opts, *parameter.secondary_opts]
    }
    assert {word for word in words[1:] if word.startswith("--")} <= options, command


@pytest.mark.parametrize("text", blocks("yaml"))
def test_yaml_is_valid(text):
    assert yaml.safe_load(text)


@pytest.mark.parametrize("text", blocks("python"))
def test_python_is_valid(text):
    assert compile(text, "operating.md", "exec")


@pytest.mark.parametrize("text", blocks("ini"))
def test_systemd_units_are_valid(text):
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str
    parser.read_string(text)
    assert parser.sections()
