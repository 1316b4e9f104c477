"""
``datagen check``: everything about a run that can be known without doing any of it.

Each model is asked for one token or its folder is opened; test sets, labels, corpus, outputs, disk and
memory are looked at. No engine and no cluster is started.
"""

import logging
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from datagen.cluster import hardware
from datagen.cluster.local import open_cluster
from datagen.cluster.workers import Crew
from datagen.engines.identity import identify
from datagen.engines.reach import ask_one_token, wait_for_server
from datagen.errors import UserError
from datagen.recipe.model import Recipe
from datagen.recipe.sections import Model, OpenAIModel, VllmModel
from datagen.report.findings import Finding
from datagen.run.folder import Run, earlier_runs
from datagen.stage import Context, ModelStage, Options, SourceStage
from datagen.stages.confidence.labels.file import labels_in
from datagen.stages.shared.eval_sets import EvaluationSet, read_texts
from datagen.store.disk import translate_file_errors

GIB, MB = 2**30, 1e6
GROWTH = 12  # bytes of a run's folder to a byte of its corpus, where no run says better
COPIES = 40  # bytes of a worker's memory to a byte of its partition
WORKER_BYTES = 0.4 * GIB  # of a worker before it reads anything
WAIT_SECONDS = 60.0  # for a server before a run that has no answers yet
ENGINE_BYTES = 4 * GIB  # of vLLM with a small model on the CPU

log = logging.getLogger(__name__)


def check(recipe: Recipe, outputs: Path) -> list[Finding]:
    """
    Look at everything that a run of a recipe needs.

    Parameters
    ----------
    recipe
        A recipe whose keys are sound.
    outputs
        The folder that runs go to.
    """
    home = (outputs / recipe.name).resolve()
    line = recipe.line()
    findings = [Finding("recipe", f"{recipe.file}: {len(line)} stages", True)]
    findings += _outputs(home)
    runs = earlier_runs(home) if home.is_dir() else []
    size = 0
    for name, stage, options in line:
        if isinstance(stage, SourceStage):
            finding, read = _corpus(name, stage, options, recipe.context(name, home / "check"))
            findings.append(finding)
            size += read
    return [*findings, *_models(recipe), *_files(recipe), *_room(recipe, home, runs, size)]


def before_work(recipe: Recipe, run: Run) -> None:
    """
    Look at what would stop a run later, without asking a model anything.

    A model that cannot be asked stops a run that has no answers yet. One that has may need no more of them,
    so that a warning does.

    Raises
    ------
    UserError
        When the run could not come to its end.
    """
    answered = bool(run.completions.segments())
    wrong = [finding for finding in _files(recipe) if finding.ok is False]
    for role, model in _asked(recipe).items():
        try:
            _reach(model, 0 if answered else min(model.patience, WAIT_SECONDS))
        except UserError as error:
            if answered:
                log.warning(f"models.{role}: {error}. The run goes on with the answers that it has")
            else:
                wrong.append(Finding(f"models.{role}", str(error), False))
    if wrong:
        raise UserError(
            "\n".join(f"{finding.what}: {finding.found}" for finding in wrong)
            + "\nNothing was begun. With --no-check the run begins all the same"
        )


def _reach(model: Model, seconds: float) -> None:
    if not isinstance(model, OpenAIModel):
        ask_one_token(model)
    elif why := wait_for_server(model, seconds):
        raise UserError(why)


def _asked(recipe: Recipe) -> dict[str, Model]:
    """Give the models that stages ask, each under the first role that it plays."""
    found: dict[str, Model] = {}
    for _, stage, _ in recipe.line():
        if isinstance(stage, ModelStage):
            model = recipe.models.role(stage.role)
            if model not in found.values():
                found[stage.role] = model
    return found


def _attempt(what: str, look: Callable[[], str]) -> Finding:
    """Report what a look found, or what speaks against it."""
    try:
        with translate_file_errors():
            return Finding(what, look(), True)
    except UserError as error:
        return Finding(what, str(error), False)


def _outputs(home: Path) -> Iterator[Finding]:
    def writable() -> str:
        folder = next(folder for folder in (home, *home.parents) if folder.exists())
        if not folder.is_dir():
            raise UserError(f"{folder} is a file. Name another folder with --outputs")
        mark = folder / ".unfinished-check"
        mark.touch()
        mark.unlink()
        return str(home)

    yield _attempt("outputs", writable)


def _corpus(
    name: str, stage: SourceStage[Any, Any], options: Options, context: Context
) -> tuple[Finding, int]:
    """Plan a stage that reads the corpus: what it would read, and how many bytes."""
    files: list[Any] = []

    def plan() -> str:
        tasks = stage.plan(options, context)
        files.extend(file for task in tasks for file in getattr(task, "files", ()))
        refused = sum(len(getattr(task, "reasons", ())) for task in tasks)
        size = sum(getattr(file, "size", 0) for file in files)
        said = f"{len(tasks):,} tasks"
        said += f", {len(files) - refused:,} files, {size / MB:,.1f} MB" if files else ""
        return said + (f", {refused:,} that cannot be read" if refused else "")

    return _attempt(f"corpus ({name})", plan), sum(getattr(file, "size", 0) for file in files)


def _models(recipe: Recipe) -> Iterator[Finding]:
    """Ask each model that a stage asks."""
    for role, model in _asked(recipe).items():

        def ask(model: Model = model) -> str:
            found = ask_one_token(model)
            identify(model)
            return found

        yield _attempt(f"model ({role})", ask)


def _files(recipe: Recipe) -> Iterator[Finding]:
    """Read the first item of each test set, and the labels."""
    for name, _, options in recipe.line():
        for field, value in options:
            for given in value if isinstance(value, list | tuple) else [value]:
                if isinstance(given, EvaluationSet):

                    def read(given: EvaluationSet = given, said: str = f"{name}.{field}") -> str:
                        first = next(iter(read_texts(given, recipe.folder, said)), None)
                        if first is None:
                            raise UserError(f"{said}: {given.path} has no text")
                        return f"{given.path}: {first[0]}"

                    yield _attempt(f"{name}.{field}", read)
        if labels := getattr(options, "labels", None):

            def count(labels: Sequence[str] = labels) -> str:
                found = labels_in([recipe.folder / path for path in labels])
                return f"{len(found):,} labels in {', '.join(labels)}"

            yield _attempt(f"{name}.labels", count)


def _room(recipe: Recipe, home: Path, runs: Sequence[Run], size: int) -> Iterator[Finding]:
    """Compare disk and memory with what a run takes."""
    folder = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(folder).free
    finished = [run for run in runs if run.over]
    needed = _bytes(finished[-1].folder) if finished else GROWTH * size
    basis = "as much as the last run" if finished else f"{GROWTH} times the corpus"
    yield Finding(
        "disk",
        f"{free / GIB:.1f} GiB free in {folder}; a run may take {needed / GIB:.2f} GiB ({basis})",
        free > needed,
        "make room, or name another folder with --outputs",
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
        f"{memory.available / GIB:.1f} GiB free; {workers} workers with partitions of "
        f"{recipe.cluster.partition_mb:g} MB{' and an engine' if engines else ''} may take "
        f"{estimate / GIB:.1f} GiB",
        memory.available > estimate,
        "lower cluster.partition_mb or cluster.workers",
    )


def _cluster(recipe: Recipe, home: Path) -> str:
    """Join the cluster, say who is there and where Dask's dashboard is, and leave."""
    seen = next(folder for folder in (home, *home.parents) if folder.exists())  # workers must see it too
    with open_cluster(recipe.cluster, seen, bool(_asked(recipe))) as client:
        crew = Crew(client)
        return (
            f"{len(crew.everybody)} workers at {recipe.cluster.address}, {len(crew.engines)} with an engine; "
            f"dashboard: {client.dashboard_link}"
        )


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
