"""Open documents that are zip files of XML: Word, OpenDocument, slides and books."""

import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeAlias

from lxml import etree

from datagen.request import Reject
from datagen.stages.sources.ingest.compression import check_zip
from datagen.stages.sources.ingest.record import File

Element: TypeAlias = etree._Element

DUBLIN_CORE = "{http://purl.org/dc/elements/1.1/}"
NAMED = {"creator": "author", "language": "language", "subject": "subject", "publisher": "publisher"}
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # start of encrypted and of old Office documents
# Titles that programs write: of a slide, of the program itself, of a template, of a new document.
NO_TITLE = re.compile(
    r"(?:page|slide|folie|diapositive?|diapositiva|слайд|スライド|幻灯片|投影片) ?\d+"
    r"|power ?point[- ]pr\w+|(?:presenta\w+|présentation|apresentação|презентация)(?: d[eio])? power ?point"
    r"|microsoft (?:office )?(?:word|powerpoint|excel)(?: - .*)?"
    r"|\S+\.(?:do[ct]|pp[ts]|xl[ts]|o[dt][tp])[xm]?"
    r"|untitled(?: ?\d+)?|(?:document|dokument|presentation|präsentation) ?\d+",
    re.IGNORECASE,
)
MANIFEST = "META-INF/manifest.xml"


@contextmanager
def opened(file: File) -> Iterator[zipfile.ZipFile]:
    """
    Open a document's zip file and check its size.

    Raises
    ------
    Reject
        If it is encrypted, grows without bound or is not a zip file.
    """
    with file.seekable() as stream:
        try:
            archive = zipfile.ZipFile(stream)
        except zipfile.BadZipFile as error:
            if file.head(len(OLE)) == OLE:
                why = "it has a password, or is older than 2007: save it as .docx or .pptx without a password"
                raise Reject("encrypted or old Office file", why) from error
            raise Reject("unreadable file", f"{error}") from error
        with archive:
            check_zip(archive, file.size)
            if MANIFEST in archive.NameToInfo and b":encryption-data" in archive.read(MANIFEST):
                raise Reject("encrypted", "it requires a password; save it without one")
            yield archive


def parse(data: bytes) -> Element:
    """Parse XML without expanding entities or loading anything."""
    return etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True, recover=True))


def part(archive: zipfile.ZipFile, name: str) -> Element:
    """
    Parse a member.

    Raises
    ------
    Reject
        If it is missing or not XML.
    """
    try:
        root = parse(archive.read(name))
    except (KeyError, zipfile.BadZipFile, etree.XMLSyntaxError) as error:
        raise Reject("unreadable file", f"{name}: {error}") from error
    if root is None:
        raise Reject("unreadable file", f"{name} is not XML")
    return root


def described(archive: zipfile.ZipFile, name: str) -> tuple[str, dict[str, str]]:
    """
    Read title and metadata from the Dublin Core elements of a member.

    Returns
    -------
    title, metadata
        Empty if the member is missing; the title, too, if a program wrote it (`NO_TITLE`).
    """
    title = ""
    metadata: dict[str, str] = {}
    if name not in archive.NameToInfo:
        return title, metadata
    for element in part(archive, name).iter(f"{DUBLIN_CORE}*"):
        field, text = etree.QName(element).localname, " ".join("".join(element.itertext()).split())
        if field == "title":
            title = title or ("" if NO_TITLE.fullmatch(text) else text)
        elif field in NAMED and text:
            metadata.setdefault(NAMED[field], text)
    return title, metadata
