"""Rich text: its text, headings, lists and tables."""

import re
from collections.abc import Iterator

from striprtf.striprtf import rtf_to_text

from datagen.request import Reject
from datagen.stages.sources.ingest.record import File, Record

# Private characters in place of the ends of cells and rows, which striprtf writes as "|" and a line break.
CELL, ROW = "\ue000", "\ue001"
END_OF_CELL = re.compile(rb"\\(?:nest)?cell(?![a-z])")
END_OF_ROW = re.compile(rb"\\(?:nest)?row(?![a-z])")
# A paragraph's outline level, written as a private character at its start.
OUTLINE = re.compile(rb"\\outlinelevel([0-8])(?!\d) ?")
LEVELS = "\ue002\ue003\ue004\ue005\ue006\ue007\ue008\ue009\ue00a"
LEVEL = re.compile(f"[{LEVELS}]")
CODE_POINT = re.compile(rb"\\u(-?\d{5,})")
MAX_HEADING, MAX_LEVEL = 200, 6  # characters of a heading: a longer paragraph is text, whatever its level
TABLE = re.compile(rf"(?:[^{CELL}{ROW}\n]*{CELL}(?:[^{CELL}{ROW}]*{CELL})*\s*{ROW}\s*)+")
BULLET = re.compile(r"[•·\uf0b7\uf0a7▪◦]\s+")
NUMBER = re.compile(r"(\d{1,3}[.)])\t\s*")


def read(file: File) -> Iterator[Record]:
    """Read the text."""
    data = file.read()
    if not data.lstrip().startswith(b"{\\rtf"):
        raise Reject("unreadable file", f"it is not RTF: it begins with {data[:16]!r}")
    data = OUTLINE.sub(lambda level: _sign(LEVELS[int(level[1])]), data)
    data = END_OF_ROW.sub(lambda _: _sign(ROW), END_OF_CELL.sub(lambda _: _sign(CELL), data))
    data = CODE_POINT.sub(_code_point, data)
    text: str = rtf_to_text(data.decode("latin-1"), errors="replace")
    parts, end = [], 0
    for match in TABLE.finditer(text):
        parts += [*_paragraphs(text[end : match.start()]), _table(match[0])]
        end = match.end()
    parts += _paragraphs(text[end:])
    yield Record("\n\n".join(part for part in parts if part))


def _code_point(number: re.Match[bytes]) -> bytes:
    """Write a number that is no character, at which striprtf fails, as the replacement character."""
    return number[0] if -0x10000 <= int(number[1][:9]) <= 0x10FFFF else b"\\u65533"


def _sign(char: str) -> bytes:
    """Write a character as RTF, with a substitute of one character; documents may state another number."""
    return b"{\\uc1\\u%d?}" % ord(char)


def _paragraphs(text: str) -> list[str]:
    lines = (line.strip(f" \t{CELL}{ROW}") for line in text.split("\n"))
    return [_paragraph(line) for line in lines if LEVEL.sub("", line).strip()]


def _paragraph(line: str) -> str:
    """Mark a heading by its outline level, or an item of a list."""
    level = LEVEL.search(line)
    line = LEVEL.sub("", line).strip()
    if level and len(line) <= MAX_HEADING:
        return f"{'#' * min(LEVELS.index(level[0]) + 1, MAX_LEVEL)} {' '.join(line.split())}"
    return NUMBER.sub(r"\1 ", BULLET.sub("- ", line, count=1), count=1)


def _table(text: str) -> str:
    """Write rows as a table; a table with one column is a frame, and its cells are paragraphs."""
    rows = [row.split(CELL)[:-1] for row in text.split(ROW) if CELL in row]
    width = max(map(len, rows))
    if width == 1:
        return "\n\n".join(paragraph for row in rows for paragraph in _paragraphs(row[0]))
    cells = [[" ".join(LEVEL.sub("", cell).split()).replace("|", "\\|") for cell in row] for row in rows]
    lines = ["| " + " | ".join(row + [""] * (width - len(row))) + " |" for row in cells if any(row)]
    return "\n".join([*lines[:1], "|" + " --- |" * width, *lines[1:]]) if lines else ""
