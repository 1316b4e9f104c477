"""
Run fits concurrently, each in a separate process.

On a CPU, two single-threaded processes train more than twice as fast as one process with two threads, because
the layers of a small model are too small to split. A GPU runs one fit at a time.
"""

import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from datagen.engines import parent_watch
from datagen.errors import UserError
from datagen.training.process import environment

POLL = 0.2  # seconds
MODULE = "datagen.evaluate.prove.fit"
LOG_LINES = 5


@dataclass(frozen=True)
class Task:
    """A process to run: its name, its arguments, and its result file."""

    name: str
    arguments: tuple[str, ...]
    result: Path


def fits_at_once(cuda: bool) -> int:
    """Return the number of concurrent fits: one on a GPU, otherwise one per core, up to four."""
    return 1 if cuda else max(1, min(4, len(os.sched_getaffinity(0))))


def has_cuda() -> bool:
    """Check for a GPU in a child process, which releases its memory before the fits start."""
    if importlib.util.find_spec("torch") is None:
        return False
    process = subprocess.run(
        [sys.executable, "-c", "import torch; print(torch.cuda.is_available())"],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    return process.stdout.strip() == "True"


def run_all(
    tasks: Sequence[Task],
    processes: int,
    threads: int,
    on_done: Callable[[Task], None],
    may_start: Callable[[Task], bool] = lambda task: True,
) -> None:
    """
    Run tasks in order, up to `processes` concurrently. Tasks with an existing result are not run again.

    Parameters
    ----------
    tasks
        Tasks to run.
    processes
        Maximum number of concurrent processes.
    threads
        Threads per process; 0 for torch's default.
    on_done
        Called with each task whose result exists.
    may_start
        Called before each task starts. After it returns False, no further task starts.

    Raises
    ------
    UserError
        If a task fails. The others are stopped; finished results are kept.
    """
    waiting = list(tasks)
    running: dict[Task, subprocess.Popen[bytes]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < processes:
                task = waiting.pop(0)
                if task.result.exists():
                    on_done(task)
                elif may_start(task):
                    running[task] = _start(task, threads)
                else:
                    waiting.clear()
            for task, process in list(running.items()):
                if process.poll() is not None:
                    del running[task]
                    _check(task, process)
                    on_done(task)
            if running:
                time.sleep(POLL)
    finally:
        for process in running.values():
            process.terminate()
        for process in running.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=10)
            process.kill()


def _start(task: Task, threads: int) -> "subprocess.Popen[bytes]":
    variables = environment()
    parent_watch.tie(variables)
    if threads:
        variables |= {"OMP_NUM_THREADS": str(threads), "DATAGEN_THREADS": str(threads)}
    log = _log(task)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", MODULE, *task.arguments],
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def _check(task: Task, process: "subprocess.Popen[bytes]") -> None:
    if process.returncode == 0 and task.result.exists():
        return
    lines = _log(task).read_text(encoding="utf-8", errors="replace").strip().splitlines()
    tail = "\n".join(lines[-LOG_LINES:])
    raise UserError(
        f"the fit {task.name} failed with exit status {process.returncode}. The log {_log(task)} ends with:\n"
        f"{tail}\nFinished fits are kept. Run the same command to resume"
    )


def _log(task: Task) -> Path:
    return task.result.parent / "logs" / f"{task.name}.log"
