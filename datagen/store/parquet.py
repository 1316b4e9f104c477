"""
Tables on disk: Parquet files that are whole or absent.

Every write goes to a name beside the final one, is flushed to the disk, and is then renamed, so that
a reader never sees half a file and a crash leaves nothing that looks finished.
"""

import errno
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from datagen.errors import UserError
from datagen.store.disk import FULL

UNFINISHED = ".unfinished-"  # what a name begins with until its content is whole
RECORD = "stage.json"  # what is known of a finished stage
PARTS = "part-*.parquet"


class Damaged(Exception):
    """A file is not what was written."""


def part_name(*numbers: int) -> str:
    """Name a partition's file, so that names sort as numbers do."""
    return f"part-{'-'.join(f'{number:05d}' for number in numbers)}.parquet"


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """
    Give a path to write to, and rename it to `path` when the block ends well.

    Raises
    ------
    UserError
        When the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Two machines that write one path at the same time may have processes of the same number.
    beside = path.with_name(f"{UNFINISHED}{path.name}-{uuid.uuid4().hex}")
    try:
        yield beside
        sync(beside)
        beside.replace(path)
        sync(path.parent)
    except OSError as error:
        if error.errno in FULL:
            raise cannot_write(path, error) from error
        raise
    finally:
        beside.unlink(missing_ok=True)


def cannot_write(path: Path, error: OSError) -> UserError:
    """Say that the disk is full, or what else is the matter with it."""
    return UserError(
        f"{path} could not be written: {os.strerror(error.errno or 0)}. Make room (or mend the disk) and run "
        "the same command again: it goes on where it stopped"
    )


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
        pq.write_table(table, beside, compression="zstd", write_page_checksum=True)


def write_json(value: Any, path: Path) -> None:
    """Write a JSON file, whole or not at all."""
    with whole_file(path) as beside:
        beside.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def parts(folder: Path) -> list[Path]:
    """
    List the partitions of a table in their order: of a finished stage those that it wrote, even if missing.

    Raises
    ------
    UserError
        When ``stage.json`` cannot be read.
    """
    try:
        names = json.loads((folder / RECORD).read_bytes())["files"]
    except (FileNotFoundError, NotADirectoryError, KeyError):  # not finished, or no stage's folder
        return sorted(folder.glob(PARTS))
    except (ValueError, TypeError) as error:
        raise UserError(
            f"{folder / RECORD} cannot be read ({error}). Run the same command again: the stage is made again"
        ) from error
    return sorted(folder / name for name in names if PurePath(name).match(PARTS) and "/" not in name)


def read_part(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """
    Read one partition; columns that it does not have are left out.

    Raises
    ------
    UserError
        When it is not there, or not what was written.
    """
    try:
        with damage_named(), pq.ParquetFile(path, page_checksum_verification=True) as file:
            if columns is not None:
                present = set(file.schema_arrow.names)
                columns = [name for name in columns if name in present]
            table = file.read(columns)
            table.validate(full=True)
            return table
    except (Damaged, FileNotFoundError) as error:
        raise UserError(
            f"{path} is not what was written ({error}). Run the same command again: a run checks its own "
            "tables and makes again what is damaged"
        ) from error


@contextmanager
def damage_named() -> Iterator[None]:
    """Call what a damaged file raises by its name; other errors of the file system pass."""
    try:
        yield
    except (pa.ArrowException, ValueError, IndexError) as error:
        raise Damaged(str(error)) from error
    except OSError as error:
        if error.errno not in (None, errno.EIO):
            raise
        raise Damaged(str(error)) from error
