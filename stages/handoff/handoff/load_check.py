"""Load the hand-off as a trainer would, and compare the result with what was written."""

import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:  # its import takes a second
    from datasets import Dataset

COMPARED = 1_000  # rows per comparison


class HandoffError(Exception):
    """The hand-off does not load as written, because of a bug here or in the loading library."""


def check_load(folder: Path, configurations: list[str], cache: Path) -> None:
    """
    Load every configuration as a trainer would, and compare it with the files row by row.

    Raises
    ------
    HandoffError
        If rows are missing, duplicated or different.
    """
    import datasets

    silent = datasets.utils.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        for name in configurations:
            load = partial(datasets.load_dataset, str(folder), name, cache_dir=str(cache))
            files = sorted((folder / name).rglob("*.parquet"))
            splits = {split: [path for path in files if path.parent.name == split] for split in load()}
            if sum(map(len, splits.values())) < len(files):
                raise HandoffError(f"{name}: the card does not list every file of {files}")
            for split, paths in splits.items():
                if not _same(load, split, paths):
                    raise HandoffError(f"{name}, {split}: the rows that datasets loads differ from the files")
    finally:
        if not silent:
            datasets.enable_progress_bars()
        shutil.rmtree(cache, ignore_errors=True)


def _same(load: Callable[[], Mapping[str, "Dataset"]], split: str, files: list[Path]) -> bool:
    """Compare a split with its files; it is loaded again for each, which unmaps what was read from memory."""
    start = 0
    for path in files:
        loaded = load()[split].with_format("arrow")
        for batch in pq.ParquetFile(path).iter_batches(COMPARED):
            rows = loaded[start : start + len(batch)]
            start += len(batch)
            if not rows.cast(batch.schema).equals(pa.Table.from_batches([batch])):
                return False
    return start == len(load()[split])
