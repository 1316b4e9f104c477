"""Progress of a run, as its watcher is told."""

from typing import Any, Protocol

from datagen.request import Usage


class Watcher(Protocol):
    """Is told what the run is doing."""

    def begin(self, stage: str, partitions: int) -> None:
        """A stage begins; so many partitions are to be done."""

    def advance(self, stage: str, partitions: int, usage: Usage) -> None:
        """So many partitions are done; what generation took so far."""

    def judged(self, stage: str, kept: int, dropped: int) -> None:
        """So many rows of the partitions that are done were kept and dropped."""

    def occupied(self, share: float) -> None:
        """The share of the engines' places for requests in use, over the last seconds."""

    def end(self, record: dict[str, Any], resumed: bool) -> None:
        """A stage is complete: its ``stage.json``, and whether it was there already."""


class Progress:
    """Progress of one stage, added up from its partitions and its workers' messages."""

    def __init__(self, watcher: Watcher, stage: str) -> None:
        self._watcher, self._stage = watcher, stage
        self._partitions = 0
        self._usage: dict[str, Usage] = {}
        self._kept = self._dropped = 0

    @property
    def usage(self) -> Usage:
        """What the stage has spent, as far as the workers have reported."""
        return sum(list(self._usage.values()), start=Usage())

    def begin(self, partitions: int) -> None:
        """The first of so many partitions was submitted."""
        self._watcher.begin(self._stage, partitions)

    def spent(self, task: str, usage: Usage) -> None:
        """Note what a task has spent so far; runs in the thread of Dask's event loop."""
        self._usage[task] = usage
        self._show()

    def part_done(self, kept: int, dropped: int) -> None:
        """Count a finished partition, and its rows."""
        self._partitions += 1
        self._kept, self._dropped = self._kept + kept, self._dropped + dropped
        self._watcher.judged(self._stage, self._kept, self._dropped)
        self._show()

    def _show(self) -> None:
        self._watcher.advance(self._stage, self._partitions, self.usage)
