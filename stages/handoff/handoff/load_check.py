"""Load the hand-off as a trainer would, and compare the result with what was written."""

import shutil
from collections.abc import Callable, Mapping
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:  # its import takes a second
    from datasets import Dataset

COMPARED = 1_000  # rows per comparison
MAPPED = 50_000_000  # bytes compared before the split is loaded again


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
    """Compare a split with its files; now and then it is loaded again, which unmaps what was compared."""
    start, mapped = 0, MAPPED
    for batch in chain.from_iterable(pq.ParquetFile(path).iter_batches(COMPARED) for path in files):
        if mapped >= MAPPED:
            loaded, mapped = load()[split].with_format("arrow"), 0
        rows = loaded[start : start + len(batch)]
        start, mapped = start + len(batch), mapped + batch.nbytes
        if not rows.cast(batch.schema).equals(pa.Table.from_batches([batch])):
            return False
    return start == len(load()[split])
