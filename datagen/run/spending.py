"""The answers of one task: stored as they arrive, paid for, and reported to the runner."""

import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from uuid import uuid4

from datagen.engines.meter import Reading
from datagen.request import Completion, Usage
from datagen.run.budget import Allowance
from datagen.store.journal import Journal

REPORT_SECONDS = 0.5  # seconds between two reports of a task's spending


class Spending:
    """
    Stores a task's answers; reports usage to the allowance at once, and to the runner twice a second.

    Parameters
    ----------
    journal
        Where the answers are stored.
    budget
        Pays for them.
    stage, topic, conditions
        Name of the stage, topic of the messages to the runner ("": none), and circumstances of rejections.
    requests, due
        The file of the requests, and how many of them are sent.
    """

    def __init__(
        self,
        journal: Journal,
        budget: Allowance,
        stage: str,
        topic: str,
        conditions: str,
        requests: Path,
        due: int,
    ) -> None:
        self._journal, self._budget, self._conditions = journal, budget, conditions
        self._stage, self._topic = stage, topic
        self._requests, self._due = requests, due
        self._id = uuid4().hex  # a task may send its requests in several turns, and on several workers
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
        answered = len(self.answered | self.rejected.keys() | self.failures.keys())
        message = {"stage": self._stage, "sender": self._id, "usage": asdict(self.usage)}
        where = {"requests": self._requests.parent.name, "part": self._requests.name}
        self._send(message | where | {"share": answered / self._due})

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
