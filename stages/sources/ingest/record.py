"""The input and output of readers: a file of the corpus, and the documents in it."""

import errno
import io
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, cast

from datagen.recipe.sections import Source
from datagen.request import Reject
from datagen.stages.sources.ingest.compression import DAMAGED, compression_of, decompressed
from datagen.stages.sources.ingest.decoding import decode

DEPTH = 3  # of archives within archives
NOT_ASCII = bytes(range(0x80, 0x100))
CHUNK = 1 << 18  # bytes; most files are smaller


@dataclass(frozen=True)
class Limits:
    """
    Limits for one document.

    Parameters
    ----------
    seconds
        Processor time to read it.
    memory_mb
        Memory of the process that reads it.
    document_mb
        Its decompressed size if it is read whole, and the size of its text.
    """

    seconds: float = 60
    memory_mb: int = 800
    document_mb: int = 64

    @property
    def document_bytes(self) -> int:
        """`document_mb` in bytes."""
        return self.document_mb * 1_000_000


def _opener(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW)  # a pipe would block


def _open_regular(path: Path) -> IO[bytes]:
    """Open a file, unless it has been replaced since it was found: a link could lead out of the corpus."""
    try:
        stream = open(path, "rb", opener=_opener)  # noqa: SIM115
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _replaced() from error
        raise
    if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        stream.close()
        raise _replaced()
    return stream


def _replaced() -> Reject:
    return Reject("not a file", "it has been replaced by a link, a pipe or a folder since it was found")


@dataclass(frozen=True)
class File:
    """
    A file of the corpus, or a member of an archive in it.

    Parameters
    ----------
    path
        Its path, of which the last part is not a link; empty for a mapping in a Python module.
    name
        Its name in `source`, which is the same on every machine.
    entry
        The recipe's corpus entry that it belongs to.
    size
        Its size in bytes, without decompression.
    limits
        The limits of each of its documents.
    opener
        Opens a member of an archive; None for a file on the disk.
    depth
        Number of archives around it.
    remote
        Whether it is in an object store; then `opener` opens it for reading at any position.
    parts
        Files whose text this one includes, and which are no documents (`inclusions`).
    part_of
        The name of the file that includes this one; "" if it is a document.
    cut
        Once it is read: where its compressed data end early, if they do. What precedes that is read.
    """

    path: Path
    name: str
    entry: Source
    size: int = 0
    limits: Limits = Limits()
    opener: Callable[[], IO[bytes]] | None = None
    depth: int = 0
    remote: bool = False
    parts: "tuple[File, ...]" = ()
    part_of: str = ""
    cut: list[str] = field(default_factory=list, init=False, compare=False, repr=False)

    @property
    def compression(self) -> str:
        """The ending of its compression, such as ".gz"; "" if it has none."""
        return compression_of(self.name)

    @property
    def whole_size(self) -> int:
        """Its size in bytes with that of its parts."""
        return self.size + sum(part.size for part in self.parts)

    @property
    def basename(self) -> str:
        """Its name without folder and compression ending: "README.md" for docs/README.md.gz."""
        name = re.split("[/!]", self.name)[-1]
        return name[: -len(self.compression)] if self.compression else name

    @property
    def stem(self) -> str:
        """Its name without folder and endings: the default title."""
        return Path(self.basename).stem

    def member(self, name: str, opener: Callable[[], IO[bytes]], size: int) -> "File":
        """
        Return a file within this one: a member of an archive, or an attachment of a message.

        Parameters
        ----------
        name
            Its path within this file.
        opener
            Opens it as a buffered reader with a size limit (`bounded` in `compression`).
        size
            Its size in bytes.

        Raises
        ------
        Reject
            If it would be nested in more than `DEPTH` archives.
        """
        if self.depth == DEPTH:
            raise Reject("nested too deep", f"{self.name}!{name} is in more than {DEPTH} archives")
        path = f"{self.name}!{name}"
        return replace(self, name=path, opener=opener, size=size, depth=self.depth + 1, remote=False)

    def open(self) -> IO[bytes]:
        """Open it for sequential reading, decompressed; reading raises `Reject` if it grows without bound."""
        return self._open()[0]

    def seekable(self) -> IO[bytes]:
        """Open it for reading at any position, decompressed."""
        stream, compressed = self._open()
        if not compressed and (self.opener is None or self.remote):
            return stream
        with stream:
            return io.BytesIO(self._whole(stream))

    def stored(self) -> IO[bytes]:
        """Open it for sequential reading as it is stored, not decompressed."""
        return self.opener() if self.opener else _open_regular(self.path)

    def _open(self) -> tuple[IO[bytes], bool]:
        ending = Path(self.name).suffix.lower() if self.compression else ""
        return decompressed(self.stored(), ending, self.size, self.cut)

    def read(self) -> bytes:
        """
        Read it whole, decompressed.

        Raises
        ------
        Reject
            If it is larger than a document may be.
        """
        with self.open() as stream:
            return self._whole(stream)

    def _whole(self, stream: IO[bytes]) -> bytes:
        limit = self.limits.document_bytes
        data = stream.read(CHUNK)
        if len(data) == CHUNK:  # so that not every small file allocates the limit
            data += stream.read(max(0, limit + 1 - CHUNK))
        if len(data) > limit:
            raise too_large(self.limits)
        if self.cut:  # the last line, which is not complete, may end within a character
            data = data[: data.rfind(b"\n") + 1] or data.rstrip(NOT_ASCII)
        return data

    def head(self, count: int) -> bytes:
        """Read its first `count` bytes, decompressed; fewer if it is damaged after them."""
        head = b""
        with self.open() as stream:
            try:
                while len(head) < count and (
                    data := cast(io.BufferedReader, stream).read1(count - len(head))
                ):
                    head += data
            except DAMAGED:
                if not head:
                    raise
        return head

    def text(self) -> tuple[str, str]:
        """
        Read it whole and decode it (`decode`).

        Returns
        -------
        text, encoding

        Raises
        ------
        Reject
            If it is not text in any known encoding, or too large.
        """
        return decode(self.read(), self.entry.encoding)


@dataclass(frozen=True)
class Record:
    """
    A document as read from its file.

    Parameters
    ----------
    text
        Its text, with headings marked as in Markdown; it is normalised afterwards (`normalise`).
    title
        Its title; "" if the format has none: then the initial heading of the text or the file's name is used.
    name
        Its name within the file: the id field or the key; None for a file that is one document, "" if it has
        no name.
    line
        Line, row or page in its file, from 1; 0 for a file that is one document.
    metadata
        The other fields of the record, or the metadata of the file.
    """

    text: str
    title: str = ""
    name: str | None = None
    line: int = 0
    metadata: Mapping[str, object] = field(default_factory=dict)


Reader = Callable[[File], Iterator[Record | File | Reject]]


def is_hidden(path: str) -> bool:
    """Check whether a member of an archive is hidden, or was added by macOS."""
    parts = path.replace("\\", "/").split("/")
    return any(part.startswith(".") and part.strip(".") for part in parts) or "__MACOSX" in parts


def too_large(limits: Limits) -> Reject:
    """Return the rejection of a document above the size limit."""
    return Reject("too large", f"more than {limits.document_mb} MB; stages.ingest.document_mb allows more")
