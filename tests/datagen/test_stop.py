"""Ctrl-C, SIGTERM and SIGHUP: one message, the resume command, no process left running, nothing lost."""

import importlib
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from datagen.run.folder import earlier_runs
from datagen.stop import AGAIN_SECONDS, Stopped, stoppable
from tests.support import ROOT, toys


@pytest.fixture
def start(tmp_path):
    """Start the command line in a new process group, with its output in a file."""
    recipe = toys.write_recipe(tmp_path, documents=200, latency=0.05, window=4)
    environment = os.environ | {"PYTHONPATH": str(ROOT), toys.CALLS: str(tmp_path / "calls")}
    command = [sys.executable, "-m", "datagen", "run", recipe, "--outputs", tmp_path / "out puts"]
    started = []

    def start(*options):
        with (tmp_path / "log").open("a") as log:
            started.append(
                subprocess.Popen(
                    [*command, *options], env=environment, stdout=log, stderr=log, start_new_session=True
                )
            )
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def wait_for_answers(tmp_path, size=300):
    ended = time.monotonic() + 60
    while not (tmp_path / "calls").exists() or (tmp_path / "calls").stat().st_size < size:
        assert time.monotonic() < ended
        time.sleep(0.05)


def descendants(process):
    return psutil.Process(process.pid).children(recursive=True)


def assert_gone(processes):
    _, alive = psutil.wait_procs(processes, timeout=20)
    assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []


@pytest.mark.cluster
@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_the_first_signal_prints_a_resume_command_that_works(start, tmp_path, number, status):
    process = start("--fresh")
    wait_for_answers(tmp_path)
    others = descendants(process)
    os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
    assert process.wait(60) == status
    assert_gone(others)
    log = (tmp_path / "log").read_text()
    assert "Traceback" not in log
    [last] = [line for line in log.splitlines() if line.startswith("stopped by")]
    assert last.endswith(f"run: datagen run {tmp_path}/toy.yaml --outputs '{tmp_path}/out puts'")

    assert start().wait(120) == 0
    calls = (tmp_path / "calls").read_text().splitlines()
    assert len(set(calls)) == 400
    assert len(calls) <= 400 + 8  # requests in flight
    assert len(earlier_runs(tmp_path / "out puts" / "toy")) == 1


@pytest.mark.cluster
def test_the_second_signal_stops_at_once_and_leaves_nothing_running(start, tmp_path):
    process = start()
    wait_for_answers(tmp_path)
    others = descendants(process)
    for _ in range(2):
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.3)
    assert process.wait(10) == 130
    assert_gone(others)
    lines = (tmp_path / "log").read_text().splitlines()
    assert "Traceback" not in "\n".join(lines)
    assert lines[-2:] == [
        "stopping cleanly; press Ctrl-C again to stop at once",
        "stopped at once. All completions received so far are stored; run the same command to resume",
    ]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_that_a_library_replaces_by_its_own_error_is_a_stop(number):
    with pytest.raises(Stopped) as stopped, stoppable():
        try:
            os.kill(os.getpid(), number)
            time.sleep(5)
        except BaseException as error:
            raise ValueError("a schema is invalid") from error
    assert stopped.value.status == 128 + number
    with pytest.raises(ValueError), stoppable():
        raise ValueError("without a signal")


def test_a_stop_within_a_finalizer_stops_the_command_after_it(capfd):
    class Final:
        def __del__(self):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(60)

    hook = sys.unraisablehook
    ended = False
    with pytest.raises(Stopped), stoppable():
        Final()
        time.sleep(60)
        ended = True
    assert not ended and "Traceback" not in capfd.readouterr().err
    assert sys.unraisablehook is hook and signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_a_stop_that_code_catches_is_raised_again_but_not_while_it_cleans_up():
    cleaned = False
    with pytest.raises(Stopped), stoppable():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60)
        except BaseException:
            time.sleep(3 * AGAIN_SECONDS)
        try:
            time.sleep(60)
        finally:
            try:
                raise ValueError
            except ValueError:
                time.sleep(3 * AGAIN_SECONDS)
            cleaned = True
    assert cleaned


def test_an_import_is_not_interrupted(tmp_path, monkeypatch):
    name = f"slow_module_{os.getpid()}"
    stop = "os.kill(os.getpid(), signal.SIGINT)"
    text = f"import os, signal, time\n{stop}\ntime.sleep({3 * AGAIN_SECONDS})\ndone = True\n"
    (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(Stopped), stoppable():
        importlib.import_module(name)
        time.sleep(60)
    assert sys.modules.pop(name).done


def test_a_signal_that_nohup_ignores_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stoppable():
            os.kill(os.getpid(), signal.SIGHUP)
        with pytest.raises(Stopped), stoppable():
            os.kill(os.getpid(), signal.SIGTERM)
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.cluster
def test_a_stop_while_the_cluster_starts_prints_no_traceback(start, tmp_path):
    process = start()
    while len(descendants(process)) < 2:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(60) == 130
    log = (tmp_path / "log").read_text()
    assert "Traceback" not in log
    assert "stopped by SIGINT" in log


def test_ctrl_c_while_modules_are_imported_prints_no_traceback(tmp_path):
    (tmp_path / "typer.py").write_text("import time\nprint('importing', flush=True)\ntime.sleep(60)\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "datagen", "stages"],
        env=os.environ | {"PYTHONPATH": f"{tmp_path}:{ROOT}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "importing\n"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=20)[1] == ""
    assert process.returncode == -signal.SIGINT


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_after_the_work_is_done_does_not_change_the_exit_status(number):
    program = (
        "import atexit, os, signal, time\n"
        "from datagen.stop import finish\n"
        f"atexit.register(lambda: (os.kill(os.getpid(), {int(number)}), time.sleep(60)))\n"
        "finish(3)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert ended.returncode == 3
    assert ended.stderr == (f"{number.name} came after the command was complete, and interrupted nothing\n")


def test_the_command_line_handles_late_signals(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import atexit, os, signal, time\n"
        "atexit.register(lambda: (os.kill(os.getpid(), signal.SIGTERM), time.sleep(60)))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-m", "datagen", "run", "nothing.yaml"],
        env=os.environ | {"PYTHONPATH": f"{tmp_path}:{ROOT}"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 2 and "there is no recipe nothing.yaml" in ended.stderr
    assert "SIGTERM came after the command was complete" in ended.stderr
