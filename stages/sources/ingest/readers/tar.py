"""Tar archives, compressed or not: each member is a file of the corpus, ``archive.tar!path``."""

import io
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from typing import IO, cast

from datagen.request import Reject
from datagen.stages.sources.ingest.compression import MEMBERS
from datagen.stages.sources.ingest.inclusions import is_latex, linked
from datagen.stages.sources.ingest.record import File, is_hidden

LARGEST = 2_000_000_000  # maximum bytes of a member
IN_MEMORY = 8_000_000  # bytes of a member kept in memory; a larger one goes to a temporary file


def read(file: File) -> Iterator[File | Reject]:
    """
    Yield the members in order; the archive is read once, sequentially, and nothing is extracted.

    LaTeX files, which may include later ones, follow at the end.
    """
    held: list[File] = []
    room = file.limits.document_bytes
    try:
        for member in _members(file):
            if isinstance(member, File) and is_latex(member) and member.size <= room:
                member.stored().close()  # keeps its contents
                held.append(member)
                room -= member.size
            else:
                yield member
    except Exception:
        yield from linked(held)
        raise
    yield from linked(held)


def _members(file: File) -> Iterator[File | Reject]:
    with file.open() as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
        for number, member in enumerate(archive):
            if number == MEMBERS:
                raise Reject("too many members", f"{file.name} contains more than {MEMBERS:,}")
            if member.isdir() or is_hidden(member.name):
                continue
            if not member.isreg():
                kind = "a link" if member.issym() or member.islnk() else "not a file"
                yield Reject("not a regular file", f"{file.name}!{member.name} is {kind}")
                continue
            yield file.member(member.name, _Member(archive, member), member.size)


class _Member:
    """Opens a member any number of times, although a stream can be read only once."""

    def __init__(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        self._archive, self._member = archive, member
        self._held: IO[bytes] | None = None

    def __call__(self) -> IO[bytes]:
        if self._held is None:
            if self._member.size > LARGEST:
                raise Reject("too large", f"{self._member.name} in an archive: over {LARGEST / 1e9:.0f} GB")
            stream = self._archive.extractfile(self._member)
            assert stream is not None  # a regular file
            self._held = cast(IO[bytes], tempfile.SpooledTemporaryFile(IN_MEMORY))  # noqa: SIM115
            shutil.copyfileobj(stream, self._held)
        self._held.seek(0)
        return io.BufferedReader(_Shared(self._held))


class _Shared(io.RawIOBase):
    """Reads a file without closing it."""

    def __init__(self, held: IO[bytes]) -> None:
        self._held = held

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        data = self._held.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
