"""
Run folders, ``outputs/<recipe>/<run>/``, and their manifests.

A manifest has the run's id, its number (one more than the highest before), and the ids of the runs whose
completions it has taken over. Only these decide which run is the newest, so a wrong clock, a renamed folder
or a copied folder does not matter.
"""

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from datagen.errors import UserError
from datagen.json_types import JsonObject
from datagen.request import Usage
from datagen.store.completions import Completions
from datagen.store.digests import SEAL, digest, is_sealed
from datagen.store.parquet import RECORD, REPAIR
from datagen.store.record import StageRecord

MANIFEST = "manifest.json"
SHAPE = {"recipe": dict, "stages": list, "inherits": list, "state": str, "fingerprint": str}  # of a manifest
STAGE_SHAPE = {"stage": str, "rows_in": int, "rows_out": int, "dropped": dict}  # of a stage's record

# What to do about a run with an unreadable manifest.
SUPERSEDE = "The run cannot be resumed; the next run of its recipe uses its completions"
PILOT = ".pilot"  # suffix of a recipe's name: the folder of its pilots

log = logging.getLogger(__name__)

# Prefixes of the state of a complete run that was not released, or whose release was withdrawn.
FINISHED, WITHHELD, WITHDRAWN = "finished", "withheld", "withdrawn"


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
        result: bool = self.manifest.get("state") == FINISHED
        return result

    @property
    def withdrawn(self) -> bool:
        """Whether it was released, and a rollback replaced it."""
        state: str = self.manifest["state"]
        return state.startswith(WITHDRAWN)

    @property
    def over(self) -> bool:
        """Whether there is nothing to continue: it is finished, withheld or withdrawn."""
        state: str = self.manifest["state"]
        return self.finished or self.withdrawn or state.startswith(WITHHELD)

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
        record = _unaltered(path, REPAIR)
        given = {"stage": None} | record
        wrong = [name for name, kind in STAGE_SHAPE.items() if not isinstance(given.get(name, kind()), kind)]
        if wrong and SEAL not in record:
            raise UserError(
                f"{path} is not a stage's record: {', '.join(wrong)} missing or invalid. "
                f"Delete {path.parent} and run the recipe again"
            )
        return cast("StageRecord", record)

    def stage_file(self, name: str, file: str) -> Path | None:
        """
        Return the path of a file next to the table of a complete stage; None if the stage wrote none.

        Raises
        ------
        UserError
            If it is not the file that the stage wrote.
        """
        record, path = self.stage_record(name), self.stage_folder(name) / file
        recorded = record.get("files", {}).get(file) if record else None
        if recorded is not None and digest(path) != recorded:
            raise UserError(f"{path} was altered or deleted: it does not match its digest. {REPAIR}")
        return path if recorded is not None else None

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
    manifest = _unaltered(path, SUPERSEDE)
    wrong = [name for name, kind in SHAPE.items() if not isinstance(manifest.get(name, kind()), kind)]
    wrong += sorted({"recipe", "stages", "state", "fingerprint"} - manifest.keys())
    listed = [*manifest.get("stages", []), *manifest.get("inherits", [])] if not wrong else []
    if wrong or not all(isinstance(name, str) for name in listed) or "name" not in manifest["recipe"]:
        raise UserError(
            f"{path} was altered by hand: {', '.join(wrong) or 'a name'} is missing or invalid. {SUPERSEDE}"
        )
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
            log.warning(str(error))
            run = Run(path.parent.resolve(), {"state": "unreadable"})
        if run.id not in runs or run.folder.name == run.manifest.get("folder"):
            runs[run.id] = run
    return sorted(runs.values(), key=lambda run: run.order)


def related_runs(home: Path) -> list[Run]:
    """List the runs whose answers and stages a run may take over: the recipe's runs, and its pilots."""
    name = home.name.removesuffix(PILOT) if home.name.endswith(PILOT) else f"{home.name}{PILOT}"
    other = home.with_name(name)
    return [*(earlier_runs(other) if other.is_dir() else []), *earlier_runs(home)]


def read_record(path: Path) -> JsonObject:
    """
    Read a manifest or a stage's record, without a check of its digest.

    Raises
    ------
    UserError
        If it cannot be read, or is not a JSON object.
    """
    if path.exists() and not path.is_file():  # a pipe would block
        raise UserError(f"{path} cannot be read: it is not a regular file")
    try:
        record = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    if not isinstance(record, dict):
        raise UserError(f"{path} cannot be read: it is not a JSON object")
    return record


def _unaltered(path: Path, advice: str) -> JsonObject:
    """Read a record, and compare its digest if it has one; `advice` says what to do if it was altered."""
    try:
        record = read_record(path)
    except UserError as error:
        raise UserError(f"{error}. {advice}") from error
    if SEAL in record and not is_sealed(record):
        raise UserError(f"{path} was altered by hand: it does not match its digest. {advice}")
    return record
