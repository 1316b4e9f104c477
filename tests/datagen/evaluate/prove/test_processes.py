"""Fits in separate processes: which are run, and how a failure is reported."""

import json
import sys

import pytest

from datagen.errors import UserError
from datagen.evaluate.prove import processes
from datagen.evaluate.prove.processes import Task, run_all

STUB = """
import json, sys, time
from pathlib import Path
what, target = sys.argv[1:3]
if what == "fails":
    print("out of luck")
    raise SystemExit(3)
if what == "sleeps":
    time.sleep(60)
Path(target).parent.mkdir(parents=True, exist_ok=True)
Path(target).write_text(json.dumps(what))
"""


@pytest.fixture
def stub(tmp_path, monkeypatch):
    """Run a stub script instead of fits."""
    (tmp_path / "stub_fit.py").write_text(STUB)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{':'.join(filter(None, sys.path))}")
    monkeypatch.setattr(processes, "MODULE", "stub_fit")

    def task(what, name):
        target = tmp_path / "fits" / f"{name}.json"
        return Task(name, (what, str(target)), target)

    return task


def test_tasks_with_an_existing_result_are_not_run_again(stub):
    tasks = [stub("works", name) for name in ("a", "b", "c")]
    tasks[1].result.parent.mkdir(parents=True)
    tasks[1].result.write_text('"earlier"')
    done = []
    run_all(tasks, 2, 1, done.append)
    assert sorted(task.name for task in done) == ["a", "b", "c"]
    assert json.loads(tasks[0].result.read_text()) == "works"
    assert json.loads(tasks[1].result.read_text()) == "earlier"


def test_a_failed_fit_is_reported_with_its_output_and_stops_the_others(stub):
    done = []
    with pytest.raises(UserError, match=r"(?s)the fit bad failed with exit status 3.*out of luck"):
        run_all([stub("sleeps", "slow"), stub("fails", "bad"), stub("works", "never")], 2, 1, done.append)
    assert done == [] and not stub("works", "never").result.exists()
