"""
``datagen check``: check everything that a run needs, without running it.

Requests one token from each server or opens the model's folder, and checks test sets, labels, corpus,
outputs, disk and memory. Starts no engine and no cluster.
"""

import logging
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from datagen.cluster import hardware
from datagen.cluster.local import open_cluster
from datagen.cluster.workers import WorkerPool, dashboard_of
from datagen.engines.identity import identify
from datagen.engines.reach import ask_one_token, wait_for_server
from datagen.errors import UserError
from datagen.recipe.model import Recipe
from datagen.recipe.roles import Model, OpenAIModel, VllmModel
from datagen.report.findings import Finding
from datagen.run.folder import Run, earlier_runs
from datagen.stage import Context, ModelStage, Options, SourceStage
from datagen.stages.confidence.labels.file import labels_in
from datagen.stages.shared.eval_sets import EvaluationSet, read_texts
from datagen.store.disk import file_error, translate_file_errors

GIB, MB = 2**30, 1e6
GROWTH = 12  # size of a run's folder relative to its corpus, if there is no earlier run to compare
COPIES = 40  # memory of a worker relative to its partition
WORKER_BYTES = 0.4 * GIB  # memory of an idle worker
WAIT_SECONDS = 60.0  # maximum wait for a server before a run without answers
ENGINE_BYTES = 4 * GIB  # memory of vLLM with a small model on the CPU

log = logging.getLogger(__name__)


def check(recipe: Recipe, outputs: Path) -> list[Finding]:
    """
    Check everything that a run of a recipe needs.

    Parameters
    ----------
    recipe
        A valid recipe.
    outputs
        Folder of all runs.
    """
    home = (outputs / recipe.name).resolve()
    stages = recipe.line()
    findings = [Finding("recipe", f"{recipe.file}: {len(stages)} stages", True)]
    findings += _outputs(home)
    runs = earlier_runs(home) if home.is_dir() else []
    size = 0
    for name, stage, options in stages:
        if isinstance(stage, SourceStage):
            finding, bytes_read = _corpus(name, stage, options, recipe.context(name, home / "check"))
            findings.append(finding)
            size += bytes_read
    return [*findings, *_models(recipe), *_files(recipe), *_resources(recipe, home, runs, size)]


def before_work(recipe: Recipe, run: Run) -> None:
    """
    Check for problems that would stop a run later, without sending a request.

    An unreachable model stops a run that has no answers yet. A run with answers may need no more of them, so
    there is only a warning.

    Raises
    ------
    UserError
        If the run could not finish.
    """
    answered = bool(run.completions.segments())
    found = [*_files(recipe), *_later_sources(recipe, run)]
    problems = [finding for finding in found if finding.ok is False]
    for role, model in _models_of_stages(recipe).items():
        try:
            _reach(model, 0 if answered else min(model.patience, WAIT_SECONDS))
        except UserError as error:
            if answered:
                log.warning(f"models.{role}: the run continues with its stored answers, but {error}")
            else:
                problems.append(Finding(f"models.{role}", str(error), False))
    if problems:
        raise UserError(
            "\n".join(f"{finding.what}: {finding.found}" for finding in problems)
            + "\nThe run was not started. Use --no-check to start it anyway"
        )


def _later_sources(recipe: Recipe, run: Run) -> Iterator[Finding]:
    """Plan the sources that the run reaches after its first requests, such as own pairs or a tree."""
    asked = False
    for name, stage, options in recipe.line():
        if asked and isinstance(stage, SourceStage):
            yield _corpus(name, stage, options, recipe.context(name, run.folder))[0]
        asked = asked or isinstance(stage, ModelStage)


def _reach(model: Model, seconds: float) -> None:
    if not isinstance(model, OpenAIModel):
        ask_one_token(model)
    elif why := wait_for_server(model, seconds):
        raise UserError(why)


def _models_of_stages(recipe: Recipe) -> dict[str, Model]:
    """Return the models of the stages, each under its first role."""
    models: dict[str, Model] = {}
    for _, stage, _ in recipe.line():
        if isinstance(stage, ModelStage):
            model = recipe.models.role(stage.role)
            if model not in models.values():
                models[stage.role] = model
    return models


def _attempt(what: str, probe: Callable[[], str]) -> Finding:
    """Report the result of a check, or its error."""
    try:
        with translate_file_errors():
            return Finding(what, probe(), True)
    except UserError as error:
        return Finding(what, str(error), False)


def _outputs(home: Path) -> Iterator[Finding]:
    def writable() -> str:
        folder = next(folder for folder in (home, *home.parents) if folder.exists())
        if not folder.is_dir():
            raise UserError(f"{folder} is a file. Choose another folder with --outputs")
        probe = folder / ".unfinished-check"
        try:
            probe.touch()
            probe.unlink()
        except FileNotFoundError as error:  # a folder of the system, such as /proc
            raise file_error(error, folder) from error
        return str(home)

    yield _attempt("outputs", writable)


def _corpus(
    name: str, stage: SourceStage[Options, object], options: Options, context: Context
) -> tuple[Finding, int]:
    """Plan a stage that reads the corpus; return the finding, and the corpus's size in bytes."""
    files: list[object] = []

    def plan() -> str:
        tasks = stage.plan(options, context)
        files.extend(file for task in tasks for file in getattr(task, "files", ()))
        reasons = [reason for task in tasks for reason in getattr(task, "reasons", ())]
        unreadable = len(reasons)
        if files and unreadable == len(files):
            raise UserError(f"none of its {_count(unreadable, 'file')} can be read: {reasons[0]}")
        size = sum(getattr(file, "size", 0) for file in files)
        message = _count(len(tasks), "partition")
        message += f", {_count(len(files) - unreadable, 'file')}, {size / MB:,.1f} MB" if files else ""
        return message + (f", {unreadable:,} unreadable" if unreadable else "")

    return _attempt(f"corpus ({name})", plan), sum(getattr(file, "size", 0) for file in files)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _models(recipe: Recipe) -> Iterator[Finding]:
    """Request one token from each model."""
    for role, model in _models_of_stages(recipe).items():

        def ask_model(model: Model = model) -> str:
            reply = ask_one_token(model)
            identify(model)
            return reply

        yield _attempt(f"model ({role})", ask_model)


def _files(recipe: Recipe) -> Iterator[Finding]:
    """Read the first item of each test set, and the labels."""
    for name, _, options in recipe.line():
        for field, value in options:
            for test_set in value if isinstance(value, list | tuple) else [value]:
                if isinstance(test_set, EvaluationSet):

                    def read(test_set: EvaluationSet = test_set, option: str = f"{name}.{field}") -> str:
                        first = next(iter(read_texts(test_set, recipe.folder, option)), None)
                        if first is None:
                            raise UserError(f"{option}: {test_set.path} has no text")
                        return f"{test_set.path}: {first[0]}"

                    yield _attempt(f"{name}.{field}", read)
        if labels := getattr(options, "labels", None):

            def count(labels: Sequence[str] = labels) -> str:
                labelled = labels_in([recipe.folder / path for path in labels])
                return f"{len(labelled):,} labels in {', '.join(labels)}"

            yield _attempt(f"{name}.labels", count)


def _resources(recipe: Recipe, home: Path, runs: Sequence[Run], size: int) -> Iterator[Finding]:
    """Compare free disk space and memory with the estimated need."""
    folder = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(folder).free
    finished = [run for run in runs if run.over]
    needed = _size(finished[-1].folder) if finished else GROWTH * size
    basis = "as the last run" if finished else f"{GROWTH} times the corpus"
    yield Finding(
        "disk",
        f"{free / GIB:.1f} GiB free in {folder}; a run may need {needed / GIB:.2f} GiB ({basis})",
        free > needed,
        "make room, or choose another folder with --outputs",
    )
    if recipe.cluster.address:
        yield _attempt("cluster", lambda: _cluster(recipe, home))
        return
    workers = recipe.cluster.workers or hardware.cores()
    engines = any(
        isinstance(stage, ModelStage) and isinstance(recipe.models.role(stage.role), VllmModel)
        for _, stage, _ in recipe.line()
    )
    per_worker = WORKER_BYTES + COPIES * recipe.cluster.partition_mb * MB
    estimate = workers * per_worker + engines * ENGINE_BYTES
    memory = hardware.memory()
    yield Finding(
        "memory",
        f"{memory.available / GIB:.1f} GiB free; {_count(workers, 'worker')} with partitions of "
        f"{recipe.cluster.partition_mb:g} MB{' and an engine' if engines else ''} may need "
        f"{estimate / GIB:.1f} GiB",
        memory.available > estimate,
        "lower cluster.partition_mb or cluster.workers",
    )


def _cluster(recipe: Recipe, home: Path) -> str:
    """Connect to the cluster; report its workers and the address of Dask's dashboard."""
    # An existing folder, because workers check that they have access to it.
    shared = next(folder for folder in (home, *home.parents) if folder.exists())
    with open_cluster(recipe.cluster, shared, bool(_models_of_stages(recipe))) as client:
        pool = WorkerPool(client)
        return (
            f"{_count(len(pool.all), 'worker')} at {recipe.cluster.address}, {len(pool.engines)} with an "
            f"engine; dashboard: {dashboard_of(client) or 'none'}"
        )


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
