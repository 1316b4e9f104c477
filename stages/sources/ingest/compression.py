"""Read compressed files as streams that stop if they would grow without bound."""

import bz2
import gzip
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable
from typing import IO, Protocol, cast

from datagen.request import Reject
from datagen.stages.sources.ingest.zstd_frames import MAGIC, Frames

RATIO = 200  # of decompressed to compressed size; logs reach 50, JSON with one schema about 100
FREE = 64_000_000  # decompressed bytes that are allowed for any file, however small
MEMBERS = 100_000  # maximum number of members of one archive
TIMES = 3  # that a file may be compressed
BINARY = re.compile(rb"[\0-\x08\x0e-\x1a]")  # not in text
HEAD = 512  # bytes in which they are searched
BLOCK = 1 << 16  # compressed bytes that are read at a time
STEP = 1 << 17  # decompressed bytes that are read at a time


DAMAGED = (OSError, EOFError, zlib.error, lzma.LZMAError)  # what reading a damaged file raises


class Readable(Protocol):
    """A stream that is read from its beginning to its end."""

    def read(self, size: int = -1, /) -> bytes:
        """Read at most so many bytes; all if negative."""

    def close(self) -> None:
        """Close it."""


# Ending -> first bytes of a file, and function that opens it for reading.
COMPRESSIONS: dict[str, tuple[re.Pattern[bytes], Callable[[IO[bytes]], Readable]]] = {
    ".gz": (re.compile(rb"\x1f\x8b"), lambda stream: gzip.GzipFile(fileobj=stream)),
    ".bz2": (
        re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)"),
        lambda stream: _Members(stream, bz2.BZ2Decompressor),
    ),
    ".xz": (re.compile(rb"\xfd7zXZ\0"), lambda stream: _Members(stream, lzma.LZMADecompressor)),
    ".zst": (re.compile(re.escape(MAGIC)), Frames),
}


def compression_of(name: str) -> str:
    """Return the endings of compressions of a file name, such as ".gz" or ".gz.gz"; "" if it has none."""
    rest = name
    while rest.lower().endswith(tuple(COMPRESSIONS)):
        rest = rest[: rest.rindex(".")]
    return name[len(rest) :]


def decompressed(
    stream: IO[bytes], ending: str, size: int, cut: list[str] | None = None
) -> tuple[IO[bytes], bool]:
    """
    Open a stream that may be compressed, as its first bytes say.

    A browser may have decompressed a ``.gz`` file, and a tool may have compressed one twice.

    Parameters
    ----------
    stream
        The stream; it can be peeked at.
    ending
        Ending of the file's name, one of `COMPRESSIONS` or "". It decides if the data are binary and begin
        with no known mark: they are damaged.
    size
        Size of the file in bytes, which limits the decompressed size.
    cut
        Receives the error of data that end early; the stream then ends there. None: reading raises it.

    Returns
    -------
    The decompressed stream, and whether it was compressed. Reading raises `Reject` if it grows to more than
    `RATIO` times its size.

    Raises
    ------
    Reject
        If it is compressed more than `TIMES` times.
    """
    for times in range(TIMES + 1):
        head = cast(io.BufferedReader, stream).peek(HEAD)[:HEAD]
        named = next((name for name, (mark, _) in COMPRESSIONS.items() if mark.match(head)), "")
        if not named and (times or not ending or not BINARY.search(head)):
            return stream, times > 0
        stream = bounded(COMPRESSIONS[named or ending][1](stream), size, cut)
    raise Reject("nested too deep", f"it is compressed more than {TIMES} times")


def bounded(stream: Readable, size: int, cut: list[str] | None = None) -> IO[bytes]:
    """Limit a stream that is decompressed from `size` bytes to `RATIO` times as many; `cut` as above."""
    return io.BufferedReader(_Bounded(stream, largest(size), cut), STEP)


def largest(size: int) -> int:
    """Return the maximum decompressed size for a compressed size, in bytes."""
    return max(FREE, RATIO * size)


def grown(limit: int) -> Reject:
    """Return the rejection of a file that grows beyond its limit."""
    return Reject(
        "grows without bound",
        f"more than {limit / 1e6:,.0f} MB decompressed, over {RATIO} times the file",
    )


class _Members:
    """
    The members of a bzip2 or xz file, one after another; zero bytes may follow each.

    `bz2.BZ2File` and `lzma.LZMAFile` ignore what follows a member and is no other one, such as a damaged
    member. Here it is an error, after all members before it.
    """

    def __init__(
        self, stream: IO[bytes], start: Callable[[], bz2.BZ2Decompressor | lzma.LZMADecompressor]
    ) -> None:
        self._stream, self._start = stream, start
        self._member = start()

    def read(self, size: int = -1, /) -> bytes:
        """Read at most so many bytes; none at the end."""
        while True:
            data = b""
            if self._member.eof:
                data = self._member.unused_data.lstrip(b"\0")
                while not data and (block := self._stream.read(BLOCK)):
                    data = block.lstrip(b"\0")
                if not data:
                    return b""
                self._member = self._start()
            elif self._member.needs_input and not (data := self._stream.read(BLOCK)):
                raise EOFError("Compressed file ended before the end-of-stream marker was reached")
            if text := self._member.decompress(data, size):
                return text

    def close(self) -> None:
        """Close the file."""
        self._stream.close()


class _Bounded(io.RawIOBase):
    def __init__(self, stream: Readable, limit: int, cut: list[str] | None) -> None:
        self._stream, self._limit, self._count, self._cut = stream, limit, 0, cut

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        # Only what one short step gives, so that an error does not take along what was read before it.
        try:
            data = getattr(self._stream, "read1", self._stream.read)(min(len(buffer), STEP))
        except (EOFError, OSError) as error:
            # Only where data are missing: what precedes other damage may be wrong, too.
            is_cut = isinstance(error, EOFError) or "Truncated" in str(error)
            if self._cut is None or not self._count or not is_cut:
                raise
            self._cut[:] = [f"after {self._count:,} decompressed bytes: {error}"]
            return 0
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
