"""
Tables on disk: Parquet files that are whole or absent.

Every write goes to a name beside the final one, is flushed to the disk, and is then renamed, so that
a reader never sees half a file and a crash leaves nothing that looks finished.
"""

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

UNFINISHED = ".unfinished-"  # what a name begins with until its content is whole


def part_name(*numbers: int) -> str:
    """Name a partition's file, so that names sort as numbers do."""
    return f"part-{'-'.join(f'{number:05d}' for number in numbers)}.parquet"


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a path to write to, and rename it to `path` when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Named by chance: workers on two machines may have one process id and write the same file at once.
    beside = path.with_name(f"{UNFINISHED}{path.name}-{uuid4().hex}")
    try:
        yield beside
        sync(beside)
        beside.replace(path)
        sync(path.parent)
    finally:
        beside.unlink(missing_ok=True)


def finish_folder(beside: Path, folder: Path) -> None:
    """Put a finished folder in its place. What it holds was flushed file by file."""
    for leftover in beside.rglob(f"{UNFINISHED}*"):  # of a worker that was killed
        leftover.unlink()
    sync(beside)
    if folder.exists():
        shutil.rmtree(folder)
    beside.replace(folder)
    sync(folder.parent)


def sync(path: Path) -> None:
    """Flush a file or a folder's list of names to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_table(table: pa.Table, path: Path) -> None:
    """Write a Parquet file, whole or not at all."""
    with whole_file(path) as beside:
        pq.write_table(table, beside, compression="zstd")


def write_json(value: Any, path: Path) -> None:
    """Write a JSON file, whole or not at all."""
    with whole_file(path) as beside:
        beside.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def parts(folder: Path) -> list[Path]:
    """List the partitions of a table in their order."""
    return sorted(folder.glob("part-*.parquet"))


def read_part(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read one partition; columns that it does not have are left out."""
    if columns is not None:
        present = set(pq.read_schema(path).names)
        columns = [name for name in columns if name in present]
    return pq.read_table(path, columns=columns, partitioning=None)
