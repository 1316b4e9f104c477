"""The report of a run that equals an earlier one."""

import json

import pytest

from datagen.report.unchanged import reuse_report
from datagen.run.folder import open_run
from datagen.store.digests import sealed, write_sealed
from datagen.store.parquet import write_json
from tests.support.runs import row, write_run

PAGE = "<html>\n<body>\n<header>Run a</header>\n</body>\n</html>\n"
SHOWN = {"models": {}, "profiles": {}, "datagen": "1"}


def unchanged(folder, since):
    """Record that every stage was taken over from an earlier run."""
    for path in folder.glob("stages/*/stage.json"):
        write_json(json.loads(path.read_text()) | {"taken_over": since}, path)


@pytest.fixture
def runs(tmp_path):
    """Three runs: a, and two that equal it."""
    for number, name in enumerate("abc"):
        write_run(tmp_path / name, {"s": "t"}, [row("s", "?", "x")], number, **SHOWN)
    unchanged(tmp_path / "b", "a")
    unchanged(tmp_path / "c", "b")
    (tmp_path / "a" / "report.html").write_text(PAGE)
    return tmp_path


def test_it_is_the_earlier_report_with_one_note(runs):
    for name in "bc":
        page = reuse_report(open_run(runs / name)).read_text()
        [note] = [line for line in page.splitlines() if "Nothing changed" in line]
        assert f"Nothing changed in run {name}," in note
        assert page.replace(f"{note}\n", "") == PAGE


def test_a_run_without_unchanged_stages_gets_none(runs):
    assert reuse_report(open_run(runs / "a")) is None


def test_a_run_with_one_stage_of_its_own_gets_none(runs):
    path = runs / "b" / "stages" / "last" / "stage.json"
    record = json.loads(path.read_text())
    del record["taken_over"]
    write_json(record, path)
    assert reuse_report(open_run(runs / "b")) is None


def test_a_run_with_stages_of_two_runs_gets_none(runs):
    path = runs / "c" / "stages" / "last" / "stage.json"
    write_json(json.loads(path.read_text()) | {"taken_over": "a"}, path)
    (runs / "b" / "report.html").write_text(PAGE)
    assert reuse_report(open_run(runs / "c")) is None


@pytest.mark.parametrize("change", [{"recipe": {"name": "r", "gates": ["kept<1"]}}, {"datagen": "2"}])
def test_a_run_of_another_recipe_or_version_gets_none(runs, change):
    path = runs / "b" / "manifest.json"
    write_json(sealed(json.loads(path.read_text()) | change), path)
    assert reuse_report(open_run(runs / "b")) is None


def test_a_planned_run_gets_none_unless_the_earlier_one_had_the_same_plan(runs):
    write_sealed({"basis": "pilot"}, runs / "b" / "plan.json")
    assert reuse_report(open_run(runs / "b")) is None
    write_sealed({"basis": "pilot"}, runs / "a" / "plan.json")
    assert reuse_report(open_run(runs / "b"))


@pytest.mark.parametrize("damage", ["report.html", "manifest.json"])
def test_an_earlier_run_without_report_or_manifest_is_ignored(runs, damage):
    (runs / "a" / damage).unlink()
    assert reuse_report(open_run(runs / "b")) is None
