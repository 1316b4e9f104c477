"""The states of a run: it begins or resumes, stops early, and is withheld or finished."""

import platform
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import datagen
from datagen.errors import UserError
from datagen.json_types import JsonObject
from datagen.recipe.model import Recipe
from datagen.request import Identity
from datagen.run.content import prompts_content
from datagen.run.folder import FINISHED, MANIFEST, WITHHELD, Run, earlier_runs, related_runs
from datagen.schema import content_id
from datagen.store.completions import Completions
from datagen.store.digests import is_sealed, sealed
from datagen.store.parquet import UNFINISHED, sync, write_json

PREVIEW = "preview"  # folder next to the runs: the answers that previews of the recipe paid for


def begin(recipe: Recipe, home: Path, models: dict[str, Identity], fresh: bool = False) -> Run:
    """
    Resume the newest run if it is unfinished and has the same fingerprint; else create a new folder.

    A new run takes over the completions of all runs that no other run has taken over.
    """
    _check_name(home)
    _check_latest(home)
    runs = earlier_runs(home)
    digest = fingerprint(recipe, models)
    if runs and not fresh and _can_resume(runs[-1], digest):
        changes = {"recipe": recipe.model_dump(mode="json"), "state": "running"}
        run = Run(runs[-1].folder, runs[-1].manifest | changes)
    else:
        related = related_runs(home)
        run = Run(_new_folder(home), _manifest(recipe, models, digest, related))
        inherited = set(_inherited(related))
        # Before the manifest is written, because every folder with a manifest must hold all earlier answers.
        for earlier in related:
            if earlier.id not in inherited:
                run.completions.inherit(earlier.completions)
        run.manifest["folder"] = run.folder.name
    if (home / PREVIEW).is_dir():
        run.completions.inherit(Completions(home / PREVIEW))
    write_json(sealed(run.manifest), run.folder / MANIFEST)
    stages = run.folder / "stages"
    stages.mkdir(exist_ok=True)
    for leftover in [*stages.glob(f"{UNFINISHED}*"), *run.folder.glob(f"{UNFINISHED}*")]:
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    run.completions.clear_unfinished()
    run.completions.settle()
    return run


def _check_name(home: Path) -> None:
    try:
        str(home.absolute()).encode()
    except UnicodeEncodeError:
        raise UserError(
            f"{home.absolute()} is not valid UTF-8, so tables cannot be written there; change --outputs"
        ) from None


def _can_resume(run: Run, digest: str) -> bool:
    unfinished = is_sealed(run.manifest) and not run.over
    return unfinished and run.manifest["fingerprint"] == digest


def stop(run: Run, why: str) -> None:
    """Settle a run that stops early, and write the reason to the manifest."""
    run.completions.settle()
    write_json(sealed(run.manifest | {"state": f"stopped: {why}"}), run.folder / MANIFEST)


class WithheldError(UserError):
    """A complete run is not released; `run` is that run."""

    def __init__(self, message: str, run: Run) -> None:
        super().__init__(message)
        self.run = run


def withhold(run: Run, why: str) -> Run:
    """Write to the manifest that the run is complete but not released. It cannot be resumed."""
    manifest = sealed(run.manifest | {"state": f"{WITHHELD}: {why}", "finished": _now()})
    write_json(manifest, run.folder / MANIFEST)
    return Run(run.folder, manifest)


def finish(run: Run, home: Path) -> Run:
    """Write to the manifest that the run is finished, and point ``latest`` at it."""
    _check_latest(home)
    manifest = sealed(run.manifest | {"state": FINISHED, "finished": _now()})
    write_json(manifest, run.folder / MANIFEST)
    point_latest(home, run)
    return Run(run.folder, manifest)


def point_latest(home: Path, run: Run) -> None:
    """Point ``latest`` at a run."""
    unfinished = home / f"{UNFINISHED}latest"
    unfinished.unlink(missing_ok=True)
    unfinished.symlink_to(run.folder.name)
    unfinished.replace(home / "latest")
    sync(home)


def _check_latest(home: Path) -> None:
    """Stop if ``latest`` is a folder, so that the link cannot be created."""
    latest = home / "latest"
    if latest.is_dir() and not latest.is_symlink():
        raise UserError(
            f"{latest} is a folder, but must be a link to the newest finished run. Move it away and run the "
            "same command again to resume"
        )


def fingerprint(recipe: Recipe, models: dict[str, Identity]) -> str:
    """Hash everything that must be unchanged for a run to be resumed."""
    # Without budget, prices, the conditions of a release, and the machines.
    settings = recipe.model_dump_json(
        exclude={
            "budget": True,
            "prices": True,
            "min_rows": True,
            "min_task_rows": True,
            "gates": True,
            "cluster": {"address", "workers"},
        }
    )
    identities = [f"{role}={identity}" for role, identity in models.items()]
    return content_id(settings, datagen.__version__, *identities, prompts_content(recipe.prompt_folder))


def _new_folder(home: Path) -> Path:
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    for number in range(1000):
        folder = home / (f"{stamp}-{number}" if number else stamp)
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise UserError(f"{home} has a thousand runs from this second")


def _manifest(recipe: Recipe, models: dict[str, Identity], digest: str, earlier: Sequence[Run]) -> JsonObject:
    return {
        "id": uuid4().hex,
        "number": 1 + max((run.order[0] for run in earlier), default=0),
        "inherits": sorted({*(run.id for run in earlier), *_inherited(earlier)}),
        "recipe": recipe.model_dump(mode="json"),
        "prompts": str(recipe.prompt_folder.resolve()) if recipe.prompt_folder else None,
        "prompts_content": prompts_content(recipe.prompt_folder),
        "fingerprint": digest,
        "models": {role: asdict(identity) for role, identity in models.items()},
        "profiles": {role: asdict(recipe.profile(role)) for role in models},
        "stages": list(recipe.stages),
        "state": "running",
        "started": _now(),
        "finished": None,
        "datagen": datagen.__version__,
        "python": platform.python_version(),
    }


def _inherited(runs: Sequence[Run]) -> Iterator[str]:
    for run in runs:
        yield from run.manifest.get("inherits", [])


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
