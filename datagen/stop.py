"""
Stop a command: the first Ctrl-C, SIGTERM or SIGHUP ends it cleanly, the second at once.

A terminal sends Ctrl-C to every process of a run. Child processes ignore it; the run ends them itself. A
terminal that is closed sends SIGHUP, and cannot be written to; ``nohup`` has the signal ignored.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from types import FrameType
from typing import NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
AGAIN_SECONDS = 0.01  # between two attempts to raise `Stopped`


class Stopped(BaseException):
    """A signal asked the command to stop. A `BaseException`, so that `except Exception` does not catch it."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.status = 128 + number  # the shell's convention


@contextmanager
def stoppable() -> Iterator[None]:
    """
    Raise `Stopped` in the main thread on the first signal; on the second, end all processes at once.

    A library that the signal interrupts may replace `Stopped` by an error of its own, as pydantic does. A
    finalizer cannot raise it, so it is raised again once the finalizer has ended.
    """
    received: list[int] = []
    report = sys.unraisablehook

    def again(number: int, frame: FrameType | None) -> None:
        raise Stopped(received[0])

    def lost(found: "sys.UnraisableHookArgs") -> None:
        if isinstance(found.exc_value, Stopped):
            signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS)
        else:
            report(found)

    def stop(number: int, frame: FrameType | None) -> None:
        received.append(number)
        for other in handlers:
            signal.signal(other, end_at_once)
        _print("stopping cleanly; press Ctrl-C again to stop at once")
        raise Stopped(number)

    heeded = [number for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
    handlers = {number: signal.getsignal(number) for number in heeded}
    for number in heeded:
        signal.signal(number, stop)
    alarm = signal.signal(signal.SIGALRM, again)
    sys.unraisablehook = lost
    try:
        yield
    except Exception as error:
        if received:
            raise Stopped(received[0]) from error
        raise
    finally:
        sys.unraisablehook = report
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in {signal.SIGALRM: alarm, **handlers}.items():
            signal.signal(number, handler)


def end_at_once(number: int, frame: FrameType | None = None) -> None:
    """End everything on the second signal."""
    _print("stopped at once. All completions received so far are stored; run the same command to resume")
    leave(128 + number)


def leave(status: int) -> NoReturn:
    """Kill the child processes and end this process."""
    import psutil  # only here, because every command imports this module

    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):  # already ended
            child.kill()
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):  # it is closed, or its terminal is
            stream.flush()
    os._exit(status)


def _print(line: str) -> None:
    """Write a line unbuffered: the signal may have interrupted a write to a buffer."""
    with suppress(OSError, ValueError):  # a closed terminal
        os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, f"{line}\n".encode())


@contextmanager
def children_ignore_interrupts() -> Iterator[None]:
    """Block Ctrl-C while threads and processes start, so that they inherit the block."""
    resource_tracker.ensure_running()  # first: starting it unblocks the signal
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
