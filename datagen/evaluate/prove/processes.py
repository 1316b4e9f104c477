"""
Run fits side by side, each in a process of its own.

On a CPU two processes of one thread each train more than twice as fast as one process of two threads: the
layers of a small model are too small to share. A GPU runs one fit at a time.
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
    """A process to run: its name, its arguments, and the file that it writes."""

    name: str
    arguments: tuple[str, ...]
    result: Path


def side_by_side(cuda: bool) -> int:
    """Say how many fits run at once: one on a GPU, one for each of up to four cores without."""
    return 1 if cuda else max(1, min(4, len(os.sched_getaffinity(0))))


def has_cuda() -> bool:
    """Tell whether torch sees a GPU, from a process that ends before the fits need its memory."""
    if importlib.util.find_spec("torch") is None:
        return False
    asked = subprocess.run(
        [sys.executable, "-c", "import torch; print(torch.cuda.is_available())"],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    return asked.stdout.strip() == "True"


def run_all(
    tasks: Sequence[Task],
    processes: int,
    threads: int,
    done: Callable[[Task], None],
    goes_on: Callable[[Task], bool] = lambda task: True,
) -> None:
    """
    Run tasks in their order, at most so many at once; a task whose result is there is not run again.

    Parameters
    ----------
    tasks
        What to run.
    processes
        How many at once.
    threads
        Of each; 0: as torch chooses.
    done
        Called after each task that has its result.
    goes_on
        Asked before each task is started; no further task is started after a no.

    Raises
    ------
    UserError
        When one ends with an error; the others are stopped, and finished results are kept.
    """
    waiting = list(tasks)
    running: dict[Task, subprocess.Popen[bytes]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < processes:
                task = waiting.pop(0)
                if task.result.exists():
                    done(task)
                elif goes_on(task):
                    running[task] = _start(task, threads)
                else:
                    waiting.clear()
            for task, process in list(running.items()):
                if process.poll() is not None:
                    del running[task]
                    _check(task, process)
                    done(task)
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
    surroundings = environment()
    parent_watch.tie(surroundings)
    if threads:
        surroundings |= {"OMP_NUM_THREADS": str(threads), "DATAGEN_THREADS": str(threads)}
    log = _log(task)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", MODULE, *task.arguments],
            env=surroundings,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def _check(task: Task, process: "subprocess.Popen[bytes]") -> None:
    if process.returncode == 0 and task.result.exists():
        return
    lines = _log(task).read_text(encoding="utf-8", errors="replace").strip().splitlines()
    said = "\n".join(lines[-LOG_LINES:])
    raise UserError(
        f"the fit {task.name} ended with exit status {process.returncode}; its log is {_log(task)}:\n{said}\n"
        "Finished fits are kept: the same command resumes"
    )


def _log(task: Task) -> Path:
    return task.result.parent / "logs" / f"{task.name}.log"
