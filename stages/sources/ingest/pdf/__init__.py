"""
Convert a PDF to Markdown.

PDFium provides the position of each line (`pages`). Running heads and page numbers are removed (`furniture`),
pages are put into reading order (`layout`), headings are detected (`headings`), lines are joined to blocks
(`paragraphs`), and hyphens at line ends are resolved (`words`).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile
from statistics import median
from typing import IO

from datagen.json_types import JsonObject
from datagen.request import Reject
from datagen.stages.sources.ingest.pdf.document import WRAP, Document, Line
from datagen.stages.sources.ingest.pdf.formulas import mark_formulas
from datagen.stages.sources.ingest.pdf.furniture import drop_furniture
from datagen.stages.sources.ingest.pdf.headings import find_headings
from datagen.stages.sources.ingest.pdf.layout import Layout, arrange
from datagen.stages.sources.ingest.pdf.pages import load
from datagen.stages.sources.ingest.pdf.paragraphs import BULLET, Block, body_size, build
from datagen.stages.sources.ingest.pdf.sessions import mark_sessions
from datagen.stages.sources.ingest.pdf.slides import are_slides, drop_navigation, drop_steps, find_titles
from datagen.stages.sources.ingest.pdf.words import Words
from datagen.stages.sources.ingest.readers.tables import repeat_headers

MIN_CHARS = 20  # per page, on average: with fewer, and an image per page, it is a scan
MAX_UNMAPPED = 0.3  # share of characters in fonts that do not map glyphs to characters
UNMAPPED = re.compile("[\ufffd\ue000-\uf8ff\ufffe\uffff\x00-\x01\x03-\x08\x0e-\x1f]")
NO_TITLE = re.compile(r"untitled|microsoft|\.\w{2,4}\Z|\A\W*\Z", re.IGNORECASE)
# Signs, Greek letters and small numbers without a word: ticks of a plot, pieces of a formula, page numbers.
FRAGMENT = re.compile(r"[^\w\s=]{0,3}(?:\d{1,3}|0?[.,]\d{1,3}|[µ\u0370-\u03ff])?[^\w\s=]{0,3}")
MAX_FRAGMENT = 40  # characters
# A break in a line of code, at a space that may be drawn, and the indent of the rest.
BROKEN = re.compile(rf"␣?(?:{WRAP}\n *{WRAP}?|\n *{WRAP})")
ESCAPED = re.compile(r"^(?=#{1,6}\s)", re.MULTILINE)
# Titles that are none of a person or of a day; and days.
SECTION = re.compile(
    r"\d+\.?\s|[IVX]+\.\s|[A-Z]\.\s\S{3}|(?:chapter|part|section|kapitel|teil|abschnitt)\b", re.IGNORECASE
)
DATE = re.compile(
    r"(?:[^\W\d]+,?\s)?(?:19|20)\d\d|(?=.*\b\d\d?(?:st|nd|rd|th)?\b).{1,20}\s(?:19|20)\d\d|(?:19|20)\d\d-\d\d-\d\d"
)
# Headings of tables of contents in many languages: the document's language is not known yet.
CONTENTS = re.compile(
    "(?:table of )?contents|inhalt(?:sverzeichnis)?|table des matières|sommaire|índice|contenido|indice"
    "|sommario|inhoud(?:sopgave)?|spis treści|содержание|оглавление|目次|目录|目錄",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Text:
    """A PDF as text: Markdown, its title ("" if it has none), and its metadata."""

    markdown: str
    title: str
    metadata: JsonObject


def read_pdf(source: bytes | IO[bytes]) -> Text:
    """
    Read a PDF as Markdown.

    Raises
    ------
    Reject
        If it is encrypted or damaged, or contains no text.
    """
    document = load(source)
    _check(document)
    pages = document.pages
    blank = sum(not page.lines for page in pages)
    sideways = sum(page.sideways for page in pages)
    count = len(pages)
    slides = are_slides(pages)
    running = 0
    if slides:
        pages = drop_steps(pages)
        running = drop_navigation(pages)
    size = body_size(line for page in pages for line in page.lines)
    running += drop_furniture(pages, size, slides)
    layouts = [arrange(page) for page in pages]
    lines = [
        line for layout in layouts for column in layout.columns for line in column if isinstance(line, Line)
    ]
    mark_sessions(layouts)
    marks = find_headings(layouts, document.outline, size, slides)
    if slides:
        marks |= find_titles(layouts, marks)
    built, formulas = mark_formulas(build(layouts, marks, size))
    if not slides and not document.outline:
        _lower_authors(built)
    contents = _contents(built)
    blocks = [block for block in built if id(block) not in contents and not _is_fragment(block)]
    words = Words(line.text for line in lines)
    left_out = {
        "running heads": running,
        "lines of contents": sum(layout.contents for layout in layouts)
        + sum(len(block.table.rows) for block in built if id(block) in contents and block.table),
        "tables": sum(layout.tables_left_out for layout in layouts),
        "fragments": len(built) - len(blocks) - len(contents),
        "pieces of formulas": formulas,
        "labels": sum(layout.labels for layout in layouts),
        "steps of slides": count - len(pages),
        "sideways lines": sideways,
        "pages without text": blank,
    }
    metadata: JsonObject = {"pages": count}
    if tables := sum(block.kind == "table" for block in blocks):
        metadata["tables"] = tables
    if nonzero := {kind: count for kind, count in left_out.items() if count}:
        metadata["left_out"] = nonzero
    metadata |= {key.lower(): document.info[key] for key in ("Author", "Subject") if document.info.get(key)}
    return Text(write(blocks, words), _title(document, layouts, size), metadata)


def write(blocks: Sequence[Block], words: Words) -> str:
    """Write blocks as Markdown."""
    parts: list[str] = []
    last_heading = ""
    for block in blocks:
        text = _write(block, words)
        if block.kind == "heading":
            if text == last_heading:
                continue  # a continued slide
            last_heading = text
        if text and not (block.kind == "formula" and parts[-1:] == [text]):
            parts.append(text)
    return "\n\n".join(parts)


def _lower_authors(blocks: Sequence[Block]) -> None:
    """
    Make text of the authors and the date below the title, which are set as large as headings.

    Of headings that follow one another at the beginning, they are those between the title and the last one;
    that one, too, if it is a date.
    """
    headings = [number for number, block in enumerate(blocks) if block.kind == "heading"]
    first = headings[0] if headings else len(blocks)
    run = list(takewhile(lambda number: blocks[number].kind == "heading", range(first, len(blocks))))
    for number in run[1:] if run and blocks[first].page == 0 else ():
        text = " ".join(line.text for line in blocks[number].lines)
        if not SECTION.match(text) and (number != run[-1] or DATE.fullmatch(text)):
            blocks[number].kind = "text"


def _contents(blocks: Sequence[Block]) -> set[int]:
    """Find tables of page numbers below the title "Contents"; return the ids of both."""
    ids: set[int] = set()
    for title, block in pairwise(blocks):
        name = " ".join(line.text for line in title.lines).strip()
        if not block.table or not (id(title) in ids or CONTENTS.fullmatch(name)):
            continue
        if all(row[-1].isdecimal() for row in block.table.rows):
            ids |= {id(title), id(block)}
    return ids


def _is_fragment(block: Block) -> bool:
    if block.table or block.kind not in ("text", "item", "note"):
        return False
    text = " ".join(line.text for line in block.lines)
    return len(text) <= MAX_FRAGMENT and all(FRAGMENT.fullmatch(token) for token in text.split())


def _write(block: Block, words: Words) -> str:
    if block.table:
        return _write_table(block.table.rows)
    if block.kind == "code":
        return _write_code(block.lines)
    if block.kind == "formula":
        return "[formula]"
    if block.kind == "heading":
        title = words.join([line.text for line in block.lines]).strip()
        return f"{'#' * block.level} {title}" if title else ""
    starts = [0, *sorted(block.breaks), len(block.lines)]
    texts = [
        words.join([line.text for line in block.lines[start:end]])
        for start, end in pairwise(starts)
        if end > start
    ]
    text = "\n".join(texts)
    if block.kind == "item":
        mark = BULLET.match(text)
        return f"- {text[mark.end() :]}" if mark else text
    return ESCAPED.sub(r"\\", text)


def _write_code(lines: Sequence[Line]) -> str:
    left = min(line.left for line in lines)
    pitch = median((line.right - line.left) / max(len(line.text), 1) for line in lines) or 1
    rows = [
        " " * max(0, round((line.left - left) / pitch))
        + line.text.rstrip("\x02")
        + "-" * line.text.endswith("\x02")
        for line in lines
    ]
    rows = BROKEN.sub(lambda match: " " * ("␣" in match[0]), "\n".join(rows)).replace(WRAP, "").split("\n")
    if len(rows) == 1 and " " not in rows[0]:
        return f"`{rows[0]}`" if "`" not in rows[0] else rows[0]
    fence = "````" if any("```" in row for row in rows) else "```"
    return "\n".join([fence, *rows, fence])


def _write_table(rows: Sequence[Sequence[str]]) -> str:
    written = [
        "| " + " | ".join(cell.replace("\x02", "").replace("|", "\\|") for cell in row) + " |" for row in rows
    ]
    written.insert(1, "|" + " --- |" * len(rows[0]))
    return repeat_headers("\n".join(written)).rstrip("\n")


def _check(document: Document) -> None:
    pages = document.pages
    text = "".join(line.text for page in pages for line in page.lines)
    letters = sum(map(len, text.split()))
    if letters < MIN_CHARS * len(pages):
        images = sum(page.has_image for page in pages)
        if (images and images >= 0.5 * len(pages)) or not letters:
            raise Reject("no text layer", f"{len(pages)} pages, {images} with images: run OCR on it first")
    if (unmapped := len(UNMAPPED.findall(text))) > MAX_UNMAPPED * letters:
        raise Reject(
            "no text layer", f"{unmapped} of {letters} characters are glyphs without a Unicode value"
        )


def _title(document: Document, layouts: Sequence[Layout], size: float) -> str:
    """Return the title from the file's metadata; else the largest lines of its first page."""
    stated = " ".join(document.info.get("Title", "").split())
    if stated and not NO_TITLE.search(stated):
        return stated
    first = [line for column in layouts[0].columns for line in column if isinstance(line, Line)]
    largest = max((line.size for line in first), default=0)
    if largest < 1.2 * size:
        return ""
    title = " ".join(line.text for line in first if line.size > 0.95 * largest)
    return title if len(title) < 200 else ""
