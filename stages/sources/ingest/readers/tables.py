"""Write tables as Markdown."""

import re
from collections.abc import Sequence

from datagen.scripts import WIDE, characters

MAX_CHARS = 1000  # of a table: a longer one is written as several, each with the header
MAX_HEADER = 300  # characters of a header that is repeated
IDEOGRAPH = re.compile(f"[{characters(WIDE)}]")
TABLE = re.compile(r"^(\|.*\|\n\|(?: ?:?-+:? ?\|)+\n)((?:\|.*\|(?:\n|\Z))+)", re.MULTILINE)


def size_of(text: str) -> int:
    """Measure a text as `chunk` does, in characters; an ideograph counts as three."""
    return len(text) if text.isascii() else len(text) + 2 * len(IDEOGRAPH.findall(text))


def write_table(rows: Sequence[Sequence[str]]) -> str:
    """Write rows of cells; the first row is the header. Blank rows and columns are omitted."""
    cells = [[" ".join(cell.split()).replace("|", "\\|") for cell in row] for row in rows]
    width = max(map(len, cells), default=0)
    used = [column for column in range(width) if any(column < len(row) and row[column] for row in cells)]
    lines = [
        "| " + " | ".join(row[column] if column < len(row) else "" for column in used) + " |"
        for row in cells
        if any(row)
    ]
    if lines:
        lines.insert(1, "|" + " --- |" * len(used))
    return "\n".join(lines)


def repeat_headers(text: str) -> str:
    """Divide the long tables of a Markdown text into tables with the same header, for each passage."""
    return TABLE.sub(_divided, text) if "\n| ---" in text else text


def _divided(table: re.Match[str]) -> str:
    header, rows = table[1], table[2]
    if size_of(table[0]) <= 1.5 * MAX_CHARS or len(header) > MAX_HEADER or not re.search(r"\w", header):
        return table[0]
    parts: list[str] = []
    size = MAX_CHARS + 1
    for row in rows.splitlines(keepends=True):
        if size + size_of(row) > MAX_CHARS:
            parts.append(("\n" if parts else "") + header)
            size = size_of(header)
        parts.append(row)
        size += size_of(row)
    return "".join(parts)
