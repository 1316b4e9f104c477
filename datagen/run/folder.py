"""
Run folders, ``outputs/<recipe>/<run>/``, and their manifests.

A manifest has the run's id, its number (one more than the highest before), and the ids of the runs whose
completions it has taken over. Only these decide which run is the newest, so a wrong clock, a renamed folder
or a copied folder does not matter.
"""

import json
import logging
import platform
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import cast
from uuid import uuid4

import datagen
from datagen.errors import UserError
from datagen.json_types import JsonObject
from datagen.recipe.model import Recipe
from datagen.request import Identity, Usage
from datagen.schema import content_id
from datagen.store.completions import Completions
from datagen.store.digests import SEAL, is_sealed, sealed
from datagen.store.parquet import RECORD, UNFINISHED, sync, write_json
from datagen.store.record import StageRecord

MANIFEST = "manifest.json"
PREVIEW = "preview"  # folder next to the runs: the answers that previews of the recipe paid for
SHAPE = {"recipe": dict, "stages": list, "inherits": list, "state": str, "fingerprint": str}  # of a manifest
STAGE_SHAPE = {"stage": str, "rows_in": int, "rows_out": int, "dropped": dict}  # of a stage's record

PILOT = ".pilot"  # suffix of a recipe's name: the folder of its pilots

log = logging.getLogger(__name__)

# Prefixes of the state of a complete run that was not released, or whose release was withdrawn.
WITHHELD, WITHDRAWN = "withheld", "withdrawn"


@dataclass(frozen=True)
class Run:
    """A run's folder and its manifest."""

    folder: Path
    manifest: JsonObject

    @property
    def id(self) -> str:
        """Unique id of the run, which does not change if the folder is renamed."""
        return str(self.manifest.get("id") or self.folder.name)

    @property
    def order(self) -> tuple[int, str, str]:
        """Sort key of runs, the newest last."""
        number, started = self.manifest.get("number"), self.manifest.get("started")
        return (number if isinstance(number, int) else 0, str(started), self.folder.name)

    @property
    def finished(self) -> bool:
        """Whether it is complete and released."""
        result: bool = self.manifest.get("state") == "finished"
        return result

    @property
    def over(self) -> bool:
        """Whether there is nothing to continue: it is finished, withheld or withdrawn."""
        state: str = self.manifest["state"]
        return self.finished or state.startswith((WITHHELD, WITHDRAWN))

    @property
    def completions(self) -> Completions:
        """The answers that it paid for or took over."""
        return Completions(self.folder / "completions")

    @property
    def spent(self) -> Usage:
        """Usage of its own answers, without those of earlier runs."""
        return self.completions.spent

    def stage_folder(self, name: str) -> Path:
        """Return the folder of a stage's table once it is complete."""
        return self.folder / "stages" / name

    def stage_record(self, name: str) -> StageRecord | None:
        """
        Read a stage's ``stage.json``; None while the stage is not complete.

        Raises
        ------
        UserError
            If it cannot be read, or was altered.
        """
        path = self.stage_folder(name) / RECORD
        if not path.exists():
            return None
        record = _unaltered(path)
        given = {"stage": None} | record
        wrong = [name for name, kind in STAGE_SHAPE.items() if not isinstance(given.get(name, kind()), kind)]
        if wrong and SEAL not in record:
            raise UserError(f"{path} is not a stage's record: {', '.join(wrong)} missing or invalid")
        return cast("StageRecord", record)

    def stage_records(self) -> list[StageRecord]:
        """Read the records of the complete stages, in the order of the recipe."""
        records = (self.stage_record(name) for name in self.manifest["stages"])
        return [record for record in records if record is not None]


def open_run(folder: Path) -> Run:
    """
    Open a run by its folder, or by a link to it such as ``outputs/<recipe>/latest``.

    Raises
    ------
    UserError
        If there is no run, or its manifest cannot be read or was altered.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise UserError(f"{folder} is not a run: it has no {MANIFEST}")
    manifest = _unaltered(path)
    wrong = [name for name, kind in SHAPE.items() if not isinstance(manifest.get(name, kind()), kind)]
    wrong += sorted({"recipe", "stages", "state", "fingerprint"} - manifest.keys())
    listed = [*manifest.get("stages", []), *manifest.get("inherits", [])] if not wrong else []
    if wrong or not all(isinstance(name, str) for name in listed) or "name" not in manifest["recipe"]:
        raise UserError(f"{path} was altered by hand: {', '.join(wrong) or 'a name'} is missing or invalid")
    return Run(folder.resolve(), manifest)


def earlier_runs(home: Path) -> list[Run]:
    """
    List the runs of a recipe, the oldest first; a run with an unreadable manifest counts as the oldest.

    Of several copies of a run, the one in its original folder counts, else the first by name.
    """
    runs: dict[str, Run] = {}
    for path in sorted(home.glob(f"*/{MANIFEST}")):
        if path.parent.is_symlink():
            continue
        try:
            run = open_run(path.parent)
        except UserError as error:
            log.warning(f"{error}. The run is not resumed; its completions are used")
            run = Run(path.parent.resolve(), {"state": "unreadable"})
        if run.id not in runs or run.folder.name == run.manifest.get("folder"):
            runs[run.id] = run
    return sorted(runs.values(), key=lambda run: run.order)


def related_runs(home: Path) -> list[Run]:
    """List the runs whose answers and stages a run may take over: the recipe's runs, and its pilots."""
    name = home.name.removesuffix(PILOT) if home.name.endswith(PILOT) else f"{home.name}{PILOT}"
    other = home.with_name(name)
    return [*(earlier_runs(other) if other.is_dir() else []), *earlier_runs(home)]


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


def withhold(run: Run, why: str) -> None:
    """Write to the manifest that the run is complete but not released. It cannot be resumed."""
    manifest = run.manifest | {"state": f"{WITHHELD}: {why}", "finished": _now()}
    write_json(sealed(manifest), run.folder / MANIFEST)


def finish(run: Run, home: Path) -> Run:
    """Write to the manifest that the run is finished, and point ``latest`` at it."""
    _check_latest(home)
    manifest = sealed(run.manifest | {"state": "finished", "finished": _now()})
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
    folder = recipe.prompt_folder
    paths = sorted(folder.rglob("*.yaml")) if folder else []
    prompts = [path.read_text(encoding="utf-8", errors="replace") for path in paths if path.is_file()]
    # Without budget, prices, the conditions of a release, and the machines.
    settings = recipe.model_dump_json(
        exclude={
            "budget": True,
            "prices": True,
            "min_rows": True,
            "gates": True,
            "cluster": {"address", "workers"},
        }
    )
    identities = [f"{role}={identity}" for role, identity in models.items()]
    return content_id(settings, datagen.__version__, *identities, *prompts)


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


def read_record(path: Path) -> JsonObject:
    """
    Read a manifest or a stage's record, without a check of its digest.

    Raises
    ------
    UserError
        If it cannot be read, or is not a JSON object.
    """
    try:
        record = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    if not isinstance(record, dict):
        raise UserError(f"{path} cannot be read: it is not a JSON object")
    return record


def _unaltered(path: Path) -> JsonObject:
    """Read a record, and compare its digest if it has one."""
    record = read_record(path)
    if SEAL in record and not is_sealed(record):
        raise UserError(f"{path} was altered by hand: it does not match its digest")
    return record


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
