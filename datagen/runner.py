"""
A run: the recipe's stages, one after another, each a folder that is complete or absent.

An unfinished run of the same recipe is continued: stages whose folder exists are not run again, and no
completion is paid for twice. A new run takes over the completions of the earlier ones, so that a
refresh generates only what changed.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from distributed import Client, Future, as_completed

from datagen import runs, work
from datagen.cluster import local_cluster, one_shard, ordinary_workers
from datagen.completions import Completions
from datagen.errors import UserError
from datagen.generation import Usage
from datagen.lease import lease
from datagen.recipe import Recipe
from datagen.report import write_report
from datagen.stage import Context, MapStage, ModelStage, SourceStage, WholeStage
from datagen.tables import UNFINISHED, finish_folder, parts, write_json
from datagen.work import GenerationReport, Job, PartReport


class Watcher(Protocol):
    """Told what the run is doing."""

    def begin(self, stage: str, partitions: int) -> None:
        """A stage begins; so many partitions are to be done."""

    def advance(self, stage: str, partitions: int, usage: Usage) -> None:
        """So many partitions are done; what generation took so far."""

    def end(self, record: dict[str, Any], resumed: bool) -> None:
        """A stage is complete: its ``stage.json``, and whether it was there already."""


def run(recipe: Recipe, outputs: Path, watcher: Watcher, fresh: bool = False) -> runs.Run:
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

    Raises
    ------
    UserError
        What the user can mend: the corpus, the recipe, the engine, a run that is already going.
    """
    home = outputs / recipe.name
    line = recipe.line()
    reads = wire([(name, stage.takes, stage.gives) for name, stage, _ in line])
    asks = any(isinstance(stage, ModelStage) for _, stage, _ in line)
    models = work.identities(("generator", "target", "judge"), recipe) if asks else {}
    with lease(home), ExitStack() as stack:
        running = runs.begin(recipe, home, models, fresh)
        client: Client | None = None
        for name, stage, options in line:
            if record := running.stage_record(name):
                watcher.end(record, resumed=True)
                continue
            if client is None:
                client = stack.enter_context(local_cluster(recipe.cluster.workers, asks))
            folder = running.stage_folder(name)
            context = Context(name, recipe, running.folder, models)
            job = Job(name, stage, options, context, folder.with_name(UNFINISHED + name))
            inputs = [path for source in reads[name] for path in parts(running.stage_folder(source))]
            record = _StageRun(client, job, inputs, running.completions, watcher).work(reads[name])
            write_json(record, job.folder / "stage.json")
            finish_folder(job.folder, folder)
            watcher.end(record, resumed=False)
        write_report(running)
        return runs.finish(running, home)


def wire(steps: Sequence[tuple[str, str, str]]) -> dict[str, list[str]]:
    """
    Find out whose tables each stage reads.

    Parameters
    ----------
    steps
        Name, kind of table taken and kind given, in the order of the line.

    Returns
    -------
    Stage -> stages that it reads. A stage that gives another kind than it takes adds its table to those
    of that kind; one that gives the kind it takes replaces them all.
    """
    current: dict[str, list[str]] = {}
    wired = {}
    for name, takes, gives in steps:
        if takes and takes not in current:
            raise UserError(
                f"stages.{name} takes {takes}, but no stage before it gives any; add one that does"
            )
        wired[name] = list(current.get(takes, []))
        current[gives] = [name] if takes == gives else [*current.get(gives, []), name]
    return wired


class _StageRun:
    """One stage being run on the cluster."""

    def __init__(
        self, client: Client, job: Job, inputs: Sequence[Path], completions: Completions, watcher: Watcher
    ) -> None:
        self._client, self._job, self._inputs = client, job, inputs
        self._completions, self._watcher = completions, watcher
        self._workers = ordinary_workers(client)
        self._total = PartReport()

    def work(self, reads: Sequence[str]) -> dict[str, Any]:
        """Run the stage into its unfinished folder; return what ``stage.json`` will say."""
        job, started = self._job, time.monotonic()
        job.folder.mkdir()
        made = None
        match job.stage:
            case SourceStage():
                sources = job.stage.plan(job.options, job.context)
                self._gather([self._submit(work.read_source, source, n) for n, source in enumerate(sources)])
            case MapStage():
                self._gather([self._submit(work.apply_map, path, n) for n, path in enumerate(self._inputs)])
            case WholeStage():
                self._gather([self._submit(work.run_whole, list(self._inputs))])
            case ModelStage():
                made = self._generate()
        if not parts(job.folder):
            work.empty_part(job)
        return self._record(reads, made, time.monotonic() - started)

    def _generate(self) -> GenerationReport:
        """Chain asking, generating and reading for every partition; nothing waits for all of a step."""
        job, folder = self._job, self._completions.folder
        topic = f"{job.context.folder.name}/{job.name}"
        progress = _Progress(self._watcher, job.name)
        self._client.subscribe_topic(topic, progress.hear)
        generating: list[Future] = []
        reading = []

        def answer(requests: Future) -> Future:
            generating.append(
                self._client.submit(
                    work.generate, job, requests, folder, topic, resources=one_shard(), pure=False
                )
            )
            return generating[-1]

        for number, path in enumerate(self._inputs):
            requests = [self._submit(work.write_requests, path, number)]
            answered = [answer(requests[0])]
            if job.stage.follow is not None:
                first = (requests[0], folder, number, answered[0])
                requests.append(self._submit(work.write_follow_ups, path, *first))
                answered.append(answer(requests[1]))
            reading.append(self._submit(work.read_answers, path, requests, folder, number, answered))
        self._gather(reading, progress)
        self._client.unsubscribe_topic(topic)
        self._completions.settle()
        return sum(self._client.gather(generating), start=GenerationReport())

    def _submit(self, function: Callable[..., Any], *arguments: Any) -> Future:
        return self._client.submit(function, self._job, *arguments, workers=self._workers, pure=False)

    def _gather(self, futures: Sequence[Future], progress: "_Progress | None" = None) -> None:
        progress = progress or _Progress(self._watcher, self._job.name)
        self._watcher.begin(self._job.name, len(futures))
        try:
            for future in as_completed(futures):
                self._total += future.result()
                progress.part_done()
        except BaseException as error:
            error.add_note(f"in stage {self._job.name}, reading {self._job.context.folder}")
            self._client.cancel(list(futures), force=True)
            raise

    def _record(self, reads: Sequence[str], made: GenerationReport | None, seconds: float) -> dict[str, Any]:
        job, total = self._job, self._total
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
        if made is not None:
            record["model"] = {"role": job.stage.role, **asdict(job.context.models[job.stage.role])}
            record["requests"] = {"asked": made.requests, "reused": made.reused, **asdict(made.usage)}
        return record


class _Progress:
    """Adds up what the workers say about a stage."""

    def __init__(self, watcher: Watcher, stage: str) -> None:
        self._watcher, self._stage = watcher, stage
        self._partitions = 0
        self._usage: dict[str, Usage] = {}

    def hear(self, event: tuple[float, dict[str, Any]]) -> None:
        """Take a worker's message; runs on Dask's event loop."""
        said = dict(event[1])
        part = said.pop("part")
        self._usage[part] = Usage(**said)
        self._show()

    def part_done(self) -> None:
        """Count a finished partition."""
        self._partitions += 1
        self._show()

    def _show(self) -> None:
        self._watcher.advance(self._stage, self._partitions, sum(self._usage.values(), start=Usage()))
