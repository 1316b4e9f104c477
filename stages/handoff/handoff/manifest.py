"""``manifest.json``: what a hand-off holds, to the byte; ``CHANGELOG.md``: what changed."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

import datagen
from datagen.engines.identity import identities
from datagen.stage import Context
from datagen.stages.handoff.handoff.configurations import CONFIGURATIONS
from datagen.stages.handoff.handoff.mixture import realised
from datagen.stages.handoff.handoff.shards import Shard
from datagen.stages.handoff.handoff.tally import Tally
from datagen.stages.handoff.tokenizer import Ruler
from datagen.store.parquet import whole_file, write_json

NAME, CHANGELOG = "manifest.json", "CHANGELOG.md"
ONCE = tuple(one for one in CONFIGURATIONS if not one.name.endswith("_messages"))  # each row once


def write_manifest(
    folder: Path, tally: Tally, shards: dict[tuple[str, str], list[Shard]], measure: Ruler, context: Context
) -> None:
    """Write the manifest and the changelog; the folder holds all else already."""
    configurations: dict[str, Any] = {}
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
        "mixture": realised(tally, context),
        "dropped": dict(tally.dropped.most_common()),
        "prompts": dict(sorted({(maker[3], maker[4]) for maker in tally.makers if maker[3]})),
        "models": {role: asdict(who) for role, who in identities(context.models).items()},
    }
    others = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".parquet")
    manifest["files"] = {str(path.relative_to(folder)): _digest(path) for path in others}
    write_changes(folder, manifest, context)
    write_json(manifest, folder / NAME)


def write_changes(folder: Path, manifest: dict[str, Any], context: Context) -> None:
    """Write the changelog against the latest release, and note both in the manifest."""
    earlier = previous(context)
    changes = compare(folder, manifest, earlier)
    with whole_file(folder / CHANGELOG) as beside:
        beside.write_text("\n".join(changes) + "\n", encoding="utf-8")
    manifest["previous"] = earlier.parent.name if earlier else None
    manifest["files"] |= {CHANGELOG: _digest(folder / CHANGELOG)}
    manifest["files"] = dict(sorted(manifest["files"].items()))


def previous(context: Context) -> Path | None:
    """Find the hand-off of the latest finished run of the recipe, unless it is this one."""
    run = (context.run_folder.parent / "latest").resolve()
    folder = run / "handoff"
    return folder if run != context.run_folder.resolve() and folder.is_dir() else None


def compare(folder: Path, manifest: dict[str, Any], earlier: Path | None) -> list[str]:
    """List in Markdown what changed between two hand-offs: rows, splits, models and prompts."""
    lines = [f"# {manifest['name']}: changes of {manifest['run']}", ""]
    if earlier is None:
        return [*lines, "The first release."]
    lines += [f"Against {earlier.parent.name}.", "", "| rows | added | removed | kept | changed split |"]
    lines += ["|---|---:|---:|---:|---:|"]
    leaked = 0
    for configuration in ONCE:
        now, then = (_rows(home / configuration.name) for home in (folder, earlier))
        if not now and not then:
            continue
        kept = now.keys() & then.keys()
        moved = [name for name in kept if now[name] != then[name]]
        leaked += sum(then[name] == "train" for name in moved)
        counts = (len(now) - len(kept), len(then) - len(kept), len(kept), len(moved))
        lines.append(f"| {configuration.name} | " + " | ".join(f"{count:,}" for count in counts) + " |")
    if leaked:
        lines += [
            "",
            f"{leaked:,} rows were in training and are not now: a model trained on that release has seen "
            "them, and its validation loss on them says little.",
        ]
    return [*lines, *_other_changes(manifest, _read(earlier / NAME))]


def _other_changes(now: dict[str, Any], then: dict[str, Any]) -> Iterator[str]:
    for title, key in (("Models", "models"), ("Prompts", "prompts")):
        old, new = then.get(key) or {}, now[key]
        changed = [name for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name)]
        if then and changed:
            yield from (
                "",
                f"{title} that changed, came or went: " + ", ".join(f"`{one}`" for one in changed),
            )
    for key in ("tokenizer", "max_tokens", "datagen"):
        if then and then.get(key) != now[key]:
            yield from ("", f"{key}: {then.get(key)} → {now[key]}")


def _rows(folder: Path) -> dict[str, str]:
    """Map the ids of a configuration's rows to their splits, whatever the layout of its folder."""
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("*.parquet")):
        table = pq.read_table(path, columns=["id", "split"], partitioning=None)
        found |= dict(zip(table["id"].to_pylist(), table["split"].to_pylist(), strict=True))
    return found


def _read(path: Path) -> dict[str, Any]:
    """Read a manifest; {} where there is none, or one that a person has broken."""
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return read if isinstance(read, dict) else {}


def _digest(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}
