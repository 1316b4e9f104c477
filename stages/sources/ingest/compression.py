"""Read compressed files as streams that stop if they would grow without bound."""

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable
from typing import IO, Protocol

import pyarrow as pa

from datagen.request import Reject

RATIO = 200  # of decompressed to compressed size; logs reach 50, JSON with one schema about 100
FREE = 64_000_000  # decompressed bytes that are allowed for any file, however small
MEMBERS = 100_000  # maximum number of members of one archive


class Readable(Protocol):
    """A stream that is read from its beginning to its end."""

    def read(self, size: int = -1, /) -> bytes:
        """Read at most so many bytes; all if negative."""

    def close(self) -> None:
        """Close it."""


# Ending -> function that opens a compressed stream for reading.
COMPRESSIONS: dict[str, Callable[[IO[bytes]], Readable]] = {
    ".gz": lambda stream: gzip.GzipFile(fileobj=stream),
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
    ".zst": lambda stream: pa.CompressedInputStream(stream, "zstd"),
}


def compression_of(name: str) -> str:
    """Return the compression's ending of a file name; "" if it is not compressed."""
    ending = "." + name.rpartition(".")[2].lower()
    return ending if ending in COMPRESSIONS else ""


def decompressed(stream: IO[bytes], ending: str, size: int) -> IO[bytes]:
    """
    Open a compressed stream.

    Parameters
    ----------
    stream
        The compressed stream.
    ending
        A key of `COMPRESSIONS`.
    size
        Size of the compressed file in bytes, which limits the decompressed size.

    Raises
    ------
    Reject
        During reading, if it grows to more than `RATIO` times its size.
    """
    return bounded(COMPRESSIONS[ending](stream), size)


def bounded(stream: Readable, size: int) -> IO[bytes]:
    """Limit a stream that is decompressed from `size` bytes to `RATIO` times as many."""
    return io.BufferedReader(_Bounded(stream, largest(size)), 1 << 17)


def largest(size: int) -> int:
    """Return the maximum decompressed size for a compressed size, in bytes."""
    return max(FREE, RATIO * size)


def grown(limit: int) -> Reject:
    """Return the rejection of a file that grows beyond its limit."""
    return Reject(
        "grows without bound",
        f"more than {limit / 1e6:,.0f} MB decompressed, over {RATIO} times the file",
    )


class _Bounded(io.RawIOBase):
    def __init__(self, stream: Readable, limit: int) -> None:
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
    Check that a zip file does not have too many or too large members.

    Parameters
    ----------
    archive
        An open zip file, including DOCX, EPUB and ODT files.
    size
        Its size in bytes.

    Raises
    ------
    Reject
        If it has.
    """
    members = archive.infolist()
    if len(members) > MEMBERS:
        raise Reject("too many members", f"{len(members):,}, more than {MEMBERS:,}")
    total = sum(member.file_size for member in members)
    if total > largest(size):
        raise Reject("grows without bound", f"{size:,} bytes would become {total:,}")
