"""
Run folders, ``outputs/<recipe>/<run>/``: what their manifests say.

A manifest has the run's id, its number (one more than the highest there was), and the ids of the runs whose
completions it has taken over. These alone decide which run is the newest, so a clock that was wrong, a folder
that was renamed and one that was copied change nothing.
"""

import json
import logging
import platform
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import datagen
from datagen.errors import UserError
from datagen.recipe.model import Recipe
from datagen.request import Identity, Usage
from datagen.schema import content_id
from datagen.store.completions import Completions
from datagen.store.digests import SEAL, Each, differences, digests, is_sealed, sealed
from datagen.store.parquet import RECORD, UNFINISHED, finish_folder, sync, write_json

MANIFEST = "manifest.json"
PREVIEW = "preview"  # beside the runs: the answers that previews of the recipe paid for
SHAPE = {"recipe": dict, "stages": list, "inherits": list, "state": str, "fingerprint": str}  # of a manifest
SHOWN = 3  # differences told of a damaged stage

PILOT = ".pilot"  # behind the name of a recipe: the folder of its pilots

log = logging.getLogger(__name__)

# How the state of a run begins that came to its end and is not released, or is not any more.
WITHHELD, WITHDRAWN = "withheld", "withdrawn"


@dataclass(frozen=True)
class Run:
    """A run's folder and its manifest."""

    folder: Path
    manifest: dict[str, Any]

    @property
    def id(self) -> str:
        """What tells the run from others; the folder may have been renamed."""
        return str(self.manifest.get("id") or self.folder.name)

    @property
    def order(self) -> tuple[int, str, str]:
        """What runs are sorted by, the newest last."""
        number, started = self.manifest.get("number"), self.manifest.get("started")
        return (number if isinstance(number, int) else 0, str(started), self.folder.name)

    @property
    def finished(self) -> bool:
        """Whether it came to its end."""
        result: bool = self.manifest.get("state") == "finished"
        return result

    @property
    def over(self) -> bool:
        """Whether there is nothing to continue: it is finished, withheld or withdrawn."""
        state: str = self.manifest["state"]
        return self.finished or state.startswith((WITHHELD, WITHDRAWN))

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
        """
        What a stage's ``stage.json`` says; None while the stage is not complete.

        Raises
        ------
        UserError
            If it cannot be read, or was altered.
        """
        path = self.stage_folder(name) / RECORD
        return _unaltered(path) if path.exists() else None

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
        raise UserError(f"{path} was altered by hand: {', '.join(wrong) or 'a name'} is not what was written")
    return Run(folder.resolve(), manifest)


def earlier_runs(home: Path) -> list[Run]:
    """
    List the runs of a recipe, the oldest first; one whose manifest cannot be read is the oldest.

    Of several copies of a run, the one in the folder that it was begun in counts, else the first by name.
    """
    found: dict[str, Run] = {}
    for path in sorted(home.glob(f"*/{MANIFEST}")):
        if path.parent.is_symlink():
            continue
        try:
            run = open_run(path.parent)
        except UserError as error:
            log.warning(f"{error}. The run is not continued; its completions are used")
            run = Run(path.parent.resolve(), {"state": "unreadable"})
        if run.id not in found or run.folder.name == run.manifest.get("folder"):
            found[run.id] = run
    return sorted(found.values(), key=lambda run: run.order)


def related_runs(home: Path) -> list[Run]:
    """List the runs whose answers and stages a run may take over: those of the recipe, and its pilots."""
    name = home.name.removesuffix(PILOT) if home.name.endswith(PILOT) else f"{home.name}{PILOT}"
    other = home.with_name(name)
    return [*(earlier_runs(other) if other.is_dir() else []), *earlier_runs(home)]


def begin(recipe: Recipe, home: Path, models: dict[str, Identity], fresh: bool = False) -> Run:
    """
    Continue the newest run when it is unfinished and says the same; else make a new folder.

    The same: recipe but for its budget, own prompts, models and version of datagen. A new run takes over the
    completions of all runs that no other one has taken over.
    """
    _check_latest(home)
    runs = earlier_runs(home)
    print_ = fingerprint(recipe, models)
    if runs and not fresh and _may_go_on(runs[-1], print_):
        again = {"recipe": recipe.model_dump(mode="json"), "state": "running"}
        run = Run(runs[-1].folder, runs[-1].manifest | again)
    else:
        related = related_runs(home)
        run = Run(_new_folder(home), _manifest(recipe, models, print_, related))
        taken = set(_inherited(related))
        # Before there is a manifest: what counts as a run has all that was paid for until then.
        for earlier in related:
            if earlier.id not in taken:
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


def _may_go_on(run: Run, print_: str) -> bool:
    unfinished = is_sealed(run.manifest) and not run.over
    return unfinished and run.manifest["fingerprint"] == print_


def complete_stage(beside: Path, folder: Path, record: dict[str, Any], each: Each) -> dict[str, Any]:
    """Put a stage's table in its place, with its record, to which the digests of its files are added."""
    record = sealed(record | {"files": digests(beside, each)})
    write_json(record, beside / RECORD)
    finish_folder(beside, folder)
    return record


def drop_damaged(run: Run, each: Each) -> None:
    """
    Find the first stage that is not what was written, and drop it with all that come after it.

    They are made again. What a model answered is kept elsewhere and is not asked again.
    """
    line = list(run.manifest["stages"])
    for place, name in enumerate(line):
        later = [other for other in line[place:] if run.stage_folder(other).exists()]
        told = _damage(run.stage_folder(name), each)
        if told and later:
            shown = "; ".join(told[:SHOWN]) + (f"; {len(told) - SHOWN} more" if len(told) > SHOWN else "")
            log.warning(
                f"stage {name} of {run.folder} is not what was written: {shown}. "
                f"Made again: {', '.join([name, *(other for other in later if other != name)])}"
            )
            for other in reversed(later):  # the last first: what is left is always sound
                gone = run.stage_folder(other).with_name(UNFINISHED + other)
                run.stage_folder(other).replace(gone)
                shutil.rmtree(gone)
        if told:
            return


def _damage(folder: Path, each: Each) -> list[str]:
    """Tell what is the matter with a stage's folder."""
    if not folder.exists():
        return ["it is missing"]
    try:
        record = _read(folder / RECORD)
    except UserError as error:
        return [str(error)]
    if not is_sealed(record) or not isinstance(record.get("files"), dict):
        return [f"{RECORD} was altered"]
    return differences(folder, record["files"], each)


def stop(run: Run, why: str) -> None:
    """Settle a run that stops before its end, and write into the manifest why it does."""
    run.completions.settle()
    write_json(sealed(run.manifest | {"state": f"stopped: {why}"}), run.folder / MANIFEST)


def withhold(run: Run, why: str) -> None:
    """Write into the manifest that the run came to its end and is not released. It is not continued."""
    manifest = run.manifest | {"state": f"{WITHHELD}: {why}", "finished": _now()}
    write_json(sealed(manifest), run.folder / MANIFEST)


def finish(run: Run, home: Path) -> Run:
    """Write into the manifest that the run is finished, and point ``latest`` at it."""
    _check_latest(home)
    manifest = sealed(run.manifest | {"state": "finished", "finished": _now()})
    write_json(manifest, run.folder / MANIFEST)
    point_latest(home, run)
    return Run(run.folder, manifest)


def point_latest(home: Path, run: Run) -> None:
    """Point ``latest`` at a run."""
    beside = home / f"{UNFINISHED}latest"
    beside.unlink(missing_ok=True)
    beside.symlink_to(run.folder.name)
    beside.replace(home / "latest")
    sync(home)


def _check_latest(home: Path) -> None:
    """Stop where the link to the newest release has no place."""
    latest = home / "latest"
    if latest.is_dir() and not latest.is_symlink():
        raise UserError(
            f"{latest} is a folder, and has to be a link to the newest finished run. Move it away and run "
            "the same command again: it goes on where it stopped"
        )


def fingerprint(recipe: Recipe, models: dict[str, Identity]) -> str:
    """Hash what must be the same for a run to be continued."""
    own = recipe.prompt_folder
    prompts = [path.read_text(encoding="utf-8") for path in sorted(own.rglob("*.yaml"))] if own else []
    # Not what it may cost, nor where it is done.
    what = recipe.model_dump_json(
        exclude={"budget": True, "min_rows": True, "gates": True, "cluster": {"address", "workers"}}
    )
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


def _manifest(
    recipe: Recipe, models: dict[str, Identity], print_: str, earlier: Sequence[Run]
) -> dict[str, Any]:
    return {
        "id": uuid4().hex,
        "number": 1 + max((run.order[0] for run in earlier), default=0),
        "inherits": sorted({*(run.id for run in earlier), *_inherited(earlier)}),
        "recipe": recipe.model_dump(mode="json"),
        "prompts": str(recipe.prompt_folder.resolve()) if recipe.prompt_folder else None,
        "fingerprint": print_,
        "models": {role: asdict(who) for role, who in models.items()},
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


def _read(path: Path) -> dict[str, Any]:
    """Read a record."""
    try:
        record = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    if not isinstance(record, dict):
        raise UserError(f"{path} cannot be read: it is no record")
    return record


def _unaltered(path: Path) -> dict[str, Any]:
    """Read a record, and compare its digest where it has one."""
    record = _read(path)
    if SEAL in record and not is_sealed(record):
        raise UserError(f"{path} was altered by hand: it does not match its digest")
    return record


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
