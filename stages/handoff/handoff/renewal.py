"""
The hand-off of an earlier run, taken over by a run whose rows are the same.

The data files and the card are linked. What names the run is written again: the manifest, and the changelog,
which compares with the latest release.
"""

import json
import shutil
from pathlib import Path
from typing import Any

from datagen.stage import Context
from datagen.stages.handoff.handoff import hub, manifest
from datagen.stages.handoff.handoff.options import Options
from datagen.store.completions import link
from datagen.store.digests import digest
from datagen.store.parquet import UNFINISHED, Damaged, finish_folder, write_json


def take_over(run: Path, options: Options, context: Context) -> None:
    """
    Link the hand-off of a run into the run of the context.

    Raises
    ------
    Damaged
        When it is not what was written.
    """
    source, beside = run / "handoff", context.run_folder / f"{UNFINISHED}handoff"
    shutil.rmtree(beside, ignore_errors=True)
    said = _sound(source)
    for name in _digests(said):
        if name != manifest.CHANGELOG:
            link(source / name, beside / name)
    said["run"] = context.run_folder.name
    manifest.write_changes(beside, said, context)
    write_json(said, beside / manifest.NAME)
    finish_folder(beside, context.run_folder / "handoff")
    if options.push:
        hub.push(context.run_folder / "handoff", options.push)


def _sound(folder: Path) -> dict[str, Any]:
    """Read the manifest of a hand-off, and compare every file with it."""
    try:
        said: dict[str, Any] = json.loads((folder / manifest.NAME).read_bytes())
        wrong = [name for name, expected in _digests(said).items() if digest(folder / name) != expected]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise Damaged(f"{folder / manifest.NAME} cannot be read: {error}") from error
    if wrong:
        raise Damaged(f"{folder / wrong[0]} is not what was written")
    return said


def _digests(said: dict[str, Any]) -> dict[str, str]:
    """Map the files of a hand-off, but for its manifest, to their digests."""
    shards = [
        shard
        for splits in said["configurations"].values()
        for amount in splits.values()
        for shard in amount["shards"]
    ]
    return {shard["path"]: shard["sha256"] for shard in shards} | {
        name: file["sha256"] for name, file in said["files"].items()
    }
