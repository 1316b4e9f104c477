"""
An index file that maps keys to row numbers, with lookups that read only a few blocks.

Keys are hashes, so keys that are looked up together are scattered. The file holds a line of JSON, then the
*fences* (first key and checksum of each block), then entries of key and row number, sorted by key, in blocks.
Looking up n keys reads the fences (1% of the file) and at most n blocks of 4.6 kB. The file is not
memory-mapped: a truncated or deleted file raises an error instead of a signal.
"""

import json
import os
import shutil
import zlib
from collections.abc import Iterable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numpy.lib.format import read_array, write_array

from datagen.paths import regular
from datagen.store.parquet import Damaged, whole_file

Entries: TypeAlias = npt.NDArray[np.void]  # keys with their rows, or with the checksum of their block
BLOCK = 128  # entries per block
HEAD = 200  # maximum length of the first line, in bytes
SPOOLED = 1 << 20  # bytes of a part held in memory before it spills to disk

Keys = npt.NDArray[np.bytes_]
Rows = npt.NDArray[np.uint32]


def keys_of(column: pa.Array | pa.ChunkedArray) -> Keys:
    """Convert a column of keys to a NumPy array."""
    return np.array(column.cast(pa.binary()).to_pylist(), np.bytes_)


def write_keys(path: Path, entries_of: Iterable[tuple[Keys, Rows]]) -> None:
    """
    Write the index file; of a repeated key, only the first row.

    Keys are partitioned on disk by their first byte, and each part is sorted in memory. For hexadecimal
    hashes memory holds a sixteenth of the keys at a time.

    Raises
    ------
    Damaged
        If there are no keys.
    """
    with ExitStack() as opened, whole_file(path) as unfinished:
        spool = partial(SpooledTemporaryFile, SPOOLED, dir=path.parent)
        parts: dict[int, IO[bytes]] = {}
        width = 0
        for keys, rows in entries_of:
            width = max(width, keys.itemsize)
            first = keys.view(np.uint8)[:: keys.itemsize]
            for byte in np.unique(first).tolist():
                if byte not in parts:
                    parts[byte] = opened.enter_context(spool())
                write_array(parts[byte], keys[first == byte])
                write_array(parts[byte], rows[first == byte])
        if not parts:
            raise Damaged("no row is readable")
        blocks, fences = opened.enter_context(spool()), []
        rest = np.empty(0, _entry(width))
        for byte in sorted(parts):
            entries = np.concatenate([rest, _sorted(parts[byte], width)])
            complete = len(entries) - len(entries) % BLOCK
            fences.append(_write_blocks(blocks, entries[:complete]))
            rest = entries[complete:]
        fences.append(_write_blocks(blocks, rest))
        all_fences = np.concatenate(fences)
        count = blocks.tell() // rest.itemsize
        head = {"keys": count, "width": width, "sum": zlib.crc32(all_fences.tobytes())}
        with unfinished.open("wb") as file:
            file.write(json.dumps(head).encode() + b"\n")
            file.write(all_fences.tobytes())
            blocks.seek(0)
            shutil.copyfileobj(blocks, file)


def _sorted(part: IO[bytes], width: int) -> Entries:
    """Read the entries of a part written by `write_keys`, sorted, each key once."""
    end = part.tell()
    part.seek(0)
    keys, rows = [], []
    while part.tell() < end:
        keys.append(read_array(part))
        rows.append(read_array(part))
    all_keys = np.concatenate(keys)
    order = np.argsort(all_keys, kind="stable")
    entries = np.empty(len(all_keys), _entry(width))
    entries["key"], entries["row"] = all_keys[order], np.concatenate(rows)[order]
    first = np.ones(len(entries), bool)
    first[1:] = entries["key"][1:] != entries["key"][:-1]
    return np.asarray(entries[first])


def _write_blocks(file: IO[bytes], entries: Entries) -> Entries:
    """Write blocks of entries and return their fences."""
    fences = np.empty(-(-len(entries) // BLOCK), _fence(entries["key"].itemsize))
    fences["key"] = entries["key"][::BLOCK]
    data, size = memoryview(entries.tobytes()), BLOCK * entries.itemsize
    fences["sum"] = [zlib.crc32(data[at : at + size]) for at in range(0, len(data), size)]
    file.write(data)
    return fences


def find_keys(path: Path, wanted: Keys) -> Rows:
    """
    Return the row numbers of the wanted keys that exist, in ascending order.

    Raises
    ------
    Damaged
        If a checksum does not match, or it is no file.
    """
    try:
        opened = regular(path).open("rb")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Damaged(str(error)) from error
    with opened as file:
        try:
            head = json.loads(file.readline(HEAD))
            entry, fence = _entry(head["width"]), _fence(head["width"])
            fences = np.frombuffer(file.read(-(-head["keys"] // BLOCK) * fence.itemsize), fence)
            intact = zlib.crc32(fences.tobytes()) == head["sum"]
        except (ValueError, TypeError, KeyError):
            intact = False
        if not intact:
            raise Damaged("the header does not match its checksum")
        start = file.tell()
        # A key is in the last block whose first key is not greater.
        blocks = np.unique(np.searchsorted(fences["key"], wanted, side="right")) - 1
        size = BLOCK * entry.itemsize
        read = []
        for block in blocks[blocks >= 0].tolist():
            data = os.pread(file.fileno(), size, start + block * size)
            if zlib.crc32(data) != fences["sum"][block]:
                raise Damaged(f"block {block} does not match its checksum")
            read.append(data)
    entries = np.frombuffer(b"".join(read), entry)  # sorted, because the blocks are in order
    if not len(entries):
        return np.empty(0, np.uint32)
    at = np.minimum(np.searchsorted(entries["key"], wanted), len(entries) - 1)
    return np.unique(entries["row"][at[entries["key"][at] == wanted]])


def _entry(width: int) -> np.dtype[np.void]:
    return np.dtype([("key", f"S{width}"), ("row", "<u4")])


def _fence(width: int) -> np.dtype[np.void]:
    return np.dtype([("key", f"S{width}"), ("sum", "<u4")])
