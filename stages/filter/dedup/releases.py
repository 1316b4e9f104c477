"""
The index of a release, and joining the indexes of earlier ones.

A finished run is a release. Its index is the sketches that dedup created, in ``stages/dedup/index/``: files
written atomically, next to the table that they describe. A later run joins them without reading the texts of
the release again. Only rows that were handed off count.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfile

import pyarrow as pa
import pyarrow.compute as pc

from datagen.errors import UserError
from datagen.stage import Context
from datagen.stages.filter.dedup.options import Options
from datagen.stages.shared.similarity.alike import SHINGLE
from datagen.stages.shared.similarity.sketch import vocabulary_of, write
from datagen.store.parquet import parts, read_part, sync, write_json

FORMAT = 4  # of the sketches; other formats cannot be joined


def shape(options: Options) -> dict[str, int]:
    """Return the settings that two runs must share for their sketches to be joined."""
    bands, rows = options.shape
    return {
        "format": FORMAT,
        "shingle": SHINGLE,
        "long_from": options.long_from,
        "permutations": options.permutations,
        "bands": bands,
        "rows": rows,
    }


def index_of(stage_folder: Path) -> Path:
    """Return the folder of a stage's sketches."""
    return stage_folder / "index"


def keep(paths: Sequence[Path], options: Options) -> None:
    """Turn the sketches of a run into its index."""
    for path in paths:
        sync(vocabulary_of(path))
        sync(path)
    write_json(shape(options), paths[0].with_name("index.json"))


@dataclass(frozen=True)
class Release:
    """An earlier run: its name in the recipe, its folder, and the stage whose index is joined."""

    name: str
    folder: Path
    stage: str

    @property
    def index(self) -> Path:
        """The folder of its sketches."""
        return index_of(self.folder / "stages" / self.stage)

    def released(self) -> pa.ChunkedArray:
        """List the ids of the rows that were handed off; without a hand-off, of those the stage kept."""
        handed_off = sorted((self.folder / "handoff").rglob("*.parquet"))
        tables = handed_off or parts(self.folder / "stages" / self.stage)
        ids = [read_part(path, ["id"])["id"] for path in tables]
        return pa.chunked_array([chunk for column in ids for chunk in column.chunks], pa.string())


def join(options: Options, context: Context) -> tuple[list[Path], list[str]]:
    """
    Copy the released rows of the indexes of earlier releases.

    Returns
    -------
    paths, names
        Their sketches, and the release of each.

    Raises
    ------
    UserError
        When a release does not exist, or its index is missing or has another shape.
    """
    releases = [Release(name, (context.folder / name).resolve(), context.stage) for name in options.earlier]
    for release in releases:
        _check(release, options)
    tasks = [(release, context.scratch / f"earlier-{number:03d}") for number, release in enumerate(releases)]
    joined = context.each(_join, tasks)
    names = [release.name for release, paths in zip(releases, joined, strict=True) for _ in paths]
    return [path for paths in joined for path in paths], names


def _join(task: tuple[Release, Path]) -> list[Path]:
    """Copy the released rows of an index."""
    release, folder = task
    folder.mkdir(exist_ok=True)
    released = release.released()
    copied = []
    for path in sorted(release.index.glob("*.arrow")):
        rows = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
        copyfile(vocabulary_of(path), vocabulary_of(folder / path.name))
        write(rows.filter(pc.is_in(rows["id"], value_set=released)), folder / path.name)
        copied.append(folder / path.name)
    return copied


def _check(release: Release, options: Options) -> None:
    path = release.index / "index.json"
    if not path.is_file():
        raise UserError(
            f"{release.stage}.earlier: {release.name} has no index ({path} does not exist). Name the folder "
            f"of a finished run whose pipeline has the stage {release.stage} with keep_index"
        )
    theirs, ours = json.loads(path.read_text(encoding="utf-8")), shape(options)
    if differing := [name for name, value in theirs.items() if ours.get(name) != value]:
        had, has = (
            ", ".join(f"{name} {settings.get(name)}" for name in differing) for settings in (theirs, ours)
        )
        raise UserError(
            f"{release.stage}.earlier: the index of {release.name} was created with {had}; this run has "
            f"{has}. Indexes can only be joined if these are equal"
        )
