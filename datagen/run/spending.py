"""The answers of one task: stored as they arrive, paid for, and reported to the runner."""

import time
from collections.abc import Mapping
from dataclasses import asdict, replace

from datagen.engines.meter import Reading
from datagen.request import Completion, Usage
from datagen.run.budget import Allowance
from datagen.store.journal import Journal

REPORT_SECONDS = 0.5  # seconds between two reports of a task's spending


class Spending:
    """Stores a task's answers; reports usage to the allowance at once, and to the runner twice a second."""

    def __init__(self, journal: Journal, budget: Allowance, stage: str, topic: str, conditions: str) -> None:
        self._journal, self._budget, self._conditions = journal, budget, conditions
        self._stage, self._topic = stage, topic
        self._reported = time.monotonic()
        self.usage = Usage()
        self.done = 0  # requests that were answered, rejected or abandoned
        self.answered: set[str] = set()
        self.rejected: dict[str, str] = {}
        self.failures: dict[str, str] = {}

    def keep(self, completion: Completion) -> None:
        """Store and pay for an answer, or store a rejection."""
        if completion.finish == "error":
            completion = replace(completion, circumstances=self._conditions)
            self.rejected[completion.key] = completion.error
        else:
            self.answered.add(completion.key)
        self._journal.append(completion)
        usage = Usage.of(completion)
        self._budget.pay(usage)
        self.usage += usage
        self.done += 1
        if time.monotonic() - self._reported > REPORT_SECONDS:
            self.report()

    def give_up(self, key: str, why: str) -> None:
        """Count a request that kept failing."""
        self._budget.give_back()
        self.failures[key] = why
        self.done += 1

    def report(self) -> None:
        """Report the usage so far to the runner."""
        self._reported = time.monotonic()
        self._send({"stage": self._stage, "task": self._journal.path.name, "usage": asdict(self.usage)})

    def notify(self, notice: str) -> None:
        """Send a notice for the user to the runner."""
        self._send({"notice": notice})

    def read(self, reading: Reading) -> None:
        """Send a reading of the engine's meter to the runner."""
        self._send({"reading": asdict(reading)})

    def _send(self, message: Mapping[str, object]) -> None:
        if self._topic:
            from distributed import get_worker

            get_worker().log_event(self._topic, message)
