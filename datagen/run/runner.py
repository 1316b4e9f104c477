"""
A run: the recipe's stages, one after another, each a folder that is complete or absent.

An unfinished run of the same recipe is continued: stages whose folder exists are not run again, and no
completion is paid for twice. A new run takes over the completions of the earlier ones, and every stage that
would come out the same (`datagen.run.takeover`), so that a refresh does only what changed.
"""

import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from textwrap import shorten
from typing import Any
from uuid import uuid4

from distributed import Client, Future

from datagen.cluster.local import open_cluster
from datagen.cluster.workers import Crew, Partition, Workers
from datagen.engines.identity import circumstances, identities
from datagen.errors import BudgetSpent, UserError
from datagen.recipe.model import Recipe
from datagen.recipe.sections import OpenAIModel
from datagen.recipe.wiring import wire
from datagen.report.changes import write_changes
from datagen.report.html import write_report
from datagen.report.planned import PLAN, compare_with_plan
from datagen.run import budget, folder, model_tasks, release, tasks
from datagen.run.lease import lease
from datagen.run.progress import Progress, Watcher
from datagen.run.takeover import key_of, step_of, take_over
from datagen.run.tasks import Job, PartReport
from datagen.stage import NOTICES, MapStage, ModelStage, SourceStage, WholeStage
from datagen.store.completions import Completions
from datagen.store.disk import translate_file_errors
from datagen.store.parquet import UNFINISHED, parts, write_json

log = logging.getLogger(__name__)


def run(
    recipe: Recipe,
    outputs: Path,
    watcher: Watcher,
    fresh: bool = False,
    retry_errors: bool = False,
    rebuild: bool = False,
    before_work: Callable[[folder.Run], None] = lambda run: None,
) -> folder.Run:
    """
    Run a recipe to its end and return the finished run.

    Parameters
    ----------
    recipe
        What to do.
    outputs
        The folder that holds ``<recipe>/<run>/``.
    watcher
        Told the progress.
    fresh
        Begin a new run where an unfinished one could be continued.
    retry_errors
        Ask every rejected request again, in a new run.
    rebuild
        Make every stage, even where an earlier run has made the same.
    before_work
        Called with the run before the first stage that must be made; what it raises ends the run.

    Raises
    ------
    UserError
        What the user can fix: the corpus, the recipe, the engine, a run already in progress.
    BudgetSpent
        When a request would go over the recipe's budget.
    """
    home = (outputs / recipe.name).resolve()
    line = recipe.line()
    reads = wire([(name, stage.takes, stage.gives) for name, stage, _ in line])
    asks = any(isinstance(stage, ModelStage) for _, stage, _ in line)
    models = identities(recipe.models) if asks else {}
    cluster = partial(open_cluster, recipe.cluster, home, asks)
    with translate_file_errors(), lease(home), Workers(cluster) as workers:
        running = folder.begin(recipe, home, models, fresh or retry_errors)
        folder.drop_damaged(running, workers.each)
        earlier = [] if rebuild else [run for run in folder.related_runs(home)[::-1] if run.id != running.id]
        records: dict[str, dict[str, Any]] = {}
        begun = False
        for name, stage, options in line:
            if record := running.stage_record(name):
                records[name] = record
                watcher.end(record, resumed=True)
                continue
            complete = running.stage_folder(name)
            step = step_of(recipe, name, running.folder, models, records)
            context = step.context
            model = recipe.models.role(stage.role) if isinstance(stage, ModelStage) else None
            key = key_of(step, recipe, models)
            if record := take_over(step, key, earlier, complete, workers.each, retry_errors):
                records[name] = record
                watcher.end(record, resumed=False)
                continue
            if not begun:
                before_work(running)
                begun = True
            beside = complete.with_name(UNFINISHED + name)
            topic = f"{running.folder.name}/{name}/{uuid4().hex}"
            spent = running.spent
            job = Job(name, stage, options, context, beside, topic, spent, recipe.budget, model, retry_errors)
            inputs = [path for source in reads[name] for path in parts(running.stage_folder(source))]
            try:
                work = _StageRun(workers.client, job, inputs, running.completions, watcher)
                record = work.work(reads[name]) | {"key": key}
            except BudgetSpent:
                folder.stop(running, "budget")
                raise BudgetSpent(budget.last_words(recipe.budget, running.spent, name)) from None
            records[name] = folder.complete_stage(job.folder, complete, record, workers.each)
            watcher.end(records[name], resumed=False)
        return _release(running, home)


def _release(run: folder.Run, home: Path) -> folder.Run:
    """Report on a run whose stages are complete, and release it unless there is an objection."""
    changed = release.changes(run, home)
    if changed is not None:
        write_changes(changed, run.folder)
    if planned := compare_with_plan(run):
        write_json(planned, run.folder / PLAN)
    write_report(run)
    if objection := release.objection(run, home, changed):
        folder.withhold(run, objection)
        raise UserError(
            f"the run {run.folder} is not released: {objection}. latest stays as it was, and all "
            "answers are kept for the next run"
        )
    return folder.finish(run, home)


class _StageRun:
    """One stage being run on the cluster."""

    def __init__(
        self, client: Client, job: Job, inputs: Sequence[Path], completions: Completions, watcher: Watcher
    ) -> None:
        self._client, self._job, self._inputs = client, job, inputs
        self._completions, self._watcher = completions, watcher
        self._crew = Crew(client, engine=isinstance(job.stage, ModelStage))
        self._total, self._made = PartReport(), model_tasks.GenerationReport()

    def work(self, reads: Sequence[str]) -> dict[str, Any]:
        """Run the stage into its unfinished folder; return what ``stage.json`` will say."""
        job, started = self._job, time.monotonic()
        job.folder.mkdir()
        match job.stage:
            case SourceStage():
                self._compute(tasks.read_source, _numbered(job.stage.plan(job.options, job.context)))
                if job.stage.check is not None:
                    context = replace(job.context, output=job.folder)
                    job.stage.check(self._total.figures, job.options, context)
            case MapStage():
                self._compute(tasks.apply_map, _numbered(self._inputs))
            case WholeStage():
                self._compute(tasks.run_whole, [(list(self._inputs),)])
            case ModelStage():
                if job.stage.prepare is not None:
                    self._prepare()
                self._generate()
        if not parts(job.folder):
            tasks.empty_part(job)
        return self._record(reads, time.monotonic() - started)

    def _compute(self, function: Callable[..., PartReport], inputs: Sequence[tuple[Any, ...]]) -> None:
        computed = (
            Partition(self._title(given[0]), [self._crew.submit(function, self._job, *given)])
            for given in inputs
        )
        self._gather(len(inputs), computed, Progress(self._watcher, self._job.name))

    def _prepare(self) -> None:
        """Let the stage see all partitions and say with which options it works."""
        paths = list(self._inputs)
        task = Partition(self._title(paths), [self._crew.submit(tasks.prepare, self._job, paths)])
        for (options,) in self._crew.work_off(iter([task])):
            self._job = replace(self._job, options=options)

    def _generate(self) -> None:
        """Chain writing requests, generating and reading per partition, without a barrier between steps."""
        job, limits = self._job, self._job.budget
        progress = Progress(self._watcher, job.name)

        async def hear(event: tuple[float, dict[str, Any]]) -> None:
            progress.hear(event)
            if budget.spent_parts(limits, job.spent + progress.usage):
                await self._client.run(budget.shut, job.topic, on_error="ignore")

        self._client.subscribe_topic(job.topic, hear)
        asked = (self._ask(number, path, progress) for number, path in enumerate(self._inputs))
        self._gather(len(self._inputs), asked, progress, self._completions.merge)
        self._client.unsubscribe_topic(job.topic)
        self._completions.settle(self._made.damage)
        self._check_answered()

    def _check_answered(self) -> None:
        """Stop where a server has answered nothing of the stage: its settings are at fault, not the rows."""
        made = self._made
        if isinstance(self._job.model, OpenAIModel) and made.nothing_answered:
            raise UserError(
                f"stages.{self._job.name}: none of its {made.distinct:,} requests was answered. "
                f"The server said: {made.refusal}. The model's options in the recipe set what it is sent, "
                "and with null leave it out. latest stays as it was; run again to go on from here"
            )

    def _ask(self, number: int, path: Path, progress: Progress) -> Partition:
        crew, folder = self._crew, self._completions.folder
        # A worker that comes later, or in place of one that died, counts from what is known by now.
        job = replace(self._job, spent=self._job.spent + progress.usage)

        def answer(requests: "Future[Any]") -> "Future[Any]":
            return crew.submit_to_engine(model_tasks.generate, job, requests, folder)

        requests = [crew.submit(model_tasks.write_requests, job, path, number)]
        answered = [answer(requests[0])]
        if job.stage.follow is not None:
            first = (requests[0], folder, number, answered[0])
            requests.append(crew.submit(model_tasks.write_follow_ups, job, path, *first))
            answered.append(answer(requests[1]))
        read = crew.submit(model_tasks.read_answers, job, path, requests, folder, number, answered)
        return Partition(self._title(path), [read, *answered])

    def _gather(
        self,
        total: int,
        partitions: Iterator[Partition],
        progress: Progress,
        after_each: Callable[[], None] = lambda: None,
    ) -> None:
        self._watcher.begin(self._job.name, total)
        try:
            for report, *made in self._crew.work_off(partitions):
                self._total += report
                self._made = sum(made, start=self._made)
                progress.part_done(report.rows_out, report.dropped.total())
                after_each()
        except BaseException as error:
            error.add_note(f"in stage {self._job.name}, reading {self._job.context.run_folder}")
            raise

    def _title(self, read: Any) -> str:
        """Name a partition by what it reads: a part of a table, all parts, or documents."""
        if isinstance(read, Path):
            read = read.relative_to(self._job.context.run_folder)
        elif isinstance(read, list):
            read = f"all {len(read)} partitions"
        return f"stages.{self._job.name}, reading {shorten(str(read), 200)}"

    def _record(self, reads: Sequence[str], seconds: float) -> dict[str, Any]:
        job, total, made = self._job, self._total, self._made
        record: dict[str, Any] = {
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
            "seconds": round(seconds, 3),
        }
        notices = job.folder / NOTICES
        if notices.exists():
            record["notices"] = json.loads(notices.read_text(encoding="utf-8"))
        if total.figures:
            record["figures"] = dict(total.figures)
        if isinstance(job.stage, ModelStage):
            record["model"] = {"role": job.stage.role, **asdict(job.context.model)}
            took = self._completions.spent - job.spent  # also what those had answered who died
            reused = max(made.requests - took.completions, 0)  # the same may have been asked twice at once
            record["requests"] = {"asked": made.requests, "reused": reused, **asdict(took)}
            if took.completions:
                record["pace"] = round(took.completions / max(seconds, 0.001), 3)  # answers a second
            record["cost"] = {"rows": total.rows_asked, **asdict(total.cost)}  # whichever run paid it
            if made.failed:
                record["requests"]["failed"] = made.failed
            if made.rejected and job.model is not None:
                record["requests"]["rejected"] = made.rejected
                record["circumstances"] = circumstances(job.model)
            if made.damage:
                record["damage"] = list(made.damage.values())
        return record


def _numbered(inputs: Iterable[Any]) -> list[tuple[Any, int]]:
    return [(given, number) for number, given in enumerate(inputs)]
