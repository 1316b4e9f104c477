"""Every benchmark takes ``--quick``."""

import argparse
import importlib
import sys
from pathlib import Path

import pytest

import benchmarks
from benchmarks import add_quick

NAMES = [
    path.stem
    for path in sorted(Path(benchmarks.__file__).parent.glob("*.py"))
    if "argparse.ArgumentParser" in path.read_text() and path.stem != "__init__"
]


@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_takes_quick(name, monkeypatch, capsys):
    module = importlib.import_module(f"benchmarks.{name}")
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    with pytest.raises(SystemExit) as ended:
        module.main()
    assert ended.value.code == 0 and "--quick" in capsys.readouterr().out


@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_starts_itself_as_a_module(name):
    source = (Path(benchmarks.__file__).parent / f"{name}.py").read_text()
    assert "sys.executable, __file__" not in source, "as a script it does not find the package benchmarks"


def test_quick_sets_options_and_later_ones_win():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--most", type=int, default=7)
    add_quick(parser, rows=5)
    assert vars(parser.parse_args([]))["rows"] == 100
    assert vars(parser.parse_args(["--quick"])) == {"rows": 5, "most": 7}
    assert parser.parse_args(["--quick", "--rows", "6"]).rows == 6
