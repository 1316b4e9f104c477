"""Write ``manifest.json`` (contents of a hand-off, with checksums) and ``CHANGELOG.md``."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

import datagen
from datagen.engines.identity import identities
from datagen.errors import UserError
from datagen.json_types import JsonObject
from datagen.paths import regular
from datagen.stage import Context
from datagen.stages.handoff.handoff.configurations import CONFIGURATIONS
from datagen.stages.handoff.handoff.mixture import realised
from datagen.stages.handoff.handoff.shards import Shard
from datagen.stages.handoff.handoff.tally import Tally
from datagen.stages.handoff.tokenizer import Ruler
from datagen.store.parquet import read_part, whole_file, write_json

NAME, CHANGELOG = "manifest.json", "CHANGELOG.md"
SPLITS = pa.schema([("id", pa.string()), ("split", pa.string())])
# Configurations that together hold each row once.
ONCE = tuple(
    configuration for configuration in CONFIGURATIONS if not configuration.name.endswith("_messages")
)


def write_manifest(
    folder: Path,
    tally: Tally,
    shards: dict[tuple[str, str], list[Shard]],
    promises: list[JsonObject],
    measure: Ruler,
    context: Context,
) -> None:
    """Write the manifest and the changelog; all other files must already exist."""
    configurations: JsonObject = {}
    for (name, split), amount in tally.amounts.items():
        listed = [asdict(shard) for shard in shards[name, split]]
        configurations.setdefault(name, {})[split] = asdict(amount) | {"shards": listed}
    manifest = {
        "name": context.recipe["name"],
        "run": context.run_folder.name,
        "datagen": datagen.__version__,
        "seed": context.seed,
        "tokenizer": measure.name if measure.model else None,
        "max_tokens": measure.longest,
        "configurations": configurations,
        "promises": promises,
        "mixture": realised(tally, context),
        "dropped": dict(tally.dropped.most_common()),
        "prompts": dict(sorted({(maker[3], maker[4]) for maker in tally.makers if maker[3]})),
        "models": {role: asdict(who) for role, who in identities(context.models).items()},
    }
    others = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".parquet")
    manifest["files"] = {str(path.relative_to(folder)): _digest(path) for path in others}
    write_changes(folder, manifest, context)
    write_json(manifest, folder / NAME)


def write_changes(folder: Path, manifest: JsonObject, context: Context) -> None:
    """Write the changelog against the latest release, and note both in the manifest."""
    earlier = previous(context)
    changes = compare(folder, manifest, earlier)
    with whole_file(folder / CHANGELOG) as unfinished:
        unfinished.write_text("\n".join(changes) + "\n", encoding="utf-8")
    manifest["previous"] = earlier.parent.name if earlier else None
    manifest["files"] |= {CHANGELOG: _digest(folder / CHANGELOG)}
    manifest["files"] = dict(sorted(manifest["files"].items()))


def previous(context: Context) -> Path | None:
    """Find the hand-off of the latest finished run of the recipe, unless it is this one."""
    run = (context.run_folder.parent / "latest").resolve()
    folder = run / "handoff"
    return folder if run != context.run_folder.resolve() and folder.is_dir() else None


def compare(folder: Path, manifest: JsonObject, earlier: Path | None) -> list[str]:
    """Return the changes between two hand-offs in Markdown: rows, splits, models and prompts."""
    lines = [f"# {manifest['name']}: changes in {manifest['run']}", ""]
    if earlier is None:
        return [*lines, "The first release."]
    try:
        rows_before = {configuration.name: _rows(earlier / configuration.name) for configuration in ONCE}
    except UserError as error:
        return [*lines, f"Not compared with {earlier.parent.name}, whose hand-off is damaged: {error}"]
    lines += [f"Since {earlier.parent.name}.", "", "| rows | added | removed | kept | changed split |"]
    lines += ["|---|---:|---:|---:|---:|"]
    leaked = 0
    for configuration in ONCE:
        current, before = _rows(folder / configuration.name), rows_before[configuration.name]
        if not len(current) and not len(before):
            continue
        place = pc.index_in(current["id"], value_set=before["id"])
        kept, split_before = pc.is_valid(place), before["split"].take(place)
        moved = pc.and_(kept, pc.not_equal(current["split"], split_before))
        leaked += _count(pc.and_(moved, pc.equal(split_before, "train")))
        both = _count(kept)
        counts = (len(current) - both, len(before) - both, both, _count(moved))
        lines.append(f"| {configuration.name} | " + " | ".join(f"{count:,}" for count in counts) + " |")
    if leaked:
        lines += [
            "",
            f"{leaked:,} rows were in training in that release and no longer are: a model trained on it has "
            "seen them, so its validation loss on them is unreliable.",
        ]
    return [*lines, *_other_changes(manifest, _read(earlier / NAME))]


def _other_changes(current: JsonObject, previous: JsonObject) -> Iterator[str]:
    for title, key in (("Models", "models"), ("Prompts", "prompts")):
        old, new = previous.get(key), current[key]
        old = old if isinstance(old, dict) else {}
        changed = [name for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name)]
        if previous and changed:
            yield from (
                "",
                f"{title} changed, added or removed: " + ", ".join(f"`{name}`" for name in changed),
            )
    for key in ("tokenizer", "max_tokens", "datagen"):
        if previous and previous.get(key) != current[key]:
            yield from ("", f"{key}: {previous.get(key)} → {current[key]}")


def _rows(folder: Path) -> pa.Table:
    """
    Read the ids of a configuration's rows and their splits, for any layout of its folder.

    Raises
    ------
    UserError
        If a file is damaged.
    """
    tables = [SPLITS.empty_table()]
    for path in sorted(folder.rglob("*.parquet")):
        try:
            tables.append(read_part(path, SPLITS.names).select(SPLITS.names).cast(SPLITS))
        except (KeyError, pa.ArrowException) as error:
            raise UserError(f"{path} has no columns of text id and split") from error
    return pa.concat_tables(tables)


def _count(flags: pa.ChunkedArray) -> int:
    return int(pc.sum(flags).as_py() or 0)


def _read(path: Path) -> JsonObject:
    """Read a manifest; {} if it is missing or invalid."""
    try:
        manifest = json.loads(regular(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return manifest if isinstance(manifest, dict) else {}


def _digest(path: Path) -> JsonObject:
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}
