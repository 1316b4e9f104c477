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
AGAIN_SECONDS = 0.1  # between two attempts to raise `Stopped`
IMPORT = "<frozen importlib._bootstrap>"  # file name of the code that imports modules


class Stopped(BaseException):
    """A signal asked the command to stop. A `BaseException`, so that `except Exception` does not catch it."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.status = 128 + number  # the shell's convention


@contextmanager
def stoppable() -> Iterator[None]:
    """
    Raise `Stopped` in the main thread on the first signal; on the second, end all processes at once.

    The interrupted code may lose the exception: a finalizer, ``except BaseException``, or a library that
    raises an error of its own, as pydantic does. It is therefore raised again until it arrives here. An
    import is not interrupted, because that can leave its lock held for ever.
    """
    received: list[int] = []
    report = sys.unraisablehook

    def stop(number: int, frame: FrameType | None) -> None:
        for other in handlers:
            signal.signal(other, end_at_once)
        _print("stopping cleanly; press Ctrl-C again to stop at once")
        received.append(number)
        signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS, AGAIN_SECONDS)
        attempt(number, frame)

    def attempt(number: int, frame: FrameType | None) -> None:
        if not (_is_raised() or _imports(frame)):
            raise Stopped(received[0])

    def ignored(found: "sys.UnraisableHookArgs") -> None:
        if not isinstance(found.exc_value, Stopped):
            report(found)

    heeded = [number for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
    handlers = {number: signal.getsignal(number) for number in heeded}
    alarm = signal.signal(signal.SIGALRM, attempt)
    sys.unraisablehook = ignored
    for number in heeded:
        signal.signal(number, stop)
    try:
        yield
    except Exception as error:
        if received:
            raise Stopped(received[0]) from error
        raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.unraisablehook = report
        for number, handler in {signal.SIGALRM: alarm, **handlers}.items():
            signal.signal(number, handler)


def _is_raised() -> bool:
    """Check whether the code that a signal interrupts is cleaning up because of `Stopped`."""
    error = sys.exception()
    while error is not None and not isinstance(error, Stopped):
        error = error.__context__
    return error is not None


def _imports(frame: FrameType | None) -> bool:
    """Check whether a signal interrupts the import of a module."""
    while frame is not None and frame.f_code.co_filename != IMPORT:
        frame = frame.f_back
    return frame is not None


def end_at_once(number: int, frame: FrameType | None = None) -> None:
    """End everything on the second signal."""
    _print("stopped at once. All completions received so far are stored; run the same command to resume")
    leave(128 + number)


def finish(code: int | str | None) -> NoReturn:
    """End the process after its work is done; a signal that comes late does not change its status."""
    status = code if isinstance(code, int) else int(code is not None)  # a text is printed as an error

    def end(number: int, frame: FrameType | None) -> None:
        _print(f"{signal.Signals(number).name} came after the command was complete, and interrupted nothing")
        leave(status)

    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, end)
    sys.exit(code)


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
