"""Slides: a section per slide with a title; its text, tables and notes."""

import posixpath
import re
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence

from datagen.stages.sources.ingest.readers.tables import write_table
from datagen.stages.sources.ingest.readers.zipped import NO_TITLE, Element, described, opened, part
from datagen.stages.sources.ingest.record import File, Record

DRAWING = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
SLIDES = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
TITLES = ("title", "ctrTitle")
ROW = 360_000  # 1 cm in the unit of positions: boxes whose tops differ by less are beside each other
MONO = re.compile(r"courier|consol|mono|menlo|typewriter", re.IGNORECASE)
MAX_LABEL, MIN_LABELS = 40, 4  # characters of a label; with so many, a slide has a diagram
MAX_TITLE = 80  # characters of a box that is taken as a title
MIN_REPEATED, MOST = 3, 0.3  # slides with the same box, and their share
NUMBERED = re.compile(r"\d{1,3}[.)]\s")
FURNITURE = ("dt", "ftr", "sldNum", "hdr", "sldImg")  # dates, footers, slide numbers


Box = tuple[tuple[int, int, int] | None, str]  # the place and the text of a shape


def read(file: File) -> Iterator[Record]:
    """Read the slides in presentation order."""
    with opened(file) as archive:
        title, properties = described(archive, "docProps/core.xml")
        related = _relations(archive, "ppt/presentation.xml")
        listed = part(archive, "ppt/presentation.xml").iter(f"{SLIDES}sldId")
        names = [related[slide.get(RELATION)] for slide in listed if slide.get(RELATION) in related]
        shown = [list(_shapes(part(archive, name))) for name in names]
        left_out = _without_repeated(shown)
        texts = (_slide(archive, name, shapes) for name, shapes in zip(names, shown, strict=True))
        slides = [text for text in texts if text]
    headings = [slide.partition("\n")[0][3:] for slide in slides if slide.startswith("## ")]
    named = next((heading for heading in headings if not NO_TITLE.fullmatch(heading)), file.stem)
    metadata: dict[str, object] = dict(properties)
    if left_out:
        metadata["left_out"] = {"boxes on many slides": left_out}
    yield Record("\n\n".join(slides), title or named, metadata=metadata)


def _box(shape: Element) -> Box:
    words = " ".join("".join(text.text or "" for text in shape.iter(f"{DRAWING}t")).split())
    return _place(shape), words


def _without_repeated(slides: list[list[Element]]) -> int:
    """
    Keep the first of boxes without a role that many slides have in the same place, such as a company's name.

    Returns
    -------
    The number of boxes removed.
    """
    boxes = [{shape: _box(shape) for shape in shapes if not _kind(shape)} for shapes in slides]
    counts = Counter(box for named in boxes for box in set(named.values()) if box[1])
    many = {box for box, count in counts.items() if count >= max(MIN_REPEATED, MOST * len(slides))}
    before: set[Box] = set()
    removed = 0
    for shapes, named in zip(slides, boxes, strict=True):
        kept = [shape for shape in shapes if shape not in named or named[shape] not in before]
        removed += len(shapes) - len(kept)
        shapes[:] = kept
        before |= many & set(named.values())
    return removed


def _slide(archive: zipfile.ZipFile, name: str, shapes: list[Element]) -> str:
    """Read a slide; one without a title goes on with the section."""
    heading, parts = "", []
    shapes = [
        shape
        for shape in _in_order(shapes)
        if _kind(shape) not in FURNITURE and any(text.text for text in shape.iter(f"{DRAWING}t"))
    ]
    if not any(_kind(shape) in TITLES for shape in shapes):
        heading = _title_of(shapes)
        shapes = shapes[bool(heading) :]
    labels = {shape: label for shape in shapes if (label := _label(shape))}
    for shape in shapes:
        kind = _kind(shape)
        if kind in TITLES and not heading:
            heading = " ".join(" ".join(_paragraphs(shape, bullets=False)).split())
        elif shape not in labels:
            parts += _content(shape, kind)
        elif len(labels) < MIN_LABELS:
            parts.append(labels[shape])
    if len(labels) >= MIN_LABELS:
        parts.append("; ".join(dict.fromkeys(labels.values())))
    for target in _relations(archive, name).values():
        if "notesSlide" in target and target in archive.namelist():
            for shape in _shapes(part(archive, target)):
                if _kind(shape) == "body":
                    parts += _paragraphs(shape, bullets=False)
    return "\n\n".join([*([f"## {heading}"] if heading else []), *parts])


def _shapes(root: Element) -> Iterator[Element]:
    return root.iter(f"{SLIDES}sp", f"{SLIDES}graphicFrame")  # type: ignore[no-any-return]


def _in_order(shapes: list[Element]) -> list[Element]:
    """
    Sort shapes from top to bottom and left to right; a file has them in the order in which they were drawn.

    They stay as they are if one has no position of its own, or the positions of a group.
    """
    places = [_place(shape) for shape in shapes]
    if None in places:
        return shapes
    return [shape for _, shape in sorted(zip(places, shapes, strict=True), key=lambda pair: pair[0] or ())]


def _place(shape: Element) -> tuple[int, int, int] | None:
    """Return where a shape is read: titles first, then by row and by column; None if its place is unknown."""
    offset = shape.find(f"{SLIDES}spPr/{DRAWING}xfrm/{DRAWING}off")
    if offset is None:
        offset = shape.find(f"{SLIDES}xfrm/{DRAWING}off")
    if _kind(shape) in (*TITLES, *FURNITURE):
        return 0, 0, 0
    in_group = shape.getparent() is not None and shape.getparent().tag == f"{SLIDES}grpSp"
    if offset is None or in_group:
        return None
    left, top = (value if (value := offset.get(name, "")).lstrip("-").isdecimal() else "0" for name in "xy")
    return 1, round(int(top) / ROW), int(left)


def _title_of(shapes: list[Element]) -> str:
    """Return the text of the first box if its place and form are those of a title: a short line on top."""
    if len(shapes) < 2 or _kind(shapes[0]):
        return ""
    place, below = map(_place, shapes[:2])
    lines = _paragraphs(shapes[0], bullets=False)
    if place is None or below is None or place[1] == below[1] or len(lines) != 1:
        return ""
    is_title = (
        len(lines[0]) <= MAX_TITLE and lines[0][-1] not in ".,;:`" and re.search(r"[^\W\d_]{2}", lines[0])
    )
    return lines[0] if is_title else ""


def _kind(shape: Element) -> str:
    holder = shape.find(f".//{SLIDES}ph")
    return "" if holder is None else holder.get("type", "body")


def _label(shape: Element) -> str:
    """Return the few words of a box without a role, such as a part of a diagram; "" if it has more."""
    if _kind(shape) or shape.find(f".//{DRAWING}tbl") is not None:
        return ""
    text = " ".join(_paragraphs(shape, bullets=False))
    return text if len(text) <= MAX_LABEL and text[-1:] not in (*".!?:", "`") else ""


def _content(shape: Element, kind: str) -> list[str]:
    tables = list(shape.iter(f"{DRAWING}tbl"))
    if tables:
        return [text for table in tables for text in _table(table)]
    lines = _paragraphs(shape, bullets=kind == "body")
    if len(lines) == 1:
        return [lines[0].lstrip().removeprefix("- ")]  # no list
    indents = [len(line) - len(line.lstrip()) for line in lines if line.lstrip().startswith("- ")]
    outer = min(indents, default=0)  # of a list that begins at a lower level
    lines = [line[outer:] if line[:outer].isspace() else line for line in lines]
    return _joined(lines) if kind == "body" else lines


def _table(table: Element) -> list[str]:
    """Write a table; one with a single column is a frame, and its cells are paragraphs."""
    rows = [[_paragraphs(cell, bullets=False) for cell in row] for row in table.iter(f"{DRAWING}tr")]
    if len({column for row in rows for column, cell in enumerate(row) if cell}) == 1:
        return [text for row in rows for cell in row for text in cell]
    title = [text for cell in rows[0] for text in cell] if len(rows) > 2 and _is_title(rows) else []
    return [*title, write_table([[" ".join(cell) for cell in row] for row in rows[bool(title) :]])]


def _is_title(rows: Sequence[Sequence[list[str]]]) -> bool:
    """Check whether a table's first row is its title: only the first of its cells has text."""
    return bool(rows[0][0]) and not any(rows[0][1:]) and len(rows[0]) > 2


def _joined(lines: list[str]) -> list[str]:
    """Join the items of a list, but not the blocks of code between them."""
    parts: list[str] = []
    for line in lines:
        if parts and line.lstrip().startswith("- ") and parts[-1].lstrip().startswith("- "):
            parts[-1] += f"\n{line}"
        else:
            parts.append(line)
    return parts


def _paragraphs(shape: Element, bullets: bool) -> list[str]:
    """Read a shape's paragraphs; with `bullets`, as list items indented by level."""
    written = []
    for paragraph in shape.iter(f"{DRAWING}p"):
        if code := _code(paragraph):
            written.append(code)
            continue
        words = []
        for run in paragraph.iter(f"{DRAWING}t", f"{DRAWING}br"):
            words.append(run.text or "" if run.tag == f"{DRAWING}t" else " ")
        text = " ".join("".join(words).split())
        if text and bullets:
            properties = paragraph.find(f"{DRAWING}pPr")
            level = "0" if properties is None else properties.get("lvl", "0")
            text = "  " * min(int(level) if level.isdecimal() else 0, 8) + (
                text if NUMBERED.match(text) else f"- {text}"
            )
        if text:
            written.append(text)
    return written


def _code(paragraph: Element) -> str:
    """Write a paragraph in a monospaced font as code, as a block if it has several lines; "" if it is not."""
    fonts = {run: run.find(f"{DRAWING}rPr/{DRAWING}latin") for run in paragraph.iterchildren(f"{DRAWING}r")}
    texts = {run: run.findtext(f"{DRAWING}t") or "" for run in fonts}
    said = [run for run in fonts if texts[run].strip()]
    if not said or not all(
        font is not None and MONO.search(font.get("typeface", "")) for font in map(fonts.get, said)
    ):
        return ""
    lines = "".join("\n" if child.tag == f"{DRAWING}br" else texts.get(child, "") for child in paragraph)
    if "\n" not in lines.strip("\n"):
        return f"`{lines.strip()}`" if "`" not in lines else lines.strip()
    fence = "````" if "```" in lines else "```"
    return f"{fence}\n{lines.strip(chr(10))}\n{fence}"


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
