"""
Run several stages at the same time.

A partition goes to the next stage as soon as it is complete, so that the engines do not wait for the end of a
stage. How early a stage may begin depends on the tables that it needs (`together`). Stages still end in the
order of the recipe: the account, the resumption of a run and the reuse of stages do not depend on which
stages ran at the same time.
"""

import logging
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from datagen.cluster.workers import Partition, WorkerPool
from datagen.engines.meter import Reading
from datagen.json_types import JsonObject
from datagen.recipe.model import Recipe
from datagen.recipe.sections import Budget
from datagen.recipe.wiring import tables_before, wire
from datagen.request import Usage
from datagen.run import budget
from datagen.run.folder import Run
from datagen.run.model_tasks import rounds_of
from datagen.run.occupancy import Recorder
from datagen.run.progress import Progress, Watcher
from datagen.run.stage_key import sees_only_its_tables
from datagen.run.stage_run import StageRun
from datagen.run.tasks import Job
from datagen.run.units import Units
from datagen.stage import ModelStage, SourceStage, WholeStage
from datagen.store.parquet import parts

if TYPE_CHECKING:
    from distributed import Client

log = logging.getLogger(__name__)


def together(recipe: Recipe, names: Sequence[str]) -> list[str]:
    """
    List the stages that may run at the same time.

    Parameters
    ----------
    recipe
        The recipe.
    names
        The stages that are due, in the order of the recipe. All tables before the first one are complete.

    Returns
    -------
    The first stages of `names`, at least one. A source stage runs alone, because the number of partitions
    that it will write is unknown. A stage that needs whole tables joins only if these are complete, and a
    stage that may read anything in the run, such as a user's stage, never joins.
    """
    line = recipe.line()
    steps = [(name, stage.takes, stage.gives) for name, stage, _ in line]
    stages = {name: stage for name, stage, _ in line}
    reads, before = wire(steps), tables_before(steps)
    chosen = [names[0]]
    if isinstance(stages[names[0]], SourceStage):
        return chosen
    for name in names[1:]:
        stage, needed = stages[name], set[str]()
        if isinstance(stage, WholeStage):
            needed = {table for tables in before[name].values() for table in tables}
        elif isinstance(stage, ModelStage) and stage.prepare is not None:
            needed = set(reads[name])
        if isinstance(stage, SourceStage) or not sees_only_its_tables(recipe, name) or needed & {*chosen}:
            break
        chosen.append(name)
    return chosen


class Flow:
    """
    Stages that run at the same time.

    Parameters
    ----------
    client
        Client of the cluster.
    run
        The run.
    limits
        The run's budget.
    watcher, recorder
        Receive the progress, and the use of the engines.
    units
        Forms the units of partitions that the stages read.
    """

    def __init__(
        self,
        client: "Client",
        run: Run,
        limits: Budget,
        watcher: Watcher,
        recorder: Recorder,
        units: Units,
    ) -> None:
        self._client, self._run, self._limits = client, run, limits
        self._watcher, self._recorder, self._units = watcher, recorder, units
        self._pool = WorkerPool(client)
        # Unique to this attempt; workers report under it what they spend of the common budget.
        self._topic, self._spent = f"{run.folder.name}/{uuid4().hex}", run.spent
        self._stages: dict[str, StageRun] = {}
        self._progress: dict[str, Progress] = {}
        self._notice = ""
        self._shared = time.monotonic()  # time up to which the stages' engine seconds are counted

    @property
    def usage(self) -> Usage:
        """What the stages have spent, as far as the workers have reported."""
        return sum((progress.usage for progress in self._progress.values()), start=Usage())

    def add(self, job: Job, reads: Sequence[str]) -> None:
        """Add the next stage, which reads tables of complete stages and of stages added earlier."""
        tables: list[list[Path]] = []
        awaited: set[Path] = set()
        for source in reads:
            at_work = self._stages.get(source)
            tables.append(at_work.outputs if at_work else parts(self._run.stage_folder(source)))
            awaited.update(at_work.outputs if at_work else ())
        inputs = self._units.of(job.name, tables)
        job = replace(job, topic=self._topic, spent=self._spent, budget=self._limits)
        progress = self._progress[job.name] = Progress(self._watcher, job.name, rounds_of(job))
        self._stages[job.name] = StageRun(
            self._pool, job, inputs, awaited, self._wrote, lambda: self.usage, self._run.completions, progress
        )

    def work(self) -> Iterator[StageRun]:
        """
        Run all stages, and yield each once it and its predecessors are complete.

        Raises
        ------
        UserError, BudgetSpent
            See `WorkerPool.process`.
        """
        self._client.subscribe_topic(self._topic, self._receive)
        waiting = deque(self._stages.values())
        for _ in chain([None], self._pool.process(self._submit)):
            self._share_time()
            while waiting and waiting[0].complete:
                yield waiting.popleft()
        self._client.unsubscribe_topic(self._topic)
        asking = [stage for stage in self._stages.values() if stage.asks]
        if asking:
            damage = {path: why for stage in asking for path, why in stage.damage.items()}
            self._run.completions.settle(damage)

    def _submit(self, engine: bool) -> Partition | None:
        """Submit a partition of the first stage that has one."""
        self._share_time()
        return next(filter(None, (stage.submit(engine) for stage in self._stages.values())), None)

    def _wrote(self, paths: Sequence[Path]) -> None:
        for stage in self._stages.values():
            stage.unlock(paths)

    def _share_time(self) -> None:
        """Divide the time since the last call among the stages that use the engines."""
        now = time.monotonic()
        asking = [
            stage for stage in self._stages.values() if stage.asks and stage.begun and not stage.complete
        ]
        for stage in asking:
            stage.engine_seconds += (now - self._shared) / len(asking)
        self._shared = now

    async def _receive(self, event: tuple[float, JsonObject]) -> None:
        """Handle a worker's message."""
        message = event[1]
        if "reading" in message:
            self._recorder.receive(Reading(**message["reading"]))
        elif "notice" in message:
            if message["notice"] != self._notice:  # several tasks may send the same
                self._notice = message["notice"]
                log.warning(self._notice)
        else:
            place = {name: message[name] for name in ("sender", "part", "requests", "share")}
            self._progress[message["stage"]].spent(usage=Usage(**message["usage"]), **place)
            if budget.spent_parts(self._limits, self._spent + self.usage):
                await self._client.run(budget.close, self._topic, on_error="ignore")
