"""Slides: a section per slide, with its title, text, tables and notes."""

import posixpath
import zipfile
from collections.abc import Iterator

from datagen.stages.sources.ingest.readers.tables import write_table
from datagen.stages.sources.ingest.readers.zipped import Element, described, opened, part
from datagen.stages.sources.ingest.record import File, Record

DRAWING = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
SLIDES = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
TITLES = ("title", "ctrTitle")
FURNITURE = ("dt", "ftr", "sldNum", "hdr", "sldImg")  # dates, footers, slide numbers


def read(file: File) -> Iterator[Record]:
    """Read the slides in presentation order."""
    with opened(file) as archive:
        title, metadata = described(archive, "docProps/core.xml")
        related = _relations(archive, "ppt/presentation.xml")
        shown = part(archive, "ppt/presentation.xml").iter(f"{SLIDES}sldId")
        names = [related[slide.get(RELATION)] for slide in shown if slide.get(RELATION) in related]
        slides = [_slide(archive, name, number) for number, name in enumerate(names, start=1)]
    yield Record("\n\n".join(slides), "" if title == "PowerPoint Presentation" else title, metadata=metadata)


def _slide(archive: zipfile.ZipFile, name: str, number: int) -> str:
    heading, parts = "", []
    for shape in _shapes(part(archive, name)):
        kind = _kind(shape)
        if kind in TITLES and not heading:
            heading = " ".join(" ".join(_paragraphs(shape, bullets=False)).split())
        elif kind not in FURNITURE:
            parts += _content(shape, kind)
    for target in _relations(archive, name).values():
        if "notesSlide" in target and target in archive.namelist():
            for shape in _shapes(part(archive, target)):
                if _kind(shape) == "body":
                    parts += _paragraphs(shape, bullets=False)
    return "\n\n".join([f"## {heading or f'Slide {number}'}", *parts])


def _shapes(root: Element) -> Iterator[Element]:
    return root.iter(f"{SLIDES}sp", f"{SLIDES}graphicFrame")  # type: ignore[no-any-return]


def _kind(shape: Element) -> str:
    holder = shape.find(f".//{SLIDES}ph")
    return "" if holder is None else holder.get("type", "body")


def _content(shape: Element, kind: str) -> list[str]:
    tables = [
        write_table(
            [[" ".join(_paragraphs(cell, False)) for cell in row] for row in table.iter(f"{DRAWING}tr")]
        )
        for table in shape.iter(f"{DRAWING}tbl")
    ]
    if tables:
        return tables
    lines = _paragraphs(shape, bullets=kind == "body")
    return ["\n".join(lines)] if kind == "body" else lines


def _paragraphs(shape: Element, bullets: bool) -> list[str]:
    """Read a shape's paragraphs; with `bullets`, as list items indented by level."""
    written = []
    for paragraph in shape.iter(f"{DRAWING}p"):
        words = []
        for run in paragraph.iter(f"{DRAWING}t", f"{DRAWING}br"):
            words.append(run.text or "" if run.tag == f"{DRAWING}t" else " ")
        text = " ".join("".join(words).split())
        if text and bullets:
            properties = paragraph.find(f"{DRAWING}pPr")
            level = "0" if properties is None else properties.get("lvl", "0")
            text = "  " * min(int(level) if level.isdecimal() else 0, 8) + f"- {text}"
        if text:
            written.append(text)
    return written


def _relations(archive: zipfile.ZipFile, name: str) -> dict[str, str]:
    """Read the parts that a part refers to: relationship id -> path."""
    folder, base = posixpath.split(name)
    listed = f"{folder}/_rels/{base}.rels"
    if listed not in archive.namelist():
        return {}
    root = part(archive, listed)
    targets = {}
    for relation in root:
        target = relation.get("Target", "")
        path = (
            target.lstrip("/")
            if target.startswith("/")
            else posixpath.normpath(posixpath.join(folder, target))
        )
        if path in archive.NameToInfo:
            targets[relation.get("Id", "")] = path
    return targets
