"""A Dask cluster of separate processes: a scheduler and workers."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time

from datagen.engines import pool
from tests.support import ROOT, toys

CALLS = "DASK_PROCESS_CALLS"  # environment variable: the file to which `counted` writes each call
ENGINE = ("--resources", "engine=1", "--nthreads", "4")


class Cluster:
    """
    Starts and ends processes; `address` is that of the `scheduler`.

    Their output goes to files in the folder.
    """

    def __init__(self, folder, **environment):
        self._folder = folder
        self._environment = os.environ | {
            "PYTHONPATH": str(ROOT),
            "PYTHONSAFEPATH": "1",
            **environment,
        }
        self._processes = []
        self.scheduler, _ = self._start(
            "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", "s.json"
        )
        self.address = json.loads(self._until(lambda: (folder / "s.json").read_text()))["address"]

    def worker(self, *options, nanny=False, **environment):
        """Start a worker and return its process once it has registered."""
        options = [*options, "--nanny" if nanny else "--no-nanny", "--no-dashboard"]
        process, log = self._start("worker", self.address, *options, **environment)
        self._until(lambda: "Registered to" in log.read_text())
        return process

    def _start(self, what, *options, **environment):
        command = [sys.executable, "-m", f"distributed.cli.dask_{what}", *options]
        log = self._folder / f"{what}-{len(self._processes)}.log"
        with log.open("w") as file:
            process = subprocess.Popen(
                command,
                cwd=self._folder,
                env=self._environment | environment,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        self._processes.append(process)
        return process, log

    def _until(self, true, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if value := true():
                    return value
            except (FileNotFoundError, ValueError):
                pass
            time.sleep(0.02)
        raise AssertionError("\n".join(log.read_text() for log in self._folder.glob("*.log")))

    def close(self):
        """Stop every process and its children."""
        for process in reversed(self._processes):
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            process.wait()


def counted(request):
    """Answer as the toy model, and log the process and the request."""
    _start_child()
    file = os.open(os.environ[CALLS], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(file, f"{os.getpid()} {request.row}/{request.sample}\n".encode())
    os.close(file)
    return toys.model(request)


_born = []


def _start_child():
    """Start a child process, as an engine would, once; daemons may not."""
    if not _born:
        _born.append(multiprocessing.get_context("fork").Process(target=os.getpid))
        _born[0].start()
        _born[0].join()


def engines_open():
    """Check whether this process has an open engine."""
    return pool._pool is not None


def calls(path):
    """Read the calls: pairs of process and request."""
    return [tuple(line.split()) for line in path.read_text().splitlines()] if path.exists() else []
