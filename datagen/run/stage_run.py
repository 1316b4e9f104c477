"""One running stage: its partitions that can be submitted, and the account of the complete ones."""

import json
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING

from datagen.cluster.workers import Partition, WorkerPool
from datagen.engines.failures import none_answered
from datagen.engines.identity import circumstances
from datagen.errors import UserError
from datagen.recipe.roles import OpenAIModel
from datagen.request import Usage
from datagen.run import model_tasks, tasks
from datagen.run.account import PartReport
from datagen.run.progress import Progress
from datagen.run.tasks import Job
from datagen.run.units import Unit
from datagen.stage import NOTICES, ModelStage, Options, SourceStage, WholeStage
from datagen.store.completions import Completions
from datagen.store.parquet import part_name, parts
from datagen.store.record import StageRecord

if TYPE_CHECKING:
    from distributed import Future

    from datagen.cluster.workers import Report


class StageRun:
    """
    One running stage. It writes to its unfinished folder.

    Parameters
    ----------
    pool
        The workers.
    job
        The stage's job, which its tasks execute on each partition.
    inputs
        The units of partitions that it reads, in order.
    awaited
        The partitions that are not written yet.
    wrote
        Called with the paths of new partitions of the stage's table.
    spent
        Returns what all running stages have spent since the job was created.
    completions
        The run's completions.
    progress
        Progress of the stage.
    """

    def __init__(
        self,
        pool: WorkerPool,
        job: Job,
        inputs: Sequence[Unit],
        awaited: Collection[Path],
        wrote: Callable[[Sequence[Path]], None],
        spent: Callable[[], Usage],
        completions: Completions,
        progress: Progress,
    ) -> None:
        self._pool, self.job, self._inputs = pool, job, inputs
        self._wrote, self._spent = wrote, spent
        self._completions, self._progress = completions, progress
        self._spent_before = completions.spent_by(job.name)
        self._total, self._generation = PartReport(), model_tasks.GenerationReport()
        self._ready: deque[Callable[[], Partition]] = deque()  # each submits one unit
        self._locked: dict[Path, int] = {}  # partition -> the number of its unit
        self._waits = Counter[int]()  # number of a unit -> its locked partitions
        self._began: float | None = None
        self._ended = 0.0  # time at which the last partition was complete
        self._prepared = True  # whether its options are final
        self.engine_seconds = 0.0  # share of the time in which this and other stages used the engines
        job.folder.mkdir()
        match job.stage:
            case SourceStage():
                source_tasks = job.stage.plan(job.options, job.context)
                self._ready.extend(partial(self._read, task, n) for n, task in enumerate(source_tasks))
                self._missing = len(source_tasks)
            case WholeStage():
                self._ready.append(self._run_whole)
                self._missing = 1
            case _:
                self._locked = {path: number for number, unit in enumerate(inputs) for path in unit}
                self._waits.update(self._locked.values())
                self._missing = len(inputs)
                self._prepared = not isinstance(job.stage, ModelStage) or job.stage.prepare is None
                if self._prepared:
                    self.unlock([path for path in self._paths() if path not in awaited])
                else:
                    self._ready.append(self._prepare)

    @property
    def name(self) -> str:
        """The stage's name."""
        return self.job.name

    @property
    def asks(self) -> bool:
        """Whether it sends requests to a model."""
        return isinstance(self.job.stage, ModelStage)

    @property
    def begun(self) -> bool:
        """Whether a partition was submitted."""
        return self._began is not None

    @property
    def complete(self) -> bool:
        """Whether all partitions are complete."""
        return not self._missing

    @property
    def damage(self) -> dict[Path, str]:
        """Damaged files of completions found so far: path -> message."""
        return self._generation.damage

    @property
    def outputs(self) -> list[Path]:
        """Paths of its table's partitions in the finished folder; not valid for a source stage."""
        folder = self.job.context.run_folder / "stages" / self.name
        return [folder / part_name(number) for number in range(len(self._inputs))]

    def unlock(self, paths: Sequence[Path]) -> None:
        """Make units ready whose partitions are written; those that this stage does not read are ignored."""
        work = self._ask if self.asks else self._apply
        for path in paths:
            if (number := self._locked.pop(path, None)) is not None:
                self._waits[number] -= 1
                if not self._waits[number]:
                    self._ready.append(partial(work, self._inputs[number], number))

    def _paths(self) -> list[Path]:
        return [path for unit in self._inputs for path in unit]

    def submit(self, engine: bool) -> Partition | None:
        """Submit the next partition that needs an engine, or that needs none; None if none is ready."""
        if not self._ready or engine != (self.asks and self._prepared):
            return None
        if self._began is None:
            self._began = time.monotonic()
            self._progress.begin(self._missing)
        return self._ready.popleft()()

    def _read(self, task: object, number: int) -> Partition:
        return self._partition(task, [self._pool.submit(tasks.read_source, self.job, task, number)])

    def _apply(self, unit: Unit, number: int) -> Partition:
        report = self._pool.submit(tasks.apply_map, self.job, unit, number)
        return self._partition(unit, [report], [number])

    def _run_whole(self) -> Partition:
        units = list(self._inputs)
        report = self._pool.submit(tasks.run_whole, self.job, units)
        return self._partition(units, [report], range(len(units)))

    def _prepare(self) -> Partition:
        """Let the stage read all partitions and choose its final options."""
        units = list(self._inputs)

        def prepared(options: Options) -> None:
            self.job, self._prepared = replace(self.job, options=options), True
            self.unlock(self._paths())

        options = self._pool.submit(tasks.prepare, self.job, units)
        return Partition(self._title(units), [options], then=prepared)

    def _ask(self, unit: Unit, number: int) -> Partition:
        """Chain writing requests, generating and reading, without a barrier between partitions."""
        pool, folder = self._pool, self._completions.folder
        # A worker that joins later, or replaces a dead one, starts from the current spending.
        job = replace(self.job, spent=self.job.spent + self._spent())

        def answer(requests: "Future[Path]") -> "Future[model_tasks.GenerationReport]":
            return pool.submit_to_engine(model_tasks.generate, job, requests, folder)

        requests = [pool.submit(model_tasks.write_requests, job, unit, number)]
        answered = [answer(requests[0])]
        for _ in range(1, model_tasks.rounds_of(job)):
            before = (list(requests), folder, number, list(answered))
            requests.append(pool.submit(model_tasks.write_follow_ups, job, unit, *before))
            answered.append(answer(requests[-1]))
        read = pool.submit(model_tasks.read_answers, job, unit, requests, folder, number, answered)
        return self._partition(unit, [read, *answered], [number], engine=True)

    def _partition(
        self,
        read: object,
        reports: "Sequence[Report]",
        numbers: Sequence[int] = (),
        engine: bool = False,
    ) -> Partition:
        def done(report: PartReport, *generations: model_tasks.GenerationReport) -> None:
            self._missing, self._ended = self._missing - 1, time.monotonic()
            self._total += report
            self._generation = sum(generations, start=self._generation)
            self._progress.part_done(report, map(part_name, numbers))
            if engine:
                self._completions.merge()
            outputs = self.outputs
            self._wrote([outputs[number] for number in numbers])

        return Partition(self._title(read), reports, engine, done)

    def _title(self, read: object) -> str:
        """Name a partition by its input: a unit, all units, or documents."""
        if isinstance(read, list):
            read = f"all {len(self._paths())} partitions"
        elif isinstance(read, tuple) and read and isinstance(read[0], Path):
            folder = self.job.context.run_folder
            read = ", ".join(str(path.relative_to(folder)) for path in read)
        return f"stages.{self.name}, reading {shorten(str(read), 200)}"

    def end(self, reads: Sequence[str]) -> StageRecord:
        """
        End a complete stage and return its record.

        Raises
        ------
        UserError
            If the stage's check fails, or a server answered nothing.
        """
        job, generation = self.job, self._generation
        if isinstance(job.stage, SourceStage) and job.stage.check is not None:
            job.stage.check(self._total.figures, job.options, replace(job.context, output=job.folder))
        if self.asks:
            self._completions.settle_stage(self.name)
            if isinstance(job.model, OpenAIModel) and generation.nothing_answered:
                why = none_answered(self.name, generation.distinct, generation.refusal)
                raise UserError(f"{why}. latest is unchanged; run again to resume")
        if not parts(job.folder):
            tasks.empty_part(job)
        return self._record(reads)

    def _record(self, reads: Sequence[str]) -> StageRecord:
        job, total, generation = self.job, self._total, self._generation
        record: StageRecord = {
            "stage": job.name,
            "summary": job.stage.summary,
            "options": job.options.model_dump(mode="json"),
            "takes": job.stage.takes,
            "gives": job.stage.gives,
            "reads": list(reads),
            "rows_in": total.rows_in,
            "passed_by": total.passed_by,
            "rows_out": total.rows_out,
            "dropped": dict(total.dropped.most_common()),
            "made": dict(total.made),
            "lost": dict(total.lost),
            "seconds": round(self._ended - self._began, 3) if self._began is not None else 0.0,
        }
        notices = job.folder / NOTICES
        if notices.exists():
            record["notices"] = json.loads(notices.read_text(encoding="utf-8"))
        if total.figures:
            record["figures"] = dict(total.figures)
        if isinstance(job.stage, ModelStage):
            model = job.context.model
            record["model"] = {
                "role": job.stage.role,
                "name": model.name,
                "revision": model.revision,
                "licence": model.licence,
            }
            usage = self._completions.spent_by(self.name) - self._spent_before  # includes dead workers
            reused = max(generation.requests - usage.completions, 0)  # a request may have been sent twice
            record["requests"] = {"asked": generation.requests, "reused": reused, **asdict(usage)}
            if usage.completions:
                # Answers per second; time that it shared with other stages is divided among them.
                record["pace"] = round(usage.completions / max(self.engine_seconds, 0.001), 3)
            record["cost"] = {"rows": total.rows_asked, **asdict(total.cost)}  # no matter which run paid
            if generation.failed:
                record["requests"]["failed"] = generation.failed
            if generation.rejected and job.model is not None:
                record["requests"]["rejected"] = generation.rejected
                record["circumstances"] = circumstances(job.model)
            if generation.damage:
                record["damage"] = list(generation.damage.values())
        return record
