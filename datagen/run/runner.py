"""
Run a recipe: each stage becomes a folder that is complete or absent.

Stages are completed in the order of the recipe, although several may run at the same time
(`datagen.run.flow`). An unfinished run of the same recipe is resumed: complete stages are not run again, and
no completion is paid for twice. If the input or the code of a complete stage has changed since, a new run
starts instead (`datagen.run.outdated`). A new run takes over the completions of earlier runs, and every stage
whose result would be the same (`datagen.run.takeover`), so a refresh recomputes only what changed.
"""

import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from datagen.cluster.local import DASK_LOG, open_cluster
from datagen.cluster.workers import LazyCluster, WorkerPool, dashboard_of
from datagen.engines.identity import identities
from datagen.engines.pool import start_engine
from datagen.errors import BudgetSpent
from datagen.recipe.model import Recipe
from datagen.recipe.wiring import wire
from datagen.report.changes import write_changes
from datagen.report.planned import PLAN, compare_with_plan
from datagen.report.unchanged import reuse_report
from datagen.request import Identity
from datagen.run import budget, integrity, lifecycle, release
from datagen.run.flow import Flow, together
from datagen.run.folder import Run, related_runs
from datagen.run.lease import lease
from datagen.run.occupancy import Recorder
from datagen.run.outdated import outdated_stage
from datagen.run.progress import Watcher
from datagen.run.stage_key import Step, context_of, key_of, outside, step_of
from datagen.run.takeover import may_stay, take_over
from datagen.run.tasks import Job
from datagen.run.units import Units
from datagen.stage import ModelStage
from datagen.store.digests import write_sealed
from datagen.store.disk import translate_file_errors
from datagen.store.parquet import UNFINISHED
from datagen.store.record import StageRecord

CHANGED = (
    "prompts, or files that the options name, were changed during this stage, so its rows may be of either "
    "version. To make them again with stored answers, run the recipe again"
)

log = logging.getLogger(__name__)


def run(
    recipe: Recipe,
    outputs: Path,
    watcher: Watcher,
    fresh: bool = False,
    retry_errors: bool = False,
    rebuild: bool = False,
    before_work: Callable[[Run], None] = lambda run: None,
) -> Run:
    """
    Run a recipe to its end and return the finished run.

    Parameters
    ----------
    recipe
        The recipe.
    outputs
        The folder that holds ``<recipe>/<run>/``.
    watcher
        Receives the progress.
    fresh
        Start a new run even if an unfinished one could be resumed.
    retry_errors
        Retry every rejected request, in a new run.
    rebuild
        Run every stage, even if an earlier run has the same result.
    before_work
        Called with the run before the first stage that must be run; its exceptions end the run.

    Raises
    ------
    UserError
        If the corpus, the recipe or the engine has a fault, or another run is in progress.
    BudgetSpent
        If a request would exceed the recipe's budget.
    """
    home = (outputs / recipe.name).resolve()
    asks = any(isinstance(stage, ModelStage) for _, stage, _ in recipe.line())
    models = identities(recipe.models) if asks else {}
    with translate_file_errors(), lease(home), ExitStack() as opened:
        running = lifecycle.begin(recipe, home, models, fresh or retry_errors)
        cluster = opened.enter_context(
            LazyCluster(lambda: open_cluster(recipe.cluster, home, asks, running.folder / DASK_LOG))
        )
        integrity.drop_damaged(running, cluster.each)
        if stage := outdated_stage(recipe, running, models):
            log.warning(
                f"the unfinished run {running.folder.name} is not resumed, because the input or the code of "
                f"{stage} has changed since. A new run starts and reuses its answers"
            )
            running = lifecycle.begin(recipe, home, models, fresh=True)
        earlier = [] if rebuild else [run for run in related_runs(home)[::-1] if run.id != running.id]
        line = _Line(recipe, running, models, earlier, cluster, watcher, retry_errors)
        begun = False
        while line.due:
            if line.has_first():
                continue
            if not begun:
                before_work(running)
                watcher.joined(dashboard_of(cluster.client))
                begun = True
            line.work()
        return _release(running, home)


class _Line:
    """The stages of a recipe that are due in a run, and the records of those that are complete."""

    def __init__(
        self,
        recipe: Recipe,
        run: Run,
        models: Mapping[str, Identity],
        earlier: Sequence[Run],
        cluster: LazyCluster,
        watcher: Watcher,
        retry_errors: bool,
    ) -> None:
        self.due = deque(recipe.stages)
        self._recipe, self._run, self._models, self._earlier = recipe, run, models, earlier
        self._cluster, self._watcher, self._retry_errors = cluster, watcher, retry_errors
        self._records: dict[str, StageRecord] = {}
        self._keys: dict[str, str] = {}
        self._started = False  # whether the first model was considered for an early start
        self._recorder = Recorder(run.folder, watcher)

    def has_first(self) -> bool:
        """Complete the first stage if its table exists or can be taken over from an earlier run."""
        name, each = self.due[0], self._cluster.each
        if record := self._run.stage_record(name):
            self._tick(record, resumed=True)
            return True
        step, target = self._step(name), self._run.stage_folder(name)
        record = take_over(step, self._key(step), self._earlier, target, each, self._retry_errors)
        if record:
            self._tick(record)
        return record is not None

    def work(self) -> None:
        """Run the first stage, and the following ones that can run at the same time."""
        recipe, run = self._recipe, self._run
        step = self._step(self.due[0])
        names = [step.name] if may_stay(step, self._earlier) else together(recipe, list(self.due))
        reads = wire([(name, stage.takes, stage.gives) for name, stage, _ in recipe.line()])
        units = Units(recipe, run.folder)
        before = {name: outside(recipe, name) for name in names}
        flow = Flow(self._cluster.client, run, recipe.budget, self._watcher, self._recorder, units)
        for name in names:
            flow.add(self._job(name), reads[name])
        if not self._started:
            self._start_engine()
        try:
            for stage in flow.work():
                record = stage.end(reads[stage.name]) | {"key": self._key(self._step(stage.name))}
                if outside(recipe, stage.name) != before[stage.name]:
                    record |= {"key": "", "notices": [*record.get("notices", []), CHANGED]}
                target = run.stage_folder(stage.name)
                self._tick(integrity.complete_stage(stage.job.folder, target, record, self._cluster.each))
        except BudgetSpent:
            lifecycle.stop(run, "budget")
            raise BudgetSpent(budget.stop_message(recipe.budget, run.spent, self.due[0])) from None
        finally:
            self._recorder.save()

    def _start_engine(self) -> None:
        """Load the first model while other stages run, unless stored answers may suffice."""
        self._started = True
        completions, client = self._run.completions, self._cluster.client
        stages = [stage for stage, _ in map(self._recipe.step, self.due)]
        roles = [stage.role for stage in stages if isinstance(stage, ModelStage)]
        if roles and not completions.segments() and not completions.journals():
            home, model = str(self._run.folder.parent), self._recipe.models.role(roles[0])
            engines, identity = WorkerPool(client).engines, self._models[roles[0]]
            client.run(start_engine, home, model, identity, workers=engines, on_error="ignore")

    def _tick(self, record: StageRecord, resumed: bool = False) -> None:
        self._records[self.due.popleft()] = record
        self._watcher.end(record, resumed)

    def _step(self, name: str) -> Step:
        """Describe a stage whose predecessors are all complete."""
        return step_of(self._recipe, name, self._run.folder, self._models, self._records)

    def _key(self, step: Step) -> str:
        """Compute the key of a stage once: that of a source stage hashes the whole corpus."""
        if step.name not in self._keys:
            self._keys[step.name] = key_of(step, self._recipe, self._models)
        return self._keys[step.name]

    def _job(self, name: str) -> Job:
        stage, options = self._recipe.step(name)
        return Job(
            name,
            stage,
            options,
            context_of(self._recipe, name, self._run.folder, self._models),
            self._run.stage_folder(name).with_name(UNFINISHED + name),
            model=self._recipe.models.role(stage.role) if isinstance(stage, ModelStage) else None,
            retry_errors=self._retry_errors,
        )


def _release(run: Run, home: Path) -> Run:
    """Report on a run whose stages are complete, and release it unless there is an objection."""
    changed = release.changes(run, home)
    if changed is not None:
        write_changes(changed, run.folder)
    if planned := compare_with_plan(run):
        write_sealed(planned, run.folder / PLAN)
    if reuse_report(run) is None:
        from datagen.report.html import write_report  # loaded when needed: an unchanged run has no use for it

        write_report(run)
    if objection := release.objection(run, home, changed):
        withheld = lifecycle.withhold(run, objection)
        raise lifecycle.WithheldError(
            f"the run {run.folder} is not released: {objection}. latest is unchanged, and all answers are "
            "kept for the next run"
            + (f". To see what differs: datagen diff {home / 'latest'} {run.folder}" if changed else ""),
            withheld,
        )
    return lifecycle.finish(run, home)
