"""`make` gets torch's CPU build from the configured indexes, otherwise from PyTorch's, otherwise it names the variable."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PIP = """#!/bin/sh
echo "$*" >> pip.log
case "$*" in
  *--index-url*torch==*) exit $PYTORCH_INDEX_FAILS ;;
  *torch==*) exit $CONFIGURED_INDEX_FAILS ;;
esac
"""
PYTHON = """#!/bin/sh
mkdir -p .venv/bin && cp pip .venv/bin/pip
"""


@pytest.fixture
def make(tmp_path):
    """Set up .venv with a stub pip; a function from whether each index fails to the process and pip's calls."""
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    for name, text in (("pip", PIP), ("python", PYTHON)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)

    def run(configured, pytorch, *settings):
        fails = {"CONFIGURED_INDEX_FAILS": str(configured), "PYTORCH_INDEX_FAILS": str(pytorch)}
        command = ["make", ".venv/ready", "PYTHON=./python", *settings]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
        done = subprocess.run(command, cwd=tmp_path, env=environment | fails, capture_output=True, text=True)
        return done, (tmp_path / "pip.log").read_text().splitlines()

    return run


def test_the_configured_indexes_are_asked_first(make):
    done, calls = make(0, 0)
    assert done.returncode == 0, done.stderr
    assert calls[0].endswith(" torch==2.13.0+cpu")
    assert not any("--index-url" in call for call in calls)
    assert "--requirement requirements.lock" in calls[1]
    assert len(calls) == 3
    assert all("--no-deps" in call.split() for call in calls), (
        "pip would replace the CPU build to satisfy another package"
    )


def test_then_an_index_of_cpu_builds(make):
    done, calls = make(1, 0, "TORCH_CPU_INDEX=https://cpu.example/simple")
    assert done.returncode == 0, done.stderr
    assert calls[1].endswith("--index-url https://cpu.example/simple torch==2.13.0+cpu")
    assert "--requirement requirements.lock" in calls[2]


def test_without_a_cpu_build_make_stops_and_names_the_variable_to_set(make):
    done, calls = make(1, 1)
    assert done.returncode != 0
    assert "set TORCH_CPU_INDEX" in done.stderr
    assert not any("requirements.lock" in call for call in calls)
