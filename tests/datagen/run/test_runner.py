"""Runs of a toy pipeline on a real cluster: accounts, resuming, and SIGKILL."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datagen.errors import UserError
from datagen.recipe.load import load_recipe
from datagen.run.account import AccountError
from datagen.run.folder import open_run
from datagen.store.completions import Completions
from datagen.store.journal import parse_journal
from datagen.store.parquet import parts, read_part
from datagen.store.rounds import request_files
from tests.support import ROOT, toys

pytestmark = pytest.mark.cluster


@pytest.fixture
def run_toy(run_on_workers):
    def run(folder, **options):
        recipe = load_recipe(toys.write_recipe(folder, **options))
        return run_on_workers(recipe, folder / "outputs", toys.SilentWatcher())

    return run


def rows(run_, stage, table=""):
    return pa.concat_tables([read_part(path) for path in parts(run_.stage_folder(stage) / table)]).to_pylist()


def keys_in(completions):
    keys = {
        row["key"]
        for path in completions.journals()
        for row in parse_journal(path.read_bytes())[0].to_pylist()
    }
    for segment in completions.segments():
        keys |= set(pq.read_table(segment.path)["key"].to_pylist())
    return keys


def calls(log):
    return Counter(Path(log).read_text().splitlines()) if Path(log).exists() else Counter()


@pytest.fixture
def log(tmp_path, monkeypatch):
    monkeypatch.setenv(toys.CALLS, str(tmp_path / "calls"))
    return tmp_path / "calls"


def test_a_run_accounts_for_every_row_and_a_second_run_sends_no_request(tmp_path, log, run_toy):
    first = run_toy(tmp_path)
    record = first.stage_record("asking")
    assert (record["rows_in"], record["rows_out"]) == (12, 16)
    assert record["dropped"] == {"unparsable": 4, "truncated": 4}
    assert record["requests"]["asked"] == record["requests"]["completions"] == 24
    dropped = rows(first, "asking", "dropped")
    assert {row["stage"] for row in dropped} == {"asking"}
    assert all(row["lineage"]["parents"] and row["lineage"]["requests"] for row in dropped)
    assert {row["of"] for row in rows(first, "tallying")} == {16}
    letters = sum(len(row["text"]) for row in rows(first, "cutting"))
    assert first.stage_record("cutting")["figures"] == {"letters": letters, "none": 0}  # of all parts
    left = {
        path.name for path in first.stage_folder("tallying").iterdir() if not path.name.startswith("part-")
    }
    assert left == {"stage.json", "seen.txt", "dropped"}  # no scratch
    assert first.finished and (tmp_path / "outputs/toy/latest").resolve() == first.folder
    assert set(calls(log).values()) == {1}

    second = run_toy(tmp_path)
    assert second.folder != first.folder
    assert (
        second.stage_record("asking")["requests"] | {"asked": 24, "reused": 24}
        == second.stage_record("asking")["requests"]
    )
    assert second.stage_record("asking")["requests"]["completions"] == 0
    assert second.stage_record("asking")["cost"] == record["cost"]  # the cost of its rows, in any run
    assert (record["cost"]["rows"], record["cost"]["completions"]) == (12, 24)
    assert set(calls(log).values()) == {1}
    assert [row["id"] for row in rows(second, "tallying")] == [row["id"] for row in rows(first, "tallying")]


def test_there_may_be_several_generators_and_each_row_names_its_own(tmp_path, log, run_on_workers):
    path = toys.write_recipe(tmp_path)
    recipe = path.read_text().replace(
        "models: {",
        "models: {second: {engine: scripted, model: 'tests.support.toys:model', revision: other}, ",
    )
    path.write_text(
        recipe.replace("  scoring:", "  again: {use: 'tests.support.toys:asking', role: second}\n  scoring:")
    )
    both = run_on_workers(load_recipe(path), tmp_path / "outputs", toys.SilentWatcher())
    wrote = Counter(row["lineage"]["revision"] for row in rows(both, "tallying"))
    assert wrote == {"": 16, "other": 16}
    assert both.stage_record("again")["model"]["role"] == "second"
    assert set(calls(log).values()) == {2}  # each passage and sample once of each model


def test_a_refresh_sends_requests_about_new_rows_only(tmp_path, log, run_toy):
    run_toy(tmp_path, documents=12)
    grown = run_toy(tmp_path, documents=15)
    assert grown.stage_record("asking")["requests"]["completions"] == 3 * 2
    shrunk = run_toy(tmp_path, documents=10)
    assert shrunk.stage_record("asking")["requests"]["completions"] == 0
    assert {row["lineage"]["source"] for row in rows(shrunk, "tallying")} <= {f"toy-{n}" for n in range(10)}


def test_the_watcher_receives_the_usage_of_generation(tmp_path, log, run_on_workers):
    events = []

    class Watching(toys.SilentWatcher):
        def advance(self, stage, partitions, usage, under_way):
            events.append((stage, usage.completions))

    run_on_workers(load_recipe(toys.write_recipe(tmp_path)), tmp_path / "outputs", Watching())
    assert max(count for stage, count in events if stage == "asking") == 24


def test_follow_ups_are_sent_once_and_keep_their_subject(tmp_path, log, run_toy):
    more = '  doubting: {use: "tests.support.toys:doubting"}\n'
    first = run_toy(tmp_path, more=more)
    record = first.stage_record("doubting")
    made = [row for row in rows(first, "doubting") if row["answer"] == "Sure."]
    assert len(made) == record["requests"]["completions"] == 16
    assert record["requests"]["asked"] == 24 + len(made)
    assert all(row["question"].startswith("What is fact") for row in made)
    second = run_toy(tmp_path, more=more)
    assert second.stage_record("doubting")["requests"]["completions"] == 0


def test_a_third_round_depends_on_the_second_and_is_sent_once(tmp_path, log, run_toy):
    more = '  insisting: {use: "tests.support.toys:insisting"}\n'
    first = run_toy(tmp_path, more=more)
    record = first.stage_record("insisting")
    assert record["requests"]["asked"] == 24 + 16 + 16
    tasks = {}
    for path in request_files(first.stage_folder("insisting")):
        tasks.setdefault(path.parent.name, set()).update(read_part(path)["task"].to_pylist())
    assert tasks == {"requests": {"fact"}, "follow_ups": {"doubt"}, "follow_ups_3": {"insist"}}
    assert run_toy(tmp_path, more=more).stage_record("insisting")["requests"]["completions"] == 0


def test_a_stage_may_read_all_partitions_before_its_first_request(tmp_path, log, run_toy):
    done = run_toy(tmp_path, more='  sparing: {use: "tests.support.toys:sparing"}\n')
    record = done.stage_record("sparing")
    assert (record["requests"]["asked"], record["options"]) == (12, {"samples": 1})
    assert not list(done.stage_folder("sparing").glob(".*"))  # no scratch


def test_an_unreachable_server_is_reported(tmp_path, run_on_workers):
    path = toys.write_recipe(tmp_path)
    server = "{engine: openai, model: large, base_url: 'http://127.0.0.1:9/v1', retries: 0, patience: 1}"
    path.write_text(re.sub(r"generator: \{.*\}", f"generator: {server}}}", path.read_text()))
    with pytest.raises(UserError, match=r"127\.0\.0\.1:9"):
        run_on_workers(load_recipe(path), tmp_path / "outputs", toys.SilentWatcher())


def test_a_stage_that_loses_rows_stops_the_run_and_the_next_run_resumes_there(tmp_path, log, run_toy):
    with pytest.raises(AccountError, match=r"losing took \d rows and returned \d: 1 lost"):
        run_toy(tmp_path, more='  losing: {use: "tests.support.toys:losing"}\n')
    folder = next((tmp_path / "outputs/toy").glob("*/manifest.json")).parent
    assert not (folder / "stages/losing").exists()
    assert not (tmp_path / "outputs/toy/latest").exists()
    with pytest.raises(AccountError):
        run_toy(tmp_path, more='  losing: {use: "tests.support.toys:losing"}\n')
    assert set(calls(log).values()) == {1}


def start(folder, log, **options):
    recipe = toys.write_recipe(folder, **options)
    command = [sys.executable, "-m", "datagen", "run", recipe, "--outputs", folder / "outputs"]
    environment = os.environ | {toys.CALLS: str(log), "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


@pytest.mark.slow
def test_five_sigkills_during_generation_repeat_no_answered_request_and_change_no_id(tmp_path):
    window, kills = 4, 5
    size = {"documents": 60, "latency": 0.02, "window": window}
    killed, undisturbed = tmp_path / "killed", tmp_path / "undisturbed"
    killed.mkdir()
    undisturbed.mkdir()
    folders = set()
    for kill in range(1, kills + 1):
        process = start(killed, killed / "calls", **size)
        while len(calls(killed / "calls")) < 20 * kill:
            assert process.poll() is None, process.stdout.read()
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        time.sleep(1)  # its workers notice and exit
        before = calls(killed / "calls")
        time.sleep(0.3)
        assert calls(killed / "calls") == before, "workers outlived the run"
        folders |= set((killed / "outputs/toy").glob("*/completions"))
        [folder] = folders
        answered = keys_in(Completions(folder))
        assert 0 < len(answered) < 120
        assert 0 <= sum(before.values()) - len(answered) <= window * kill, "only requests in flight are lost"

    process = start(killed, killed / "calls", **size)
    output = process.communicate(timeout=120)[0]
    assert process.returncode == 0, output
    run_ = open_run(killed / "outputs/toy/latest")
    assert run_.folder == folder.parent, "the killed run is the one that was finished"
    made = calls(killed / "calls")
    assert len(made) == 120
    repeated = sum(made.values()) - 120
    assert repeated <= window * kills
    assert repeated == sum(before.values()) - len(answered), "only what was in flight is asked again"

    process = start(undisturbed, undisturbed / "calls", **size)
    assert process.wait(timeout=120) == 0, process.stdout.read()
    other = open_run(undisturbed / "outputs/toy/latest")
    for stage in ("asking", "tallying"):
        assert [row["id"] for row in rows(run_, stage)] == [row["id"] for row in rows(other, stage)]
    assert json.loads((run_.folder / "manifest.json").read_text())["state"] == "finished"
