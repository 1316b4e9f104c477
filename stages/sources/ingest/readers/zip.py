"""Zip archives: each member is a file of the corpus, ``archive.zip!path``. Nothing is extracted."""

import zipfile
from collections.abc import Iterator
from functools import partial
from typing import IO

from datagen.request import Reject
from datagen.stages.sources.ingest.compression import bounded, check_zip
from datagen.stages.sources.ingest.inclusions import linked
from datagen.stages.sources.ingest.record import File, is_hidden


def read(file: File) -> Iterator[File | Reject]:
    """Yield the members in order, without folders and hidden files."""
    with file.seekable() as stream, zipfile.ZipFile(stream) as archive:
        check_zip(archive, stream.seek(0, 2))
        files: list[File] = []
        for member in archive.infolist():
            if member.is_dir() or is_hidden(member.filename):
                continue
            if (member.external_attr >> 28) == 0xA:  # the Unix mode of a link
                yield Reject("not a regular file", f"{file.name}!{member.filename} is a link")
                continue
            if member.flag_bits & 1:
                yield Reject("encrypted", f"{file.name}!{member.filename} requires a password")
                continue
            opener = partial(_open, archive, member)
            files.append(file.member(member.filename, opener, member.compress_size))
        yield from linked(files)


def _open(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> IO[bytes]:
    return bounded(archive.open(member), member.compress_size)
