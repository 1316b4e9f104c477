"""Rewrite the sheets of an OpenDocument file: only filled cells, and those that are not valid as text."""

import re
from collections import Counter
from html import escape

from datagen.stages.sources.ingest.readers.sparse_grid import Grid, dense, elements, xml_reader
from datagen.stages.sources.ingest.readers.zipped import Element

MAX_REPEATS = 1_000  # of a filled row or cell in OpenDocument
TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
# The attribute of a typed value in OpenDocument, and what it must look like.
VALUES = {
    "float": (f"{OFFICE}value", re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")),
    "date": (f"{OFFICE}date-value", re.compile(r"\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\d(?:\.\d+)?)?")),
    "boolean": (f"{OFFICE}boolean-value", re.compile(r"true|false")),
}
VALUES["currency"] = VALUES["float"]  # of a percentage, the text is what is shown


def rewritten_content(data: bytes) -> tuple[bytes, Counter[str]]:
    """Rewrite ``content.xml``; return it, and the numbers of damaged cells and of repetitions left out."""
    tables: list[str] = []
    counts: Counter[str] = Counter()
    reader = xml_reader(data, f"{TABLE}table")
    for table in elements(reader):
        grid: Grid = {}
        number = 0
        for row in table.iter(f"{TABLE}table-row"):
            cells = _cells(row, counts)
            times = _times(row, "rows", counts)
            if cells:
                grid |= {number + at: cells for at in range(min(times, MAX_REPEATS))}
                counts["repeated rows"] += max(0, times - MAX_REPEATS)
            number += times
        columns, rows = dense(grid)
        tables.append(f'<table:table table:name="{escape(table.get(f"{TABLE}name", ""))}">')
        last = -1
        for row_number, new in rows:
            tables.append("<table:table-row/>" * (new - last - 1) + "<table:table-row>")
            last, before = new, -1
            for column, cell in sorted(grid[row_number].items()):
                if gap := columns[column] - before - 1:
                    tables.append(f'<table:table-cell table:number-columns-repeated="{gap}"/>')
                tables.append(cell)
                before = columns[column]
            tables.append("</table:table-row>")
        tables.append("</table:table>")
    counts["damaged cells"] += bool(reader.error_log)
    spaces = " ".join(
        f'xmlns:{name}="{space[1:-1]}"'
        for name, space in (("table", TABLE), ("office", OFFICE), ("text", TEXT))
    )
    body = f"<office:body><office:spreadsheet>{''.join(tables)}</office:spreadsheet></office:body>"
    content = f"<office:document-content {spaces}>{body}</office:document-content>"
    return content.encode("utf-8", "replace"), counts


def _cells(row: Element, counts: Counter[str]) -> dict[int, str]:
    """Write the filled cells of a row."""
    cells: dict[int, str] = {}
    column = 0
    for cell in row.iterchildren(f"{TABLE}table-cell", f"{TABLE}covered-table-cell"):
        times = _times(cell, "columns", counts)
        written, is_typed = _typed(cell)
        counts["damaged cells"] += not is_typed
        if written:
            cells |= {column + at: written for at in range(min(times, MAX_REPEATS))}
            counts["repeated cells"] += max(0, times - MAX_REPEATS)
        column += times
    return cells


def _times(element: Element, what: str, counts: Counter[str]) -> int:
    """Return how often a row or cell is repeated; 1 if that is no valid number."""
    stated = element.get(f"{TABLE}number-{what}-repeated", "1")
    is_valid = stated.isdecimal() and 0 < len(stated) < 9
    counts["damaged cells"] += not is_valid
    return int(stated) if is_valid else 1


def _typed(cell: Element) -> tuple[str, bool]:
    """Write a cell of OpenDocument, "" if it is empty; and whether its value is of its type."""
    kind = cell.get(f"{OFFICE}value-type", "string")
    attribute, form = VALUES.get(kind, ("", re.compile("")))
    value = cell.get(attribute, "") if attribute else ""
    if attribute and form.fullmatch(value):
        name = attribute.removeprefix(OFFICE)
        return f'<table:table-cell office:value-type="{kind}" office:{name}="{value}"/>', True
    text = "\n".join("".join(line.itertext()) for line in cell.iterchildren(f"{TEXT}p"))
    text = text or cell.get(f"{OFFICE}value", "")
    written = (
        f'<table:table-cell office:value-type="string"><text:p>{escape(text)}</text:p></table:table-cell>'
    )
    return written if text.strip() else "", not attribute
