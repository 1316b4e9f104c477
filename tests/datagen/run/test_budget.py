"""Budgets: a run stops cleanly at the end of its budget, and resumes with a higher one."""

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from datagen.errors import BudgetSpent
from datagen.recipe.load import load_recipe
from datagen.recipe.sections import Budget
from datagen.request import Usage
from datagen.run import budget
from datagen.run.budget import Allowance
from datagen.run.folder import earlier_runs
from tests.support import ROOT, toys

WINDOW = 4


@pytest.fixture
def log(tmp_path, monkeypatch):
    monkeypatch.setenv(toys.CALLS, str(tmp_path / "calls"))
    return tmp_path / "calls"


def calls(log):
    return Counter(Path(log).read_text().splitlines()) if Path(log).exists() else Counter()


@pytest.fixture
def run_toy(run_on_workers):
    def run(folder, limits, **options):
        path = toys.write_recipe(folder, window=WINDOW, more=f"budget: {json.dumps(limits)}\n", **options)
        return run_on_workers(load_recipe(path), folder / "outputs", toys.SilentWatcher())

    return run


def newest(folder):
    return earlier_runs(folder / "outputs/toy")[-1]


@pytest.mark.cluster
def test_a_run_stops_at_its_request_limit_and_resumes_with_a_higher_one_without_repeating_requests(
    tmp_path, log, run_toy
):
    with pytest.raises(
        BudgetSpent, match=r"stage asking .* its requests: in total, 10 requests, .*budget\.requests=N"
    ):
        run_toy(tmp_path, {"requests": 10})
    assert sum(calls(log).values()) == 10 == newest(tmp_path).spent.completions
    assert newest(tmp_path).manifest["state"] == "stopped: budget"
    stopped = newest(tmp_path).folder
    with pytest.raises(BudgetSpent):  # a repetition sends no request
        run_toy(tmp_path, {"requests": 10})
    assert sum(calls(log).values()) == 10
    done = run_toy(tmp_path, {"requests": 24})
    assert done.folder == stopped and done.finished and done.spent.completions == 24
    assert done.manifest["recipe"]["budget"]["requests"] == 24
    again = run_toy(tmp_path, {"requests": 0})  # answers of earlier runs cost nothing
    assert again.finished and again.folder != stopped and again.spent == Usage()
    assert len(calls(log)) == 24 and set(calls(log).values()) == {1}


@pytest.mark.cluster
def test_tokens_overrun_by_no_more_than_the_window(tmp_path, log, run_toy):
    longest = 9  # words of an answer
    with pytest.raises(BudgetSpent, match="its completion_tokens"):
        run_toy(tmp_path, {"completion_tokens": 60}, latency=0.002)
    spent = newest(tmp_path).spent
    assert 60 <= spent.completion_tokens < 60 + WINDOW * longest
    assert spent.completions == sum(calls(log).values())


@pytest.mark.cluster
def test_the_spending_of_a_killed_run_counts(tmp_path, log, monkeypatch):
    """After SIGKILL no process records the spending; it is computed from the stored answers."""
    path = toys.write_recipe(
        tmp_path, window=WINDOW, latency=0.02, documents=60, more="budget: {requests: 90}\n"
    )
    command = [sys.executable, "-m", "datagen", "run", path, "--outputs", tmp_path / "outputs"]
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    while sum(calls(log).values()) < 40:
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode == 3, again.stderr
    assert "stopped: budget" in again.stderr and "in total, 90 requests" in again.stderr
    assert newest(tmp_path).spent.completions == 90 <= sum(calls(log).values()) <= 90 + WINDOW


def test_a_purse_counts_earlier_spending_and_can_be_shut():
    allowance = Allowance(Budget(requests=5, prompt_tokens=100), Usage(3, 90))
    assert allowance.admit(0) and allowance.admit(0) and not allowance.admit(0)  # two are in flight
    allowance = Allowance(Budget(prompt_tokens=100), Usage(3, 90))
    assert allowance.admit(0)
    allowance.pay(Usage(1, 10))
    assert not allowance.admit(0)
    assert Allowance(Budget(), Usage(10**9, 10**9, 0, 10**9)).admit(0)
    budget.close("a stage")
    assert not budget.allowance("a stage", Budget(), Usage()).admit(0)
    assert budget.allowance("another", Budget(), Usage()).admit(0) and budget.is_closed("a stage")
