"""
Reuse the hand-off of an earlier run whose rows are the same.

The data files and the card are linked. Files that name the run are rewritten: the manifest, and the
changelog, which compares with the latest release.
"""

import json
import shutil
from pathlib import Path

from datagen.json_types import JsonObject
from datagen.paths import regular
from datagen.stage import Context
from datagen.stages.handoff.handoff import hub, manifest
from datagen.stages.handoff.handoff.options import Options
from datagen.store.digests import digest
from datagen.store.parquet import UNFINISHED, Damaged, finish_folder, link, write_json


def take_over(run: Path, options: Options, context: Context) -> None:
    """
    Link the hand-off of a run into the run of the context.

    Raises
    ------
    Damaged
        When its files do not match its manifest.
    """
    source, unfinished = run / "handoff", context.run_folder / f"{UNFINISHED}handoff"
    shutil.rmtree(unfinished, ignore_errors=True)
    contents = _verified(source)
    for name in _digests(contents):
        if name != manifest.CHANGELOG:
            link(source / name, unfinished / name)
    contents["run"] = context.run_folder.name
    manifest.write_changes(unfinished, contents, context)
    write_json(contents, unfinished / manifest.NAME)
    finish_folder(unfinished, context.run_folder / "handoff")
    if options.push:
        hub.push(context.run_folder / "handoff", options.push)


def _verified(folder: Path) -> JsonObject:
    """Read the manifest of a hand-off, and compare every file with it."""
    try:
        contents: JsonObject = json.loads(regular(folder / manifest.NAME).read_bytes())
        changed = [name for name, sha256 in _digests(contents).items() if digest(folder / name) != sha256]
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise Damaged(f"{folder / manifest.NAME} cannot be read: {error}") from error
    if changed:
        raise Damaged(f"{folder / changed[0]} does not match its checksum in {manifest.NAME}")
    return contents


def _digests(contents: JsonObject) -> dict[str, str]:
    """Map the files of a hand-off, except its manifest, to their digests."""
    shards = [
        shard
        for splits in contents["configurations"].values()
        for amount in splits.values()
        for shard in amount["shards"]
    ]
    return {shard["path"]: shard["sha256"] for shard in shards} | {
        name: file["sha256"] for name, file in contents["files"].items()
    }
