"""Compressed files, read as a stream that ends where it would grow without bound."""

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable
from typing import IO, Any

import pyarrow as pa

from datagen.request import Reject

RATIO = 200  # of decompressed to compressed size; logs reach 50, JSON with one schema about 100
FREE = 64_000_000  # bytes that may come of anything, however small
MEMBERS = 100_000  # of one archive


# Ending -> opens a compressed stream for reading.
COMPRESSIONS: dict[str, Callable[[IO[bytes]], Any]] = {
    ".gz": lambda stream: gzip.GzipFile(fileobj=stream),
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
    ".zst": lambda stream: pa.CompressedInputStream(stream, "zstd"),
}


def compression_of(name: str) -> str:
    """Give the ending of a file's compression, "" of a file that has none."""
    ending = "." + name.rpartition(".")[2].lower()
    return ending if ending in COMPRESSIONS else ""


def decompressed(stream: IO[bytes], ending: str, size: int) -> IO[bytes]:
    """
    Open a compressed stream.

    Parameters
    ----------
    stream
        Compressed.
    ending
        A key of `COMPRESSIONS`.
    size
        Bytes of the compressed file, which bound what may come of it.

    Raises
    ------
    Reject
        While it is read: when it grows to more than `RATIO` times its size.
    """
    return bounded(COMPRESSIONS[ending](stream), size)


def bounded(stream: IO[bytes], size: int) -> IO[bytes]:
    """Read a stream that was decompressed from `size` bytes, up to `RATIO` times as many."""
    return io.BufferedReader(_Bounded(stream, largest(size)), 1 << 17)


def largest(size: int) -> int:
    """Give the bytes that may come of so many."""
    return max(FREE, RATIO * size)


def grown(limit: int) -> Reject:
    """Say that more came of a file than may."""
    return Reject(
        "grows without bound",
        f"more than {limit / 1e6:,.0f} MB decompressed, over {RATIO} times the file",
    )


class _Bounded(io.RawIOBase):
    def __init__(self, stream: IO[bytes], limit: int) -> None:
        self._stream, self._limit, self._count = stream, limit, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        self._count += len(data)
        if self._count > self._limit:
            raise grown(self._limit)
        return len(data)

    def close(self) -> None:
        self._stream.close()
        super().close()


def check_zip(archive: zipfile.ZipFile, size: int) -> None:
    """
    See that a zip file's members may be read: not too many, not grown beyond bounds.

    Parameters
    ----------
    archive
        An open zip file; DOCX, EPUB and ODT are such, too.
    size
        Its bytes.

    Raises
    ------
    Reject
        When they may not.
    """
    members = archive.infolist()
    if len(members) > MEMBERS:
        raise Reject("too many members", f"{len(members):,}, more than {MEMBERS:,}")
    total = sum(member.file_size for member in members)
    if total > largest(size):
        raise Reject("grows without bound", f"{size:,} bytes would become {total:,}")
