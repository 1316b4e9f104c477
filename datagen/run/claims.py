"""
Ensure that only one task of this process sends a request.

Stages that run at the same time may have requests in common, such as two stages that ask the same about a
passage. A task claims its keys before it looks up stored completions. Keys that another task has claimed are
left to that task; when it has ended, they are looked up again.
"""

import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from pathlib import Path


class Claim:
    """
    The claim of one task.

    Parameters
    ----------
    keys
        Keys that the task has claimed.
    elsewhere
        Keys that other tasks had claimed before.
    """

    def __init__(self, keys: set[str], elsewhere: "dict[str, Claim]") -> None:
        self.keys, self.elsewhere = keys, elsewhere
        self._ended, self._cancelled = threading.Event(), False

    def end(self, cancelled: bool) -> None:
        """Let the waiting tasks continue."""
        self._cancelled = cancelled
        self._ended.set()

    def wait(self) -> set[str]:
        """
        Wait until the tasks that hold the other keys have ended; return these keys.

        Raises
        ------
        CancelledError
            If one of them was cancelled, because the run is leaving this process.
        """
        for other in {*self.elsewhere.values()}:
            other._ended.wait()
            if other._cancelled:
                raise CancelledError
        return {*self.elsewhere}


_claims: dict[tuple[Path, str], Claim] = {}
_lock = threading.Lock()


@contextmanager
def claim(completions: Path, keys: Iterable[str]) -> Iterator[Claim]:
    """
    Claim keys while the block runs, except those that are already claimed.

    Parameters
    ----------
    completions
        The folder in which the answers are stored.
    keys
        Keys of requests.
    """
    wanted = {*keys}
    with _lock:
        elsewhere = {key: held for key in wanted if (held := _claims.get((completions, key)))}
        mine = Claim(wanted - elsewhere.keys(), elsewhere)
        _claims.update({(completions, key): mine for key in mine.keys})
    cancelled = False
    try:
        yield mine
    except CancelledError:
        cancelled = True
        raise
    finally:
        with _lock:
            for key in mine.keys:
                del _claims[completions, key]
        mine.end(cancelled)
