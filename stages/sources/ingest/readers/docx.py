"""Word documents: headings, lists, tables, formulas and notes."""

import io
import posixpath
import re
import zipfile
from collections.abc import Iterator

import mammoth
from lxml import html

from datagen.request import Reject
from datagen.stages.sources.ingest.readers.alt_chunks import inserted
from datagen.stages.sources.ingest.readers.office_page import NOTE, place_notes, raise_bold
from datagen.stages.sources.ingest.readers.webpage import read_webpage
from datagen.stages.sources.ingest.readers.word_xml import MARKS, prepared
from datagen.stages.sources.ingest.readers.zipped import described, opened, parse, part
from datagen.stages.sources.ingest.record import File, Record

STYLES = """
p[style-name='Title'] => h1:fresh
p[style-name='Code'] => pre:separator('\\n')
p[style-name='Source Code'] => pre:separator('\\n')
p[style-name='HTML Preformatted'] => pre:separator('\\n')
p[style-name='Preformatted Text'] => pre:separator('\\n')
"""
NOTE_ID = re.compile(r"(?:foot|end)note-\d+\Z")
# A style without what mammoth requires and Word does not.
UNTYPED = re.compile(rb"<w:style(?=[\s/>])(?![^>]*\bw:type=)")
UNNAMED = re.compile(rb"<w:style(?=[\s/>])(?![^>]*\bw:styleId=)")
PROPERTIES = "docProps/core.xml"
TEXTS = ("document", "footnotes", "endnotes")  # beginnings of the names of parts with text


def read(file: File) -> Iterator[Record | Reject]:
    """Read the document, with the files that are parts of its text."""
    with opened(file) as archive:
        title, metadata = described(archive, PROPERTIES)
        main = _main_part(archive)
        part(archive, main)
        stream = _prepared(archive, posixpath.dirname(main))
        written = mammoth.convert_to_html(
            stream, style_map=STYLES, convert_image=_no_image, ignore_empty_paragraphs=False
        ).value
        page = html.document_fromstring(f"<body>{written}</body>").body
        _mark_notes(page)
        raise_bold(page)
        place_notes(page)
        text, _ = read_webpage(html.tostring(page, encoding="unicode"), whole=True)
        text, left_out = inserted(text, file, archive, main)
    yield Record(text, title, metadata=metadata)
    yield from left_out


def _main_part(archive: zipfile.ZipFile) -> str:
    """Find the part with the text, which Office 365 may call document2.xml."""
    if "_rels/.rels" in archive.NameToInfo:
        for relation in part(archive, "_rels/.rels"):
            if relation.get("Type", "").endswith("/officeDocument"):
                return str(relation.get("Target", "")).lstrip("/")
    return "word/document.xml"


def _prepared(archive: zipfile.ZipFile, folder: str) -> object:
    """Copy the archive with its texts prepared for mammoth; if nothing has to be changed, return its file."""
    texts = {
        name: archive.read(name)
        for name in archive.NameToInfo
        if posixpath.dirname(name) == folder and posixpath.basename(name).startswith(TEXTS)
    }
    if any(b"<!ENTITY" in data for data in texts.values()):
        raise Reject("unreadable file", "it defines entities, which Word never does")
    styles = f"{folder}/styles.xml"
    named = archive.read(styles) if styles in archive.NameToInfo else b""
    complete = UNNAMED.sub(b'<w:style w:styleId=""', UNTYPED.sub(b'<w:style w:type="paragraph"', named))
    if not any(mark in data for mark in MARKS for data in texts.values()) and named == complete:
        return archive.fp
    copy = io.BytesIO()
    with zipfile.ZipFile(copy, "w") as changed:
        for name in archive.NameToInfo:
            if name in texts:
                changed.writestr(name, prepared(texts[name], parse))
            elif name == styles:
                changed.writestr(name, complete)
            elif name.endswith((".xml", ".rels")):
                changed.writestr(name, archive.read(name))
    copy.seek(0)
    return copy


def _mark_notes(page: html.HtmlElement) -> None:
    """Take the text of notes from the end of the page to the places that refer to them."""
    notes = {note.get("id"): note for note in page.iter("li") if NOTE_ID.match(note.get("id", ""))}
    for link in page.iter("a"):
        note = notes.get(link.get("href", "").removeprefix("#"))
        if note is not None and link.getparent().tag == "sup":
            for back in list(note.iter("a")):
                if back.get("href", "").startswith("#"):
                    back.drop_tree()
            link.getparent().set(NOTE, " ".join(note.text_content().split()))
    for note in notes.values():
        note.drop_tree()


def _no_image(image: object) -> list[object]:
    return []
