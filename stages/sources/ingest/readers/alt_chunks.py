"""Files within a Word document that Word shows as a part of its text: HTML, plain text, RTF or Word."""

import posixpath
import re
import zipfile
from collections.abc import Iterator
from functools import partial
from typing import IO

from datagen.request import Reject
from datagen.stages.sources.ingest.compression import bounded
from datagen.stages.sources.ingest.formats import format_of
from datagen.stages.sources.ingest.readers.word_xml import CHUNK
from datagen.stages.sources.ingest.readers.zipped import part
from datagen.stages.sources.ingest.record import File, Record

PLACE = re.compile(f"{CHUNK}(\\w*){CHUNK}")
WEB_ARCHIVES = (".mht", ".mhtml")  # which are messages


def inserted(text: str, file: File, archive: zipfile.ZipFile, main: str) -> tuple[str, list[Reject]]:
    """
    Replace the marks of chunks in a document's text by the texts of the chunks.

    Returns
    -------
    text, the reasons for chunks that were left out
    """
    if CHUNK not in text:
        return text, []
    targets = dict(_targets(archive, main))
    left_out: list[Reject] = []

    def written(mark: re.Match[str]) -> str:
        try:
            return "\n\n".join(_texts(targets.get(mark[1], ""), file, archive))
        except Reject as why:
            left_out.append(why)
        except Exception as error:  # libraries raise any exception on a part that they cannot read
            left_out.append(Reject("unreadable file", f"{type(error).__name__}: {error}"))
        return ""

    return PLACE.sub(written, text), left_out


def _targets(archive: zipfile.ZipFile, main: str) -> Iterator[tuple[str, str]]:
    """List the parts to which the main part refers, by the ids of the references."""
    folder, name = posixpath.split(main)
    relations = f"{folder}/_rels/{name}.rels"
    if relations in archive.NameToInfo:
        for relation in part(archive, relations):
            target = posixpath.normpath(posixpath.join("/", folder, relation.get("Target", "")))
            yield relation.get("Id", ""), target.lstrip("/")


def _texts(name: str, file: File, archive: zipfile.ZipFile) -> Iterator[str]:
    if name not in archive.NameToInfo:
        raise Reject("missing part", f"{file.name} refers to a part {name!r} that it does not contain")
    info = archive.NameToInfo[name]
    shown = f"{name}.eml" if name.lower().endswith(WEB_ARCHIVES) else name
    member = file.member(shown, partial(_open, archive, info), info.compress_size)
    form = format_of(member)
    if form is None:
        raise Reject("unknown format", f"{member.name}, a part of the text")
    for record in form.load()(member):
        if isinstance(record, Record):
            yield record.text.strip("\n")
        elif isinstance(record, Reject):
            raise record


def _open(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> IO[bytes]:
    return bounded(archive.open(info), info.compress_size)
