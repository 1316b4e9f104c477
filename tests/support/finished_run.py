"""Read the rows of a finished run: a stage's table, or a product of the hand-off."""

import datasets

from datagen.store.parquet import parts, read_part


def rows(finished, stage, table=""):
    """Read a stage's rows, or another of its tables, such as ``dropped``."""
    return [
        row for path in parts(finished.stage_folder(stage) / table) for row in read_part(path).to_pylist()
    ]


def load(finished, product):
    """Load all splits of a product as a trainer does."""
    data = datasets.load_dataset(
        str(finished.folder / "handoff"), product, cache_dir=str(finished.folder / "cache")
    )
    return [row for split in data.values() for row in split]
