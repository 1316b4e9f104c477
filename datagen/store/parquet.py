"""
Tables on disk: Parquet files that are written atomically.

Every write goes to a temporary name in the same folder, is flushed to disk, and is then renamed. Readers
never see a partial file, and a crash leaves nothing that looks finished.
"""

import errno
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePath

import pyarrow as pa
import pyarrow.parquet as pq

from datagen.errors import UserError
from datagen.json_types import JsonObject
from datagen.paths import regular
from datagen.store.disk import FULL

UNFINISHED = ".unfinished-"  # prefix of temporary names
RECORD = "stage.json"  # record of a finished stage
PARTS = "part-*.parquet"
REPAIR = "Run the recipe again: a run checks its tables and repeats damaged stages"


class Damaged(Exception):
    """A file is corrupt or was altered."""


def part_name(*numbers: int) -> str:
    """Return the name of a partition's file; names sort in numerical order."""
    return f"part-{'-'.join(f'{number:05d}' for number in numbers)}.parquet"


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """
    Yield a temporary path to write to, and rename it to `path` if the block succeeds.

    Raises
    ------
    UserError
        If the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # A random name rather than the process id, because several machines may write the same path.
    unfinished = path.with_name(f"{UNFINISHED}{path.name}-{uuid.uuid4().hex}")
    try:
        yield unfinished
        sync(unfinished)
        unfinished.replace(path)
        sync(path.parent)
    except OSError as error:
        if error.errno in FULL:
            raise cannot_write(path, error) from error
        raise
    finally:
        unfinished.unlink(missing_ok=True)


def cannot_write(path: Path, error: OSError) -> UserError:
    """Build the message for a full or faulty disk."""
    return UserError(
        f"{path} could not be written: {os.strerror(error.errno or 0)}. Make room (or check the disk) "
        "and run the same command again to resume"
    )


def finish_folder(unfinished: Path, folder: Path) -> None:
    """Move a finished folder, whose files are flushed already, to its final name."""
    for leftover in unfinished.rglob(f"{UNFINISHED}*"):  # left by a killed worker
        leftover.unlink()
    sync(unfinished)
    if folder.exists():
        shutil.rmtree(folder)
    unfinished.replace(folder)
    sync(folder.parent)


def sync(path: Path) -> None:
    """Flush a file or a folder's entries to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_table(table: pa.Table, path: Path) -> None:
    """Write a Parquet file atomically."""
    with whole_file(path) as unfinished:
        pq.write_table(table, unfinished, compression="zstd", write_page_checksum=True)


def write_json(value: object, path: Path) -> None:
    """Write a JSON file atomically."""
    with whole_file(path) as unfinished:
        unfinished.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> JsonObject:
    """
    Read a JSON object.

    Raises
    ------
    OSError, ValueError
        If the file cannot be read, or contains anything else.
    """
    value = json.loads(regular(path).read_text(encoding="utf-8"))
    if not isinstance(value, dict):
        raise ValueError("it does not contain a JSON object")
    return value


def parts(folder: Path) -> list[Path]:
    """
    List the partitions of a table in order: for a finished stage those in its record, even if missing.

    Raises
    ------
    UserError
        If ``stage.json`` cannot be read.
    """
    try:
        names = json.loads((folder / RECORD).read_bytes())["files"]
    except (FileNotFoundError, NotADirectoryError, KeyError):  # unfinished, or not a stage's folder
        return sorted(folder.glob(PARTS))
    except (ValueError, TypeError) as error:
        raise UserError(
            f"{folder / RECORD} cannot be read ({error}). Run the same command again to repeat the stage"
        ) from error
    return sorted(folder / name for name in names if PurePath(name).match(PARTS) and "/" not in name)


def read_part(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """
    Read one partition; columns that it does not have are omitted.

    Raises
    ------
    UserError
        If it is missing or corrupt.
    """
    with _opened(path) as file:
        if columns is not None:
            present = set(file.schema_arrow.names)
            columns = [name for name in columns if name in present]
        table = file.read(columns)
        table.validate(full=True)
        return table


def count_rows(path: Path) -> int:
    """Return the number of rows of a partition; raises as `read_part` does."""
    with _opened(path) as file:
        return int(file.metadata.num_rows)


def fields_of(path: Path) -> pa.Schema:
    """Return the columns of a partition; raises as `read_part` does."""
    with _opened(path) as file:
        return file.schema_arrow


@contextmanager
def _opened(path: Path) -> Iterator[pq.ParquetFile]:
    try:
        with damage_named(), pq.ParquetFile(regular(path), page_checksum_verification=True) as file:
            yield file
    except (Damaged, FileNotFoundError) as error:
        raise UserError(f"{path} is corrupt or missing ({error}). {REPAIR}") from error


@contextmanager
def damage_named() -> Iterator[None]:
    """Raise errors caused by a corrupt file as `Damaged`; other file system errors pass through."""
    try:
        yield
    except (pa.ArrowException, ValueError, IndexError) as error:
        raise Damaged(str(error)) from error
    except OSError as error:
        if error.errno not in (None, errno.EIO):
            raise
        raise Damaged(str(error)) from error


def link(source: Path, target: Path) -> None:
    """
    Give a file that is never changed a second name, or a copy where the file system has no links.

    Raises
    ------
    FileNotFoundError
        If it is missing, or there is something else in its place, such as a folder or a pipe.
    """
    if not source.is_file():
        raise FileNotFoundError(errno.ENOENT, "it is not a file", str(source))
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        target.hardlink_to(source)
    except FileExistsError:
        pass
    except OSError:
        with whole_file(target) as unfinished:
            shutil.copyfile(source, unfinished)
