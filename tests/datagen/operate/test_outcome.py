"""The outcome of a run as JSON."""

import json

import pytest

from datagen.errors import UserError
from datagen.operate.outcome import outcome_of
from datagen.report.html import write_report
from datagen.report.planned import compare_with_plan
from datagen.store.digests import write_sealed
from datagen.store.parquet import write_json
from tests.support.runs import record_files, row, write_run

CHANGES = {"old": "a", "documents": {"added": 1}, "products": {}, "kept": 0.5, "figures": {"kept": 0.5}}
PLAN = {"basis": "pilot p", "amounts": {"requests": [10, 11]}, "rows": {}}


def test_the_outcome_of_a_run(tmp_path):
    run = write_run(tmp_path / "b", {"s": "t"}, [row("s", "?", "x")])
    for name in ("ingest", "last"):
        path = run.stage_folder(name) / "stage.json"
        write_json(json.loads(path.read_text()) | {"requests": {"asked": 3, "reused": 1}}, path)
    outcome = outcome_of(run)
    assert json.loads(json.dumps(outcome)) == outcome
    assert (outcome["run"], outcome["state"], outcome["requests"]) == (
        "b",
        "finished",
        {"asked": 6, "reused": 2},
    )
    assert outcome["stages"]["last"] == {
        "rows_in": 4,
        "rows_out": 1,
        "dropped": {},
        "seconds": 1.0,
        "taken_over": None,
    }
    assert outcome["changes"] is None and outcome["plan"] is None
    assert set(outcome["rows"]) == {"reading", "instructions", "refusals", "preferences"}


def test_changes_and_plan_are_part_of_it(tmp_path):
    run = write_run(tmp_path / "b", {"s": "t"}, [])
    write_sealed(CHANGES, run.folder / "changes.json")
    write_sealed(PLAN, run.folder / "plan.json")
    outcome = outcome_of(run)
    assert outcome["changes"] == {name: CHANGES[name] for name in ("old", "documents", "products", "kept")}
    assert outcome["plan"] == PLAN


@pytest.mark.parametrize("content", ["{}", "[]", "null", '{"old": 1}', "{", "[" * 100_000])
def test_damaged_changes_and_plans_are_left_out_with_a_warning(tmp_path, content, caplog):
    run = write_run(tmp_path / "b", {"s": "t"}, [])
    for path in (run.folder / "changes.json", run.folder / "plan.json", tmp_path / "plan.json"):
        path.write_text(content)
    outcome = outcome_of(run)
    assert outcome["changes"] is None and outcome["plan"] is None and compare_with_plan(run) is None
    for path in (run.folder / "changes.json", run.folder / "plan.json", tmp_path / "plan.json"):
        assert any(record.getMessage().startswith(f"{path} ") for record in caplog.records)


@pytest.mark.parametrize("content", ["{}", "[1]", '["x"]', '[{"group": "instruction"}]', "null", "{", "\xff"])
def test_damaged_promises_are_an_error_with_a_remedy(tmp_path, content):
    run = write_run(tmp_path / "b", {"s": "t"}, [])
    path = run.stage_folder("last") / "promises.json"
    path.write_text("[]")
    record_files(path.parent)
    assert outcome_of(run)["promises"] == []
    path.write_text(content)
    with pytest.raises(UserError, match=r"promises\.json was altered.*Run the recipe again"):
        outcome_of(run)
    with pytest.raises(UserError, match=r"promises\.json was altered"):
        write_report(run)
