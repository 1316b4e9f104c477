"""Run folders, ``outputs/<recipe>/<run>/``: what their manifests say."""

import json
import platform
import shutil
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import datagen
from datagen.errors import UserError
from datagen.recipe.model import Recipe
from datagen.request import Identity, Usage
from datagen.schema import content_id
from datagen.store.completions import Completions
from datagen.store.parquet import UNFINISHED, sync, write_json


@dataclass(frozen=True)
class Run:
    """A run's folder and its manifest."""

    folder: Path
    manifest: dict[str, Any]

    @property
    def finished(self) -> bool:
        """Whether it came to its end."""
        result: bool = self.manifest["state"] == "finished"
        return result

    @property
    def completions(self) -> Completions:
        """The answers it paid for or took over."""
        return Completions(self.folder / "completions")

    @property
    def spent(self) -> Usage:
        """What its answers took, those of earlier runs left out."""
        return self.completions.spent

    def stage_folder(self, name: str) -> Path:
        """Where a stage's table stands when it is complete."""
        return self.folder / "stages" / name

    def stage_record(self, name: str) -> dict[str, Any] | None:
        """What a stage's ``stage.json`` says; None while the stage is not complete."""
        path = self.stage_folder(name) / "stage.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None

    def stage_records(self) -> list[dict[str, Any]]:
        """The records of the complete stages, in the order of the line."""
        records = (self.stage_record(name) for name in self.manifest["stages"])
        return [record for record in records if record is not None]


def open_run(folder: Path) -> Run:
    """
    Open a run by its folder, or by a link to it such as ``outputs/<recipe>/latest``.

    Raises
    ------
    UserError
        When there is no run.
    """
    path = folder / "manifest.json"
    if not path.is_file():
        raise UserError(f"{folder} is not a run: it has no manifest.json")
    return Run(folder.resolve(), json.loads(path.read_text(encoding="utf-8")))


def earlier_runs(home: Path) -> list[Run]:
    """List the runs of a recipe, the oldest first."""
    manifests = sorted(home.glob("*/manifest.json"))
    return [open_run(path.parent) for path in manifests if not path.parent.is_symlink()]


def begin(recipe: Recipe, home: Path, models: dict[str, Identity], fresh: bool = False) -> Run:
    """
    Continue the newest run when it is unfinished and says the same; else make a new folder.

    The same: recipe but for its budget, own prompts, models and version of datagen. A new run takes over the
    completions of the one before, which has those of all earlier ones.
    """
    runs = earlier_runs(home)
    print_ = fingerprint(recipe, models)
    if runs and not fresh and not runs[-1].finished and runs[-1].manifest["fingerprint"] == print_:
        again = {"recipe": recipe.model_dump(mode="json"), "state": "running"}
        run = Run(runs[-1].folder, runs[-1].manifest | again)
    else:
        run = Run(_new_folder(home), _manifest(recipe, models, print_))
        if runs:  # before there is a manifest: what counts as a run has all that was paid for until then
            run.completions.inherit(runs[-1].completions)
    write_json(run.manifest, run.folder / "manifest.json")
    stages = run.folder / "stages"
    stages.mkdir(exist_ok=True)
    for leftover in [*stages.glob(f"{UNFINISHED}*"), *run.folder.glob(f"{UNFINISHED}*")]:
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    run.completions.clear_unfinished()
    run.completions.settle()
    return run


def stop(run: Run, why: str) -> None:
    """Settle a run that stops before its end, and write into the manifest why it does."""
    run.completions.settle()
    write_json(run.manifest | {"state": f"stopped: {why}"}, run.folder / "manifest.json")


def finish(run: Run, home: Path) -> Run:
    """Write into the manifest that the run is finished, and point ``latest`` at it."""
    manifest = run.manifest | {"state": "finished", "finished": _now()}
    write_json(manifest, run.folder / "manifest.json")
    beside = home / f"{UNFINISHED}latest"
    beside.unlink(missing_ok=True)
    beside.symlink_to(run.folder.name)
    beside.replace(home / "latest")
    sync(home)
    return Run(run.folder, manifest)


def fingerprint(recipe: Recipe, models: dict[str, Identity]) -> str:
    """Hash what must be the same for a run to be continued."""
    own = recipe.prompt_folder
    prompts = [path.read_text(encoding="utf-8") for path in sorted(own.rglob("*.yaml"))] if own else []
    # Not what it may cost, nor where it is done.
    what = recipe.model_dump_json(exclude={"budget": True, "cluster": {"address", "workers"}})
    said = [what, datagen.__version__, *(f"{role}={who}" for role, who in models.items())]
    return content_id(*said, *prompts)


def _new_folder(home: Path) -> Path:
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    for number in range(1000):
        folder = home / (f"{stamp}-{number}" if number else stamp)
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise UserError(f"{home} has a thousand runs of this second")


def _manifest(recipe: Recipe, models: dict[str, Identity], print_: str) -> dict[str, Any]:
    return {
        "recipe": recipe.model_dump(mode="json"),
        "prompts": str(recipe.prompt_folder.resolve()) if recipe.prompt_folder else None,
        "fingerprint": print_,
        "models": {role: asdict(who) for role, who in models.items()},
        "stages": list(recipe.stages),
        "state": "running",
        "started": _now(),
        "finished": None,
        "datagen": datagen.__version__,
        "python": platform.python_version(),
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
