"""How much of an engine is in use: the requests that it is answering, summed over time."""

import threading
import time
from dataclasses import dataclass
from uuid import uuid4


@dataclass(frozen=True)
class Reading:
    """
    A reading of an engine's meter.

    Parameters
    ----------
    engine
        Id of the engine; it differs from that of every other engine of the run.
    model
        Name of its model.
    window
        Requests that it may have in flight.
    busy
        Request-seconds since the engine was created: the integral of the requests in flight over time.
    """

    engine: str
    model: str
    window: int
    busy: float


class Meter:
    """
    Counts the request-seconds of one engine. A request is in flight while its ``with`` block runs.

    Readings are cumulative, so lost and repeated ones do no harm. Time in which the engine starts or is
    restarted does not count, because no request is at the engine. May be read from any thread.
    """

    def __init__(self, model: str, window: int) -> None:
        self._engine, self._model, self._window = uuid4().hex, model, window
        self._in_flight, self._busy, self._changed = 0, 0.0, time.monotonic()
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self._change(1)

    def __exit__(self, *error: object) -> None:
        self._change(-1)

    def read(self) -> Reading:
        """Read the meter."""
        return Reading(self._engine, self._model, self._window, self._change(0))

    def _change(self, by: int) -> float:
        """Change the number of requests in flight; return the request-seconds until now."""
        with self._lock:
            now = time.monotonic()
            self._busy += self._in_flight * (now - self._changed)
            self._in_flight, self._changed = self._in_flight + by, now
            return self._busy
