"""The log of Dask: a file in the run's folder, never the terminal."""

import logging
import os
import subprocess
import sys

import pytest

from datagen.cluster.log import LOGGERS, log_to
from tests.support import ROOT


@pytest.fixture(autouse=True)
def same_loggers_afterwards():
    loggers = [logging.getLogger(name) for name in LOGGERS]
    before = [(logger.handlers[:], logger.propagate) for logger in loggers]
    yield
    for logger, (handlers, propagate) in zip(loggers, before, strict=True):
        logger.handlers[:], logger.propagate = handlers, propagate


def scheduler_error(message):
    try:
        raise OSError("comm closed")
    except OSError:
        logging.getLogger("distributed.scheduler").critical(message, exc_info=True)


def test_an_error_with_its_traceback_is_written_to_the_file_without_secrets(tmp_path, capfd, caplog):
    log_to(tmp_path / "dask.log")
    scheduler_error("lost tls://me:hunter22@host")
    logging.getLogger("asyncio").error("Task exception was never retrieved")
    logging.getLogger("distributed.core").info("a detail")
    text = (tmp_path / "dask.log").read_text()
    assert "Traceback" in text
    assert "OSError: comm closed" in text
    assert "Task exception was never retrieved" in text
    assert "a detail" not in text
    assert "hunter22" not in text
    assert caplog.records == [], "loggers above print them"
    assert capfd.readouterr().err == ""


def test_a_second_run_in_the_process_has_a_log_of_its_own(tmp_path):
    log_to(tmp_path / "first")
    log_to(tmp_path / "second")
    scheduler_error("lost")
    assert not (tmp_path / "first").exists()
    assert (tmp_path / "second").read_text().count("lost") == 1


@pytest.mark.parametrize("where", ["gone/dask.log", None])
def test_without_a_place_for_it_nothing_is_printed(tmp_path, capfd, where):
    log_to(where and tmp_path / where)
    scheduler_error("lost")
    assert capfd.readouterr().err == ""


CLUSTER = """
import asyncio, logging, os, signal, sys
from pathlib import Path
from datagen.cluster.local import local_cluster

def fail():
    logging.getLogger("distributed.worker").critical("worker fails")
    logging.getLogger("asyncio").error("loop fails")

def die(first):
    if not first.exists():
        first.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    fail()

def leave(scheduler):
    [(key, comm)] = scheduler.client_comms.items()
    comm.abort()  # the client has gone, and the scheduler has a message for it
    scheduler.client_send(key, {"op": "key-in-memory"})

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    with local_cluster(folder, 1, False, folder / "dask.log") as client:
        client.submit(die, folder / "first").result()
        client.loop.add_callback(lambda: 1 / 0)
        client.loop.add_callback(leave, client.cluster.scheduler)
        client.cluster.sync(asyncio.sleep, 0)
"""


@pytest.mark.cluster
def test_killed_workers_and_lost_clients_print_no_traceback(tmp_path):
    (tmp_path / "script.py").write_text(CLUSTER)
    run = subprocess.run(
        [sys.executable, tmp_path / "script.py", tmp_path],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    log = (tmp_path / "dask.log").read_text()
    assert "worker fails" in log  # of the worker that replaced the killed one
    assert "loop fails" in log
    assert "CommClosedError" in log
    assert "ZeroDivisionError" in log
