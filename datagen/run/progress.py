"""What is told of a run while it goes on."""

import logging
from typing import Any, Protocol

from datagen.request import Usage

log = logging.getLogger(__name__)


class Watcher(Protocol):
    """Told what the run is doing."""

    def begin(self, stage: str, partitions: int) -> None:
        """A stage begins; so many partitions are to be done."""

    def advance(self, stage: str, partitions: int, usage: Usage) -> None:
        """So many partitions are done; what generation took so far."""

    def judged(self, stage: str, kept: int, dropped: int) -> None:
        """So many rows of the partitions that are done were kept and dropped."""

    def end(self, record: dict[str, Any], resumed: bool) -> None:
        """A stage is complete: its ``stage.json``, and whether it was there already."""


class Progress:
    """Adds up what the workers say about a stage."""

    def __init__(self, watcher: Watcher, stage: str) -> None:
        self._watcher, self._stage = watcher, stage
        self._partitions = 0
        self._usage: dict[str, Usage] = {}
        self._notice = ""
        self._kept = self._dropped = 0

    @property
    def usage(self) -> Usage:
        """What the stage has spent, as far as the workers have said."""
        return sum(list(self._usage.values()), start=Usage())

    def hear(self, event: tuple[float, dict[str, Any]]) -> None:
        """Take a worker's message; runs on Dask's event loop."""
        said = dict(event[1])
        if notice := said.get("notice"):
            if notice != self._notice:  # several tasks may tell the same
                self._notice = notice
                log.warning(notice)
            return
        part, _ = said.pop("part"), said.pop("worker", None)  # Dask adds who said it
        self._usage[part] = Usage(**said)
        self._show()

    def part_done(self, kept: int, dropped: int) -> None:
        """Count a finished partition, and its rows."""
        self._partitions += 1
        self._kept, self._dropped = self._kept + kept, self._dropped + dropped
        self._watcher.judged(self._stage, self._kept, self._dropped)
        self._show()

    def _show(self) -> None:
        self._watcher.advance(self._stage, self._partitions, self.usage)
