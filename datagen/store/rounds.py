"""The files of a stage's requests: a folder per round in the stage's folder, a file per partition."""

from pathlib import Path

from datagen.store.parquet import parts

FIRST, SECOND = "requests", "follow_ups"


def round_folder(stage_folder: Path, number: int) -> Path:
    """Return the folder of a round's requests; the first round is 1."""
    return stage_folder / ({1: FIRST, 2: SECOND}.get(number) or f"{SECOND}_{number}")


def request_files(stage_folder: Path) -> list[Path]:
    """List the files of a stage's requests, those of the first round first; none if it asks no model."""
    paths, number = list[Path](), 1
    while (folder := round_folder(stage_folder, number)).is_dir():
        paths += parts(folder)
        number += 1
    return paths
