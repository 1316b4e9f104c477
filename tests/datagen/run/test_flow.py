"""Concurrent stages: which stages run together, and that results, accounts and costs are the same."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import CancelledError, ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from distributed import get_client

from datagen.errors import UserError
from datagen.recipe.load import load_recipe
from datagen.run import runner, stage_key, tasks
from datagen.run.claims import claim
from datagen.run.flow import together
from datagen.run.folder import earlier_runs
from datagen.run.occupancy import read_occupancy
from datagen.store.parquet import UNFINISHED, parts, read_part, write_table
from tests.support import ROOT, dask_processes, scribe, toys

TOYS = {f"tests.support.toys:{name}" for name in ("cutting", "asking", "doubting", "scoring", "sparing")}


def groups(recipe):
    names, waiting = list(recipe.stages), []
    while names:
        waiting.append(together(recipe, names))
        names = names[len(waiting[-1]) :]
    return waiting


def recipe_of(tmp_path, stages):
    path = tmp_path / "recipe.yaml"
    path.write_text("name: r\ncorpus: [{path: docs}]\nstages:\n" + "".join(f"  {line}\n" for line in stages))
    return load_recipe(path)


def test_stages_that_read_partitions_join_and_those_that_need_whole_tables_wait(tmp_path):
    line = ["ingest:", "chunk:", "mine:", "comprehend:", "instruct:", "probe:", "resolve_contradictions:"]
    line += [
        "unanswerable:",
        "refuse:",
        "measure:",
        "score:",
        "difficulty:",
        "consistency:",
        "curate:",
        "mix:",
    ]
    assert groups(recipe_of(tmp_path, line)) == [
        ["ingest"],
        ["chunk"],
        ["mine", "comprehend", "instruct", "probe"],
        ["resolve_contradictions"],
        ["unanswerable", "refuse"],
        ["measure", "score", "difficulty", "consistency"],
        ["curate"],
        ["mix"],
    ]
    assert groups(recipe_of(tmp_path, ["ingest:", "chunk:", "instruct:", "probe:"])) == [
        ["ingest"],
        ["chunk", "instruct", "probe"],
    ]


def test_a_whole_stage_waits_for_every_table_that_it_may_read(tmp_path):
    # long_spans takes passages, and reads the examples that mine made from them.
    line = ["ingest:", "chunk:", "mine:", "long_spans:", "outline_pairs:"]
    assert groups(recipe_of(tmp_path, line))[-2:] == [["mine"], ["long_spans", "outline_pairs"]]


def test_a_users_stage_waits_for_all_earlier_stages(tmp_path):
    own = '"tests.support.toys:asking"'
    line = ["ingest:", "chunk:", f"own: {{use: {own}}}", "instruct:"]
    assert groups(recipe_of(tmp_path, line)) == [["ingest"], ["chunk"], ["own", "instruct"]]


class Watching(toys.SilentWatcher):
    def __init__(self):
        self.events = []

    def begin(self, stage, partitions):
        self.events.append(("begin", stage))

    def end(self, record, resumed):
        self.events.append(("end", record["stage"]))


def ids(run, stage):
    return [row["id"] for path in parts(run.stage_folder(stage)) for row in read_part(path).to_pylist()]


def records(run):
    changing = {"seconds", "pace", "files", "key", "sha256"}
    return [{name: value for name, value in r.items() if name not in changing} for r in run.stage_records()]


@pytest.mark.cluster
def test_partitions_flow_without_changing_the_result(tmp_path, monkeypatch, run_on_workers):
    more = '  doubting: {use: "tests.support.toys:doubting"}\n'
    path = toys.write_recipe(tmp_path, more=more)
    apart = run_on_workers(load_recipe(path), tmp_path / "apart", toys.SilentWatcher())
    monkeypatch.setattr(stage_key, "SEES_TABLES", TOYS)
    watcher = Watching()
    flowing = run_on_workers(load_recipe(path), tmp_path / "flowing", watcher)
    at = watcher.events.index
    assert at(("begin", "asking")) < at(("end", "cutting")), "asking waited for the end of cutting"
    assert at(("begin", "scoring")) < at(("end", "asking")), "scoring waited for the end of asking"
    assert [stage for what, stage in watcher.events if what == "end"] == list(flowing.manifest["stages"])
    for stage in flowing.manifest["stages"]:
        assert ids(flowing, stage) == ids(apart, stage)
    assert flowing.spent.completions == apart.spent.completions == 24 + 16
    for ours, theirs in zip(records(flowing), records(apart), strict=True):
        assert {**ours, "requests": 0} == {**theirs, "requests": 0}


@pytest.mark.cluster
def test_a_request_that_two_stages_have_in_common_is_sent_once(tmp_path, monkeypatch, run_on_workers):
    monkeypatch.setenv(toys.CALLS, str(tmp_path / "calls"))
    monkeypatch.setattr(stage_key, "SEES_TABLES", TOYS)
    path = toys.write_recipe(tmp_path, latency=0.3, window=100)
    again = '  again: {use: "tests.support.toys:asking"}\n'
    path.write_text(path.read_text().replace("  scoring:", f"{again}  scoring:"))
    done = run_on_workers(load_recipe(path), tmp_path / "outputs", toys.SilentWatcher())
    calls = Counter((tmp_path / "calls").read_text().splitlines())
    assert len(calls) == 24 and set(calls.values()) == {1}
    asked = [done.stage_record(stage)["requests"] for stage in ("asking", "again")]
    assert [each["asked"] for each in asked] == [24, 24]
    assert sum(each["completions"] for each in asked) == sum(each["reused"] for each in asked) == 24
    assert len(ids(done, "asking")) == len(ids(done, "again")) == 16


@pytest.mark.cluster
def test_partitions_flow_after_a_change_of_the_input_and_otherwise_later_stages_are_reused(
    tmp_path, monkeypatch, run_on_workers
):
    monkeypatch.setattr(stage_key, "SEES_TABLES", TOYS)
    path = toys.write_recipe(tmp_path)
    text = path.read_text()
    run_on_workers(load_recipe(path), tmp_path / "outputs", toys.SilentWatcher())

    path.write_text(text.replace("documents: 12", "documents: 15"))
    watcher = Watching()
    run_on_workers(load_recipe(path), tmp_path / "outputs", watcher)
    at = watcher.events.index
    assert at(("begin", "asking")) < at(("end", "cutting"))

    monkeypatch.setattr(stage_key, "own_code", lambda place, folder: "new" if "cutting" in place else "")
    again = run_on_workers(load_recipe(path), tmp_path / "outputs", toys.SilentWatcher())
    monkeypatch.setattr(stage_key, "own_code", lambda place, folder: "newer" if "cutting" in place else "")
    last = run_on_workers(load_recipe(path), tmp_path / "outputs", toys.SilentWatcher())
    assert not last.stage_record("cutting").get("taken_over")
    assert last.stage_record("asking")["taken_over"] == again.folder.name


@pytest.mark.cluster
@pytest.mark.parametrize("asked_before", [False, True])
def test_the_engine_starts_while_the_corpus_is_read_unless_stored_answers_may_suffice(tmp_path, asked_before):
    opened = {}

    class Looking(toys.SilentWatcher):
        def end(self, record, resumed):
            opened.setdefault(record["stage"], any(get_client().run(dask_processes.engines_open).values()))

    path = toys.write_recipe(tmp_path)
    if asked_before:
        runner.run(load_recipe(path), tmp_path / "outputs", toys.SilentWatcher())
    runner.run(load_recipe(path), tmp_path / "outputs", Looking(), rebuild=True)
    assert opened["source"] is opened["asking"] is not asked_before  # with all answers stored, never


RECIPE = """
name: atlas
corpus: [{path: atlas}]
models: {generator: {engine: scripted, model: "tests.support.scribe:model", latency: 0.1, window: 4}}
cluster: {workers: 1, partition_mb: 0.001}
stages:
  ingest:
  chunk:
  instruct: {tasks: [extractive_question, true_false]}
  probe:
"""


@pytest.mark.slow
@pytest.mark.cluster
def test_a_sigkill_while_stages_flow_repeats_no_answered_request_and_changes_no_id(tmp_path):
    (tmp_path / "atlas").mkdir()
    scribe.write_atlas(tmp_path / "atlas")
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}

    def start(outputs):
        command = [sys.executable, "-m", "datagen", "run", tmp_path / "recipe.yaml", "--outputs", outputs]
        return subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    killed = start(tmp_path / "killed")
    spent = "atlas/*/completions/spent/probe-part-*"
    while not list((tmp_path / "killed").glob(spent)):
        assert killed.poll() is None, killed.stdout.read()
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    [unfinished] = earlier_runs(tmp_path / "killed/atlas")
    assert not unfinished.stage_folder("instruct").exists(), "probe had begun before the end of instruct"
    time.sleep(2)  # its workers notice and exit

    for outputs in ("killed", "undisturbed"):
        process = start(tmp_path / outputs)
        assert process.wait(timeout=240) == 0, process.stdout.read()
    [done], [other] = (earlier_runs(tmp_path / name / "atlas") for name in ("killed", "undisturbed"))
    assert done.folder == unfinished.folder and done.finished
    for stage in ("instruct", "probe"):
        assert ids(done, stage) == ids(other, stage)
    keys = [
        key for run in (done,) for s in run.completions.segments() for key in pq.read_table(s.path)["key"]
    ]
    assert done.spent.completions == len(keys) == len(set(keys)) == other.spent.completions
    assert 0 < read_occupancy(other.folder).share <= 1


def test_a_partition_is_read_wherever_its_stage_is(tmp_path, monkeypatch):
    path = tmp_path / "made" / "part-00000.parquet"
    early = tmp_path / f"{UNFINISHED}made" / path.name
    with pytest.raises(UserError, match=r"part-00000\.parquet is corrupt or missing"):
        tasks._read_part(path)
    write_table(pa.table({"n": [1]}), early)
    assert tasks._read_part(path)["n"].to_pylist() == [1]

    def renamed_first(place, columns=None):
        if early.parent.exists():
            early.parent.rename(path.parent)
        return read_part(place, columns)

    monkeypatch.setattr(tasks, "read_part", renamed_first)
    assert tasks._read_part(path, ["n"])["n"].to_pylist() == [1]


def test_keys_belong_to_one_task_at_a_time_and_the_others_wait_for_it():
    folder, order = Path("completions"), []
    claimed, done = threading.Event(), threading.Event()

    def first():
        with claim(folder, {"a", "b"}) as mine:
            assert mine.keys == {"a", "b"} and not mine.elsewhere
            claimed.set()
            done.wait(10)
            order.append("first")

    with ThreadPoolExecutor() as threads:
        running = threads.submit(first)
        claimed.wait(10)
        with claim(folder, {"b", "c"}) as mine, claim(Path("of another run"), {"b"}) as other:
            assert (mine.keys, other.keys) == ({"c"}, {"b"})
        done.set()
        assert mine.wait() == {"b"}
        order.append("second")
        running.result()
    assert order == ["first", "second"]
    with claim(folder, {"a", "b", "c"}) as mine:
        assert mine.keys == {"a", "b", "c"}


def test_when_a_run_leaves_the_process_waiting_tasks_leave_too():
    folder = Path("completions")
    with pytest.raises(CancelledError), claim(folder, {"a"}):
        with claim(folder, {"a"}) as waiting:
            assert not waiting.keys
        raise CancelledError
    with pytest.raises(CancelledError):
        waiting.wait()
