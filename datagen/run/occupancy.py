"""
Occupancy: the share of the engines' places for requests that is in use, over the time of a run.

Workers send readings of their engines' meters (`datagen.engines.meter`) twice a second. The run adds them up
in steps of equal length. When there are too many steps, their length is doubled, so that a run of a month
takes no more memory than one of a minute. ``occupancy.json`` in the run's folder holds the steps. A resumed
run appends to it; the time between the processes is not counted.
"""

import threading
import time
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from datagen.engines.meter import Reading
from datagen.run.progress import Watcher
from datagen.store.parquet import write_json

FILE = "occupancy.json"
MOST_STEPS = 600
FIRST_STEP = 0.5  # seconds
RECENT_SECONDS = 10.0  # seconds that the live figure covers


class Engine(BaseModel):
    """
    One engine's part of the file.

    Parameters
    ----------
    model
        Name of its model.
    window
        Requests that it may have in flight.
    busy
        Request-seconds by step, from the start of the run; missing steps at the end are 0.
    """

    model: str
    window: int = Field(gt=0)
    busy: list[float] = Field(default_factory=list)


class Occupancy(BaseModel):
    """
    Occupancy of all engines of a run.

    Parameters
    ----------
    step
        Seconds per step.
    engines
        Id -> engine.
    seconds
        Duration of the run so far.
    """

    step: float = Field(FIRST_STEP, gt=0)
    engines: dict[str, Engine] = Field(default_factory=dict)
    seconds: float = Field(0.0, ge=0)

    def add(self, reading: Reading, busy: float, start: float, end: float) -> None:
        """Spread request-seconds evenly over the time from `start` to `end`, in seconds of the run."""
        engine = self.engines.setdefault(
            reading.engine, Engine(model=reading.model, window=max(reading.window, 1))
        )
        while end >= MOST_STEPS * self.step:
            self._coarsen()
        first, last = int(start / self.step), int(end / self.step)
        engine.busy += [0.0] * (last + 1 - len(engine.busy))
        for step in range(first, last + 1):
            overlap = min(end, (step + 1) * self.step) - max(start, step * self.step)
            engine.busy[step] += busy * overlap / (end - start)
        self.seconds = max(self.seconds, end)

    def _coarsen(self) -> None:
        """Double the length of a step."""
        self.step *= 2
        for engine in self.engines.values():
            engine.busy = [sum(engine.busy[n : n + 2]) for n in range(0, len(engine.busy), 2)]

    def shares(self, engine: Engine) -> list[float]:
        """Return the share of an engine's places in use, by step."""
        full = engine.window * self.step
        return [min(busy / full, 1.0) for busy in engine.busy]

    def recent(self) -> float:
        """Return the share of all engines' places in use in the last seconds."""
        steps = max(round(RECENT_SECONDS / self.step), 1)
        begin = max(int(self.seconds / self.step) + 1 - steps, 0)
        places = sum(engine.window for engine in self.engines.values()) * (self.seconds - begin * self.step)
        busy = sum(sum(engine.busy[begin:]) for engine in self.engines.values())
        return min(busy / places, 1.0) if places > 0 else 0.0

    @property
    def span(self) -> tuple[int, int]:
        """The first step with a request and the step after the last one; equal if there is none."""
        used = [n for engine in self.engines.values() for n, busy in enumerate(engine.busy) if busy > 0]
        return (min(used), max(used) + 1) if used else (0, 0)

    @property
    def share(self) -> float:
        """
        The share of all engines' places in use, from the first request of the run to the last.

        An engine that joins later counts from its own first request.
        """
        _, end = self.span
        busy = places = 0.0
        for engine in self.engines.values():
            begin = next((n for n, used in enumerate(engine.busy) if used > 0), end)
            busy += sum(engine.busy)
            places += engine.window * self.step * (end - begin)
        return min(busy / places, 1.0) if places else 0.0


def read_occupancy(run_folder: Path) -> Occupancy:
    """Read the occupancy of a run; an empty one if the run has none that is valid."""
    try:
        return Occupancy.model_validate_json((run_folder / FILE).read_bytes())
    except (OSError, ValidationError):
        return Occupancy()


class Recorder:
    """
    Records the readings of a run, and shows the watcher what is in use now.

    Parameters
    ----------
    run_folder
        The run's folder, which holds the occupancy of an interrupted run's first part.
    watcher
        Receives the share of the places in use.
    """

    def __init__(self, run_folder: Path, watcher: Watcher) -> None:
        self._folder, self._watcher = run_folder, watcher
        self._occupancy = read_occupancy(run_folder)
        self._began = time.monotonic() - self._occupancy.seconds
        self._last: dict[str, tuple[float, float]] = {}  # engine -> time and busy of its last reading
        self._lock = threading.Lock()  # `receive` runs in the thread of Dask's event loop

    def receive(self, reading: Reading) -> None:
        """Record a reading. Counting starts at an engine's first reading."""
        now = time.monotonic() - self._began
        with self._lock:
            start, busy = self._last.get(reading.engine, (now, reading.busy))
            self._last[reading.engine] = now, reading.busy
            if now > start and reading.busy >= busy:
                self._occupancy.add(reading, reading.busy - busy, start, now)
            share = self._occupancy.recent()
        self._watcher.occupied(share)

    def save(self) -> None:
        """Write the file, unless the run used no engine."""
        with self._lock:
            if self._occupancy.engines:
                write_json(self._occupancy.model_dump(), self._folder / FILE)
