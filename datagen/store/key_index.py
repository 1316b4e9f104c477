"""
A file of keys: where each key's row stands, found by reading a few blocks and not the file.

Keys are hashes, so those that are wanted together stand anywhere. The file holds entries of key and row,
sorted by key, in blocks; before them the *fences*, the first key and the checksum of each block; before these
a line of JSON. Looking up n keys reads the fences, a hundredth of the file, and at most n blocks of 4.6 kB.
Nothing is mapped into memory: a file that is cut short or goes away is an error and not a signal.
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
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numpy.lib.format import read_array, write_array

from datagen.store.parquet import Damaged, whole_file

BLOCK = 128  # entries
HEAD = 200  # bytes that the first line may have
SPOOLED = 1 << 20  # bytes of a part that wait in memory

Keys = npt.NDArray[np.bytes_]
Rows = npt.NDArray[np.uint32]


def keys_of(column: pa.Array | pa.ChunkedArray) -> Keys:
    """Take a column of keys to NumPy, which can search in it."""
    return np.array(column.cast(pa.binary()).to_pylist(), np.bytes_)


def write_keys(path: Path, found: Iterable[tuple[Keys, Rows]]) -> None:
    """
    Write down in which row each key stands; of a key that stands in several, the first row given.

    Keys are sorted by their first byte and then among those that share it. Of hashes in hexadecimal digits
    memory holds a sixteenth; the others wait on the disk.

    Raises
    ------
    Damaged
        When there is no key.
    """
    with ExitStack() as opened, whole_file(path) as beside:
        spool = partial(SpooledTemporaryFile, SPOOLED, dir=path.parent)
        parts: dict[int, IO[bytes]] = {}
        width = 0
        for keys, rows in found:
            width = max(width, keys.itemsize)
            first = keys.view(np.uint8)[:: keys.itemsize]
            for byte in np.unique(first).tolist():
                if byte not in parts:
                    parts[byte] = opened.enter_context(spool())
                write_array(parts[byte], keys[first == byte])
                write_array(parts[byte], rows[first == byte])
        if not parts:
            raise Damaged("not a row of it can be read")
        blocks, fences = opened.enter_context(spool()), []
        rest = np.empty(0, _entry(width))
        for byte in sorted(parts):
            entries = np.concatenate([rest, _sorted(parts[byte], width)])
            whole = len(entries) - len(entries) % BLOCK
            fences.append(_write_blocks(blocks, entries[:whole]))
            rest = entries[whole:]
        fences.append(_write_blocks(blocks, rest))
        every = np.concatenate(fences)
        count = blocks.tell() // rest.itemsize
        head = {"keys": count, "width": width, "sum": zlib.crc32(every.tobytes())}
        with beside.open("wb") as file:
            file.write(json.dumps(head).encode() + b"\n")
            file.write(every.tobytes())
            blocks.seek(0)
            shutil.copyfileobj(blocks, file)


def _sorted(part: IO[bytes], width: int) -> npt.NDArray[Any]:
    """Read what `write_keys` has put into a part: its entries, sorted, each key once."""
    end = part.tell()
    part.seek(0)
    keys, rows = [], []
    while part.tell() < end:
        keys.append(read_array(part))
        rows.append(read_array(part))
    every = np.concatenate(keys)
    order = np.argsort(every, kind="stable")
    entries = np.empty(len(every), _entry(width))
    entries["key"], entries["row"] = every[order], np.concatenate(rows)[order]
    first = np.ones(len(entries), bool)
    first[1:] = entries["key"][1:] != entries["key"][:-1]
    result: npt.NDArray[Any] = entries[first]
    return result


def _write_blocks(file: IO[bytes], entries: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Write blocks of entries and return their fences."""
    fences = np.empty(-(-len(entries) // BLOCK), _fence(entries["key"].itemsize))
    fences["key"] = entries["key"][::BLOCK]
    data, size = memoryview(entries.tobytes()), BLOCK * entries.itemsize
    fences["sum"] = [zlib.crc32(data[at : at + size]) for at in range(0, len(data), size)]
    file.write(data)
    return fences


def find_keys(path: Path, wanted: Keys) -> Rows:
    """
    Find the rows of the wanted keys, of those that are there, in ascending order.

    Raises
    ------
    Damaged
        When what was read is not what was written.
    """
    with path.open("rb") as file:
        try:
            head = json.loads(file.readline(HEAD))
            entry, fence = _entry(head["width"]), _fence(head["width"])
            fences = np.frombuffer(file.read(-(-head["keys"] // BLOCK) * fence.itemsize), fence)
            whole = zlib.crc32(fences.tobytes()) == head["sum"]
        except (ValueError, TypeError, KeyError):
            whole = False
        if not whole:
            raise Damaged("how it begins is not what was written")
        start = file.tell()
        # A key stands in the last block whose first key is not after it.
        blocks = np.unique(np.searchsorted(fences["key"], wanted, side="right")) - 1
        size = BLOCK * entry.itemsize
        read = []
        for block in blocks[blocks >= 0].tolist():
            data = os.pread(file.fileno(), size, start + block * size)
            if zlib.crc32(data) != fences["sum"][block]:
                raise Damaged(f"block {block} is not what was written")
            read.append(data)
    entries = np.frombuffer(b"".join(read), entry)  # of blocks in their order, so sorted
    if not len(entries):
        return np.empty(0, np.uint32)
    at = np.minimum(np.searchsorted(entries["key"], wanted), len(entries) - 1)
    return np.unique(entries["row"][at[entries["key"][at] == wanted]])


def _entry(width: int) -> np.dtype[Any]:
    return np.dtype([("key", f"S{width}"), ("row", "<u4")])


def _fence(width: int) -> np.dtype[Any]:
    return np.dtype([("key", f"S{width}"), ("sum", "<u4")])
