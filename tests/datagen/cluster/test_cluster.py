"""Runs on an existing cluster whose workers join, leave and die."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter

import dask
import pytest
from distributed import Client

from datagen.cluster import remote, workers
from datagen.engines.pool import EnginePool
from datagen.errors import BudgetSpent, UserError
from datagen.recipe.errors import RecipeError
from datagen.recipe.load import load_recipe
from datagen.recipe.roles import ScriptedModel
from datagen.request import Identity, Request
from datagen.run.folder import earlier_runs
from datagen.run.runner import run
from datagen.store.journal import Journal, parse_journal
from datagen.store.parquet import read_part
from tests.support import ROOT, dask_processes, toys

pytestmark = pytest.mark.cluster


@pytest.fixture
def calls(tmp_path):
    return tmp_path / "calls"


@pytest.fixture
def cluster(tmp_path, calls):
    started = dask_processes.Cluster(tmp_path, **{dask_processes.CALLS: str(calls)})
    yield started
    started.close()


def recipe(folder, address, **changes):
    path = toys.write_recipe(folder)
    return load_recipe(
        path, {"models.generator.model": "tests.support.dask_processes:counted", "cluster": address} | changes
    )


def wait_until(true, seconds=60):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)


def asked(run_):
    """Keys of all requests of the run's stage `asking`."""
    return [
        key
        for path in (run_.stage_folder("asking") / "requests").glob("*")
        for key in read_part(path)["key"].to_pylist()
    ]


@pytest.mark.timeout(300)
def test_20_000_requests_are_answered_once_while_a_worker_is_killed_and_another_added(
    tmp_path, cluster, calls
):
    window, requests = 32, 20_000
    workers = [cluster.worker(*dask_processes.ENGINE), cluster.worker(*dask_processes.ENGINE)]

    def disturb():
        wait_until(lambda: len(dask_processes.calls(calls)) > requests // 5)
        workers[0].send_signal(signal.SIGKILL)
        workers.append(cluster.worker(*dask_processes.ENGINE))

    disturbing = threading.Thread(target=disturb)
    disturbing.start()
    given = {
        "models.generator.latency": 0.01,
        "models.generator.window": window,
        "stages.source.documents": requests // 8,
        "stages.source.partitions": 40,
        "stages.asking.samples": 8,
    }
    finished = run(recipe(tmp_path, cluster.address, **given), tmp_path / "outputs", toys.SilentWatcher())
    disturbing.join()

    made = Counter(what for _, what in dask_processes.calls(calls))
    assert len(made) == requests
    assert sum(made.values()) - requests <= window, "more than was in flight on the killed worker"
    assert {int(who) for who, _ in dask_processes.calls(calls)} == {worker.pid for worker in workers}
    record = finished.stage_record("asking")
    assert record["requests"]["asked"] == record["requests"]["completions"] == requests
    assert record["requests"]["reused"] == 0, "what the killed worker had answered is on the bill"
    assert record["rows_out"] + sum(record["dropped"].values()) == requests
    keys = asked(finished)
    assert len(finished.completions.find(keys)) == len(set(keys)) == requests


def test_the_budget_is_kept_when_engines_join_and_die(tmp_path, cluster, calls):
    window, requests, limit = 2, 800, 300
    workers = [cluster.worker(*dask_processes.ENGINE), cluster.worker(*dask_processes.ENGINE)]
    given = {
        "models.generator.latency": 0.05,
        "models.generator.window": window,
        "stages.source.documents": requests // 2,
        "stages.source.partitions": 40,
    }

    def disturb():
        wait_until(lambda: len(dask_processes.calls(calls)) > 20)
        workers.append(cluster.worker(*dask_processes.ENGINE))
        workers[0].kill()

    disturbing = threading.Thread(target=disturb)
    disturbing.start()
    limited = recipe(tmp_path, cluster.address, **given, **{"budget.requests": limit})
    with pytest.raises(BudgetSpent, match="its requests: in total"):
        run(limited, tmp_path / "outputs", toys.SilentWatcher())
    disturbing.join()
    [stopped] = earlier_runs(tmp_path / "outputs/toy")
    assert limit <= stopped.spent.completions < requests
    assert 0 <= len(dask_processes.calls(calls)) - stopped.spent.completions <= window, (
        "in flight where one was killed"
    )

    done = run(recipe(tmp_path, cluster.address, **given), tmp_path / "outputs", toys.SilentWatcher())
    assert done.folder == stopped.folder
    assert done.spent.completions == requests == len({what for _, what in dask_processes.calls(calls)})
    assert len(dask_processes.calls(calls)) - requests <= window


def test_a_run_goes_on_when_all_workers_died_and_others_join(tmp_path, cluster, calls):
    window = 2
    given = {"models.generator.latency": 0.05, "models.generator.window": window}
    given |= {"stages.source.documents": 200, "stages.source.partitions": 20}
    first = [cluster.worker(), cluster.worker(*dask_processes.ENGINE)]

    def disturb():
        wait_until(lambda: len(dask_processes.calls(calls)) > 40)
        for worker in first:
            worker.kill()
        time.sleep(2)  # the scheduler has no worker at all
        cluster.worker(*dask_processes.ENGINE)

    disturbing = threading.Thread(target=disturb)
    disturbing.start()
    finished = run(recipe(tmp_path, cluster.address, **given), tmp_path / "outputs", toys.SilentWatcher())
    disturbing.join()
    assert finished.finished and finished.spent.completions == 400
    assert len(dask_processes.calls(calls)) - 400 <= window, "in flight when they were killed"


def test_a_killed_run_is_cleaned_up_and_can_be_resumed(tmp_path, cluster, calls):
    window = 4
    ordinary, engine = cluster.worker(), cluster.worker(*dask_processes.ENGINE, nanny=True)
    path = toys.write_recipe(tmp_path, latency=0.05, window=window, documents=200)
    settings = [
        "--set",
        f"cluster={cluster.address}",
        "--set",
        "models.generator.model=tests.support.dask_processes:counted",
    ]
    command = [sys.executable, "-m", "datagen", "run", path, "--outputs", tmp_path / "outputs", *settings]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    wait_until(lambda: len(dask_processes.calls(calls)) > 20 or process.poll() is not None)
    assert process.poll() is None, process.stdout.read()
    process.kill()
    process.wait()

    with Client(cluster.address, set_as_default=False) as client:
        wait_until(lambda: not any(client.run(dask_processes.engines_open).values()))
    killed = dask_processes.calls(calls)
    assert len(killed) < 400

    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "a log reached the user"
    made = Counter(what for _, what in dask_processes.calls(calls))
    assert len(made) == 400
    assert sum(made.values()) - 400 <= window
    assert len(earlier_runs(tmp_path / "outputs/toy")) == 1, "the killed run is the one that was finished"
    assert ordinary.poll() is engine.poll() is None, "the cluster is not ours to close"


def test_a_run_waits_for_the_first_workers(tmp_path, cluster, caplog):
    late = threading.Timer(3, lambda: [cluster.worker(), cluster.worker(*dask_processes.ENGINE)])
    late.start()
    assert run(recipe(tmp_path, cluster.address), tmp_path / "outputs", toys.SilentWatcher()).finished
    late.join()
    assert "has no workers; start some with" in caplog.text


def test_unmet_requirements_are_reported_before_the_run_starts(tmp_path, cluster, calls, monkeypatch):
    def refused(address=cluster.address):
        with pytest.raises(UserError) as error:
            run(recipe(tmp_path, address), tmp_path / "outputs", toys.SilentWatcher())
        return str(error.value)

    monkeypatch.setattr(remote, "CONNECT_SECONDS", 0.5)
    monkeypatch.setattr(remote, "ARRIVAL_SECONDS", 0.2)
    assert "no Dask scheduler answers at tcp://127.0.0.1:9" in refused("tcp://127.0.0.1:9")
    assert f"no workers; start some with: dask worker {cluster.address}" in refused()
    cluster.worker()
    assert "--resources engine=1 --nthreads 4" in refused()
    cluster.worker(*dask_processes.ENGINE)

    other = tmp_path / "other"
    (other / "datagen-99.0.dist-info").mkdir(parents=True)
    (other / "datagen-99.0.dist-info/METADATA").write_text(
        "Metadata-Version: 2.1\nName: datagen\nVersion: 99.0\n"
    )
    support = str(ROOT)
    older = cluster.worker(PYTHONPATH=f"{other}:{support}")
    assert "has datagen 99.0, and this run has" in refused()
    older.kill()

    # A worker that does not find the file simulates a machine without the shared folder.
    (other / "sitecustomize.py").write_text("import os.path\nos.path.isfile = lambda path: False\n")
    (other / "datagen-99.0.dist-info/METADATA").unlink()
    (other / "datagen-99.0.dist-info").rmdir()
    cluster.worker(PYTHONPATH=f"{other}:{support}")
    with Client(cluster.address, set_as_default=False) as client:
        wait_until(lambda: len(client.scheduler_info()["workers"]) == 3)
    assert f"cannot write to {tmp_path / 'outputs/toy'}; name a folder that all workers share" in refused()
    assert not dask_processes.calls(calls)


@pytest.mark.parametrize(
    ("victim", "message"),
    [
        ("engine", "had no worker with the resource engine; start one with: dask worker tcp://"),
        ("scheduler", "the connection to the cluster's scheduler was lost"),
    ],
    ids=["engine", "scheduler"],
)
def test_a_failing_cluster_stops_the_run_with_one_message(
    tmp_path, cluster, calls, monkeypatch, capfd, victim, message
):
    monkeypatch.setattr(workers, "PATIENCE_SECONDS", 1)
    monkeypatch.setattr(remote, "CONNECT_SECONDS", 3)
    processes = {"engine": cluster.worker(*dask_processes.ENGINE), "scheduler": cluster.scheduler}

    def kill():
        wait_until(lambda: len(dask_processes.calls(calls)) > 4)
        processes[victim].kill()

    threading.Thread(target=kill).start()
    slow = recipe(tmp_path, cluster.address, **{"models.generator.latency": 0.3})
    with pytest.raises(UserError, match=message):
        run(slow, tmp_path / "outputs", toys.SilentWatcher())
    assert capfd.readouterr().err == ""


def test_a_retired_worker_hands_over_its_tasks(tmp_path, cluster, calls):
    window = 4
    leaving, _ = cluster.worker(*dask_processes.ENGINE), cluster.worker(*dask_processes.ENGINE)

    def leave():
        wait_until(lambda: str(leaving.pid) in {who for who, _ in dask_processes.calls(calls)})
        leaving.terminate()

    threading.Thread(target=leave).start()
    size = {
        "models.generator.latency": 0.05,
        "models.generator.window": window,
        "stages.source.documents": 60,
    }
    finished = run(recipe(tmp_path, cluster.address, **size), tmp_path / "outputs", toys.SilentWatcher())
    made = Counter(what for _, what in dask_processes.calls(calls))
    assert len(made) == finished.stage_record("asking")["requests"]["asked"] == 120
    assert sum(made.values()) - 120 <= window
    assert leaving.wait(30) == 0


def test_the_partition_that_kills_its_workers_is_named(tmp_path, capfd):
    path = toys.write_recipe(tmp_path, more='  dying: {use: "tests.support.toys:dying"}\n')
    with dask.config.set({"distributed.scheduler.allowed-failures": 1}), pytest.raises(UserError) as error:
        run(load_recipe(path), tmp_path / "outputs", toys.SilentWatcher())
    message = str(error.value)
    assert message.startswith(
        "2 workers died one after another while processing stages.dying, reading stages/tallying/part-"
    )
    [poisoned] = [
        path.name
        for path in sorted(tmp_path.glob("outputs/toy/*/stages/tallying/part-*"))
        if any(row["question"] == toys.POISON for row in read_part(path).to_pylist())
    ]
    assert poisoned in message and message.count("part-") == 1
    assert capfd.readouterr().err == ""


def test_a_worker_that_dies_once_costs_nothing_but_time(tmp_path, monkeypatch):
    monkeypatch.setenv(toys.DIED, str(tmp_path / "died"))
    path = toys.write_recipe(tmp_path, more='  dying: {use: "tests.support.toys:dying"}\n')
    finished = run(load_recipe(path), tmp_path / "outputs", toys.SilentWatcher())
    assert (tmp_path / "died").exists()
    record = finished.stage_record("dying")
    assert record["rows_in"] == record["rows_out"] == 16


def test_leaving_the_engine_pool_ends_only_the_runs_own_generation(tmp_path):
    pool = EnginePool()
    journal = Journal(tmp_path, "j")
    spec = ScriptedModel(engine="scripted", model="builtins:repr", latency=0.2)

    def generate(who, number, ended):
        requests = [(f"{who}{n}", Request(who, [], "", "", "")) for n in range(number)]
        try:
            ended[who] = pool.generate(
                who, spec, Identity("m", ""), requests, journal.append, lambda *_: None, lambda _: None
            )
        except BaseException as error:
            ended[who] = error

    ended = {}
    threads = [threading.Thread(target=generate, args=(who, 300, ended)) for who in ("ours", "theirs")]
    for thread in threads:
        thread.start()
    wait_until(lambda: journal.path.stat().st_size > 0)
    assert pool.leave("ours") is False
    threads[0].join()
    assert type(ended["ours"]).__name__ == "CancelledError"
    threads[1].join()
    assert ended["theirs"] is None
    assert (
        sum(
            row["key"].startswith("theirs") for row in parse_journal(journal.path.read_bytes())[0].to_pylist()
        )
        == 300
    )
    assert pool.leave("theirs") is True
    pool.close()


def test_an_address_may_replace_the_whole_section(tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text("name: r\ncorpus: [{path: docs}]\ncluster: tcp://head:8786\n")
    assert load_recipe(path).cluster.address == "tcp://head:8786"
    path.write_text("name: r\ncorpus: [{path: docs}]\ncluster: head\n")
    with pytest.raises(RecipeError, match=r"r.yaml:3: cluster: .*tcp://host:8786"):
        load_recipe(path)
    path.write_text("name: r\ncorpus: [{path: docs}]\ncluster: {address: 'tcp://head:8786', workers: 2}\n")
    with pytest.raises(RecipeError, match="give either address or workers"):
        load_recipe(path)
