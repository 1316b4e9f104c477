"""The outcome of a run as JSON."""

import json

from datagen.operate.outcome import outcome_of
from datagen.store.parquet import write_json
from tests.support.runs import row, write_run

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
    write_json(CHANGES, run.folder / "changes.json")
    write_json(PLAN, run.folder / "plan.json")
    outcome = outcome_of(run)
    assert outcome["changes"] == {name: CHANGES[name] for name in ("old", "documents", "products", "kept")}
    assert outcome["plan"] == PLAN
