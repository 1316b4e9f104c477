"""
A file of keys: where each key's row stands, found by reading a few blocks and not the file.

Keys are hashes, so those that are wanted together stand anywhere. The file holds entries of key and row,
sorted by key, in blocks; before them the *fences*, the first key and the checksum of each block; before these
a line of JSON. Looking up n keys reads the fences, a hundredth of the file, and at most n blocks of 4.6 kB.
Nothing is mapped into memory: a file that is cut short or goes away is an error and not a signal.
"""

import json
import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datagen.tables import whole_file

BLOCK = 128  # entries
HEAD = 200  # bytes that the first line may have

Keys = npt.NDArray[np.bytes_]
Rows = npt.NDArray[np.uint32]


class Damaged(Exception):
    """A file is not what was written."""


def keys_of(column: pa.Array | pa.ChunkedArray) -> Keys:
    """Take a column of keys to NumPy, which can search in it."""
    return np.array(column.cast(pa.binary()).to_pylist(), np.bytes_)


def write_keys(path: Path, keys: Keys, rows: Rows) -> None:
    """Write down in which row each key stands; of a key that stands in several, the first row given."""
    order = np.argsort(keys, kind="stable")
    entries = np.empty(len(keys), _entry(keys.itemsize))
    entries["key"], entries["row"] = keys[order], rows[order]
    first = np.ones(len(keys), bool)
    first[1:] = entries["key"][1:] != entries["key"][:-1]
    entries = entries[first]
    fences = np.empty(-(-len(entries) // BLOCK), _fence(keys.itemsize))
    fences["key"] = entries["key"][::BLOCK]
    data = memoryview(entries.view(np.uint8))
    size = BLOCK * entries.itemsize
    fences["sum"] = [zlib.crc32(data[at : at + size]) for at in range(0, len(data), size)]
    head = {"keys": len(entries), "width": keys.itemsize, "sum": zlib.crc32(fences.tobytes())}
    with whole_file(path) as beside, beside.open("wb") as file:
        file.write(json.dumps(head).encode() + b"\n")
        file.write(fences.tobytes())
        file.write(data)


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
