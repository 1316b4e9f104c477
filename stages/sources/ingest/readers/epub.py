"""Books: all chapters, in order, are one document."""

import posixpath
import zipfile
from collections.abc import Iterator
from urllib.parse import unquote

from lxml import etree

from datagen.request import Reject
from datagen.stages.sources.ingest.decoding import decode
from datagen.stages.sources.ingest.readers.webpage import read_webpage
from datagen.stages.sources.ingest.readers.zipped import Element, described, opened, part
from datagen.stages.sources.ingest.record import File, Record

PAGES = ("application/xhtml+xml", "text/html")


def read(file: File) -> Iterator[Record]:
    """Read the book."""
    with opened(file) as archive:
        if "META-INF/rights.xml" in archive.namelist() or _is_encrypted(archive):
            raise Reject("encrypted", "the book is copy-protected")
        container = part(archive, "META-INF/container.xml")
        package = next((element.get("full-path", "") for element in _named(container, "rootfile")), "")
        root = part(archive, package)
        title, metadata = described(archive, package)
        chapters = []
        for name in dict.fromkeys(_spine(root, posixpath.dirname(package))):  # a repeated one is read once
            if name in archive.NameToInfo:
                page, _ = decode(archive.read(name))
                chapters.append(read_webpage(page, whole=True)[0].strip())
    yield Record("\n\n".join(filter(None, chapters)), title, metadata=metadata)


def _spine(root: Element, folder: str) -> list[str]:
    """List the pages in reading order, without the navigation."""
    items = {item.get("id"): item for item in _named(root, "item")}
    names = []
    for reference in _named(root, "itemref"):
        item = items.get(reference.get("idref"))
        if item is None or "nav" in item.get("properties", "").split() or item.get("media-type") not in PAGES:
            continue
        names.append(posixpath.normpath(posixpath.join(folder, unquote(item.get("href", "")))))
    return names


def _is_encrypted(archive: zipfile.ZipFile) -> bool:
    """Check whether anything other than fonts is encrypted; many free books encrypt their fonts."""
    if "META-INF/encryption.xml" not in archive.namelist():
        return False
    references = _named(part(archive, "META-INF/encryption.xml"), "CipherReference")
    return any(reference.get("URI", "").lower().endswith(("html", "htm", "xml")) for reference in references)


def _named(root: Element, name: str) -> list[Element]:
    return [
        element
        for element in root.iter()
        if isinstance(element.tag, str) and etree.QName(element).localname == name
    ]
