"""The progress of a run, as reported to its watcher."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Protocol

from datagen.request import Usage
from datagen.run.account import PartReport
from datagen.store.record import StageRecord


class Watcher(Protocol):
    """Receives the progress of a run."""

    def joined(self, dashboard: str) -> None:
        """Report that a cluster is at work, and the address of its dashboard; "" for none."""

    def begin(self, stage: str, partitions: int) -> None:
        """Report the start of a stage, and its number of partitions."""

    def advance(self, stage: str, partitions: int, usage: Usage, under_way: float) -> None:
        """
        Report the number of complete partitions, and the usage of generation so far.

        `under_way` is the share of requests answered, summed over the partitions that are not complete.
        """

    def judged(self, stage: str, kept: int, dropped: int) -> None:
        """Report how many rows of the complete partitions were kept and dropped."""

    def funnel(self, stage: str, made: Mapping[str, int], lost: Mapping[str, int]) -> None:
        """Report the examples that the stage has made, or dropped from earlier ones, by product."""

    def occupied(self, share: float) -> None:
        """Report the share of the engines' places for requests in use over the last seconds."""

    def end(self, record: StageRecord, resumed: bool) -> None:
        """Report a complete stage: its ``stage.json``, and whether an earlier process completed it."""


class Progress:
    """
    Progress of one stage, summed over its partitions and its workers' messages.

    `turns` is the number of files of requests per partition: 2 if answers lead to further requests.
    """

    def __init__(self, watcher: Watcher, stage: str, turns: int = 1) -> None:
        self._watcher, self._stage, self._turns = watcher, stage, turns
        self._partitions = 0
        self._complete: set[str] = set()
        self._usage: dict[str, Usage] = {}
        self._shares: dict[str, dict[str, float]] = {}  # partition -> file of requests -> share answered
        self._kept = self._dropped = 0
        self._made, self._lost = Counter[str](), Counter[str]()

    @property
    def usage(self) -> Usage:
        """Usage of the stage as reported by the workers so far."""
        return sum(list(self._usage.values()), start=Usage())

    def begin(self, partitions: int) -> None:
        """Report that the first partition was submitted."""
        self._watcher.begin(self._stage, partitions)

    def spent(self, sender: str, usage: Usage, part: str, requests: str, share: float) -> None:
        """
        Record a worker's message; runs in the thread of Dask's event loop.

        Parameters
        ----------
        sender, usage
            Who sent it, and all that the sender has spent so far.
        part, requests, share
            The partition, its file of requests, and the share of them that is answered.
        """
        self._usage[sender] = usage
        self._shares.setdefault(part, {})[requests] = share
        self._show()

    def part_done(self, report: PartReport, names: Iterable[str]) -> None:
        """Count a complete partition, which has these names, and its rows."""
        self._partitions += 1
        self._complete.update(names)
        self._kept, self._dropped = self._kept + report.rows_out, self._dropped + report.dropped.total()
        self._made, self._lost = self._made + report.made, self._lost + report.lost
        self._watcher.judged(self._stage, self._kept, self._dropped)
        self._watcher.funnel(self._stage, self._made, self._lost)
        self._show()

    def _show(self) -> None:
        shares = [
            sum(list(shares.values())) / self._turns
            for part, shares in list(self._shares.items())
            if part not in self._complete
        ]
        self._watcher.advance(self._stage, self._partitions, self.usage, sum(shares))
