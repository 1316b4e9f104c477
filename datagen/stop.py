"""
Stopping a command: Ctrl-C or SIGTERM once ends it in good order, a second time at once.

Processes that a run starts do not hear Ctrl-C of the terminal, which goes to all of them: the run ends them.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from types import FrameType
from typing import NoReturn

import psutil

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(BaseException):
    """The user, or the system, asked to stop; not an `Exception`, so that nobody takes it for a failure."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.status = 128 + number  # as a shell says it


@contextmanager
def stoppable() -> Iterator[None]:
    """Raise `Stopped` in the main thread on the first signal; on the second, end all processes at once."""

    def stop(number: int, frame: FrameType | None) -> None:
        for other in SIGNALS:
            signal.signal(other, end_at_once)
        _tell("stopping; once more stops at once")
        raise Stopped(number)

    before = {number: signal.signal(number, stop) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def end_at_once(number: int, frame: FrameType | None = None) -> None:
    """End everything on the second signal."""
    _tell("stopped at once. Every answer that came is kept, and the same command goes on")
    leave(128 + number)


def leave(status: int) -> NoReturn:
    """End this process and those it started, whatever they are at."""
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):  # gone already
            child.kill()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _tell(line: str) -> None:
    """Write a line past all buffers: a signal may come while one of them is being written."""
    os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, f"{line}\n".encode())


@contextmanager
def deaf_children() -> Iterator[None]:
    """Start threads and processes that Ctrl-C does not reach; it waits until the block ends."""
    resource_tracker.ensure_running()  # whoever starts it hears the signal afterwards
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
