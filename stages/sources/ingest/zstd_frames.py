"""
The frames of a Zstandard file, one after another.

pyarrow's stream loses the text before whatever follows the last frame: padding, or data that are no frame. So
each frame is cut from the file by its headers (RFC 8878, 3.1) and decompressed by itself.
"""

import io
from typing import IO

import pyarrow as pa

MAGIC = b"\x28\xb5\x2f\xfd"
SKIPPED = range(0x184D2A50, 0x184D2A60)  # first bytes of frames that contain no text
DICTIONARY = (0, 1, 2, 4)  # bytes of a dictionary's number, by flag
CHECKSUM = 4  # bytes
RLE = 1  # type of a block of one repeated byte


class Frames:
    """The text of a stream of frames; zero bytes may follow each."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._frame: pa.CompressedInputStream | None = None

    def read(self, size: int = -1, /) -> bytes:
        """
        Read at most so many bytes; none at the end.

        Raises
        ------
        OSError
            If a frame is damaged, or no frame follows one.
        """
        while True:
            if self._frame and (text := self._frame.read(size)):
                return bytes(text)
            mark = self._mark()
            if not mark:
                return b""
            if int.from_bytes(mark, "little") in SKIPPED:
                self._frame = None
                self._stream.read(int.from_bytes(self._stream.read(4), "little"))
            elif mark == MAGIC:
                self._frame = pa.CompressedInputStream(io.BufferedReader(_Frame(self._stream)), "zstd")
            else:
                raise OSError("data that are not Zstandard")

    def _mark(self) -> bytes:
        """Return the first bytes of the next frame; none at the end."""
        first = self._stream.read(1)
        while first == b"\0":
            first = self._stream.read(1)
        return first + self._stream.read(len(MAGIC) - 1) if first else b""

    def close(self) -> None:
        """Close the file."""
        self._stream.close()


class _Frame(io.RawIOBase):
    """The bytes of one frame, of which `MAGIC` has been read."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._left = stream, 0  # bytes until the next header of a block
        (descriptor,) = stream.read(1) or b"\0"
        is_single, size = bool(descriptor & 0x20), descriptor >> 6
        fields = (not is_single) + DICTIONARY[descriptor & 3] + ((1 << size) if size else int(is_single))
        self._pending = MAGIC + bytes([descriptor]) + stream.read(fields)
        self._after = CHECKSUM if descriptor & 4 else 0
        self._is_last = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        if not self._pending and not self._left and not self._is_last:
            self._open_block()
        if self._pending:
            data, self._pending = self._pending[: len(buffer)], self._pending[len(buffer) :]
        else:
            data = self._stream.read(min(len(buffer), self._left))
            self._left -= len(data)
        buffer[: len(data)] = data
        return len(data)

    def _open_block(self) -> None:
        self._pending = self._stream.read(3)
        header = int.from_bytes(self._pending, "little")
        self._is_last = bool(header & 1) or len(self._pending) < 3  # or the file ends early
        self._left = 1 if header >> 1 & 3 == RLE else header >> 3
        if self._is_last:
            self._left += self._after
