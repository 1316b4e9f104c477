"""
Rewrite workbooks that calamine cannot read.

It holds a sheet as a full grid, so one cell in the last row and column (XFD1048576) exceeds any memory, and
it gives up a sheet, or an OpenDocument file, at the first cell that is not valid. Here only filled cells are
written, without the empty rows and columns between them, and a cell that is not valid becomes its text.
"""

import io
import re
import zipfile
from collections.abc import Iterator
from html import escape
from typing import IO

from lxml import etree

from datagen.request import Reject
from datagen.stages.sources.ingest.readers.zipped import Element

MAX_CELLS = 4_000_000  # of a full grid; calamine takes some 30 bytes for each
MAX_REPEATS = 1_000  # of a filled row or cell in OpenDocument
XML = re.compile(r"(?!(?:.*/)?sharedStrings).*\.xml", re.IGNORECASE)  # a sheet may be in any folder
SHEET = re.compile(rb"<(?:\w+:)?sheetData[\s/>]")
STRINGS = re.compile(r"(?:.*/)?sharedStrings\.xml", re.IGNORECASE)
CONTENT = "content.xml"  # of an OpenDocument file
# In the place of a cell (r="AB12345"): columns after Z, rows after 9,999.
COLUMN = re.compile(rb"\br\s*=\s*[\"']([A-Za-z]{2,9})\d")
ROW = re.compile(rb"\br\s*=\s*[\"'][A-Za-z]{0,9}(\d{5,20})[\"']")
CELL = re.compile(rb"<(?:\w+:)?c[\s>]")
STRING = re.compile(rb"<(?:\w+:)?si[\s/>]")
REFERENCE = re.compile(r"([A-Za-z]{1,3})\d+")
ERRORS = ("#DIV/0!", "#N/A", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!", "#GETTING_DATA")
TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
# The attribute of a typed value in OpenDocument, and what it must look like.
VALUES = {
    "float": (f"{OFFICE}value", re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")),
    "date": (f"{OFFICE}date-value", re.compile(r"\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\d(?:\.\d+)?)?")),
    "boolean": (f"{OFFICE}boolean-value", re.compile(r"true|false")),
}
VALUES |= dict.fromkeys(("currency", "percentage"), VALUES["float"])

Grid = dict[int, dict[int, str]]  # row -> column -> the cell as XML, without its place


def is_sparse(stream: IO[bytes]) -> bool:
    """Check whether a sheet of a workbook (.xlsx) is too large as a full grid, but has few cells."""
    with zipfile.ZipFile(stream) as archive:
        return any(_is_sparse(archive.read(name)) for name in archive.NameToInfo if XML.fullmatch(name))


def _is_sparse(sheet: bytes) -> bool:
    if not SHEET.search(sheet):
        return False
    columns = max((_column(letters.decode()) for letters in set(COLUMN.findall(sheet))), default=26)
    rows = max(map(int, set(ROW.findall(sheet))), default=9_999)
    return columns * rows > max(MAX_CELLS, 8 * len(CELL.findall(sheet)))


def repaired(stream: IO[bytes]) -> tuple[IO[bytes], int]:
    """
    Rewrite a workbook (.xlsx, .ods).

    Returns
    -------
    The new workbook, and the number of cells that were not valid.

    Raises
    ------
    Reject
        If its cells are so scattered that the rows and columns that have any exceed `MAX_CELLS`.
    """
    target, damaged = io.BytesIO(), 0
    with (
        zipfile.ZipFile(stream) as archive,
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as new,
    ):
        strings = sum(
            len(STRING.findall(archive.read(name))) for name in archive.NameToInfo if STRINGS.fullmatch(name)
        )
        for member in archive.infolist():
            data = archive.read(member)
            if XML.fullmatch(member.filename) and SHEET.search(data):
                data, count = _sheet(data, strings)
                damaged += count
            elif member.filename == CONTENT:
                data, count = _content(data)
                damaged += count
            new.writestr(member.filename, data)
    target.seek(0)
    return target, damaged


def _reader(data: bytes, name: str) -> etree.iterparse:
    """Open XML to read the elements of this name; its `error_log` lists where it is not well-formed."""
    return etree.iterparse(
        io.BytesIO(data), tag=name, recover=True, huge_tree=True, resolve_entities=False, no_network=True
    )


def _elements(reader: etree.iterparse) -> Iterator[Element]:
    """Read the elements, one at a time."""
    for _, element in reader:
        yield element
        element.clear()
        while element.getprevious() is not None:
            del element.getparent()[0]


def _dense(grid: Grid) -> tuple[dict[int, int], list[tuple[int, int]]]:
    """
    Number the columns that have cells, and the rows; of the empty rows between two, one is left.

    Returns
    -------
    column -> new column, and pairs of row and new row, from 0.
    """
    columns = {
        column: at for at, column in enumerate(sorted({column for row in grid.values() for column in row}))
    }
    rows: list[tuple[int, int]] = []
    for row in sorted(grid):
        rows.append((row, rows[-1][1] + min(2, row - rows[-1][0]) if rows else 0))
    if rows and len(columns) * rows[-1][1] > MAX_CELLS:
        raise Reject("too large", f"{len(grid):,} rows with cells in {len(columns):,} columns")
    return columns, rows


def _sheet(data: bytes, strings: int) -> tuple[bytes, int]:
    grid: Grid = {}
    number = damaged = 0
    reader = _reader(data, "{*}row")
    for row in _elements(reader):
        stated = row.get("r", "")
        number = int(stated) if stated.isdecimal() and len(stated) < 9 else number + 1
        column = 0
        for cell in row.iterchildren("{*}c"):
            reference = cell.get("r", "")
            place = REFERENCE.fullmatch(reference)
            column = _column(place[1]) if place else column + 1
            written, is_valid = _cell(cell, strings)
            damaged += not is_valid or (place is None and reference != "")
            if written:
                grid.setdefault(number, {})[column] = written
    damaged += bool(reader.error_log)  # the cell at which its XML breaks, or ends early
    columns, rows = _dense(grid)
    lines = [
        f'<row r="{new + 1}">'
        + "".join(
            f'<c r="{_letters(columns[column])}{new + 1}"{cell}</c>'
            for column, cell in sorted(grid[row].items())
        )
        + "</row>"
        for row, new in rows
    ]
    space = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    sheet = f'<worksheet xmlns="{space}"><sheetData>{"".join(lines)}</sheetData></worksheet>'
    return sheet.encode("utf-8", "replace"), damaged


def _cell(cell: Element, strings: int) -> tuple[str, bool]:
    """Write a cell after its place, "" if it is empty; and whether it is valid."""
    kind, value = cell.get("t", "n"), cell.findtext("{*}v") or ""
    if (inline := cell.find("{*}is")) is not None:
        return _string("".join(text.text or "" for text in inline.iterfind(".//{*}t"))), True
    if kind == "s":
        is_valid = value.strip().isdecimal() and int(value) < strings
        return f' t="s"><v>{value.strip()}</v>' if is_valid else "", is_valid or not value
    if kind == "n" and _is_number(value):
        style = cell.get("s", "")
        return f"{f' s={style!r}' if style.isdecimal() else ''}><v>{value.strip()}</v>", True
    if (kind == "b" and value in ("0", "1")) or (kind == "e" and value in ERRORS):
        return f' t="{kind}"><v>{value}</v>', True
    return _string(value), kind in ("str", "d", "inlineStr") or not value


def _string(text: str) -> str:
    return f' t="str"><v>{escape(text)}</v>' if text.strip() else ""


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _content(data: bytes) -> tuple[bytes, int]:
    tables: list[str] = []
    damaged = 0
    reader = _reader(data, f"{TABLE}table")
    for table in _elements(reader):
        grid: Grid = {}
        number = 0
        for row in table.iter(f"{TABLE}table-row"):
            cells, count = _cells(row)
            damaged += count
            times, is_valid = _times(row, "rows")
            damaged += not is_valid
            if cells:
                grid |= {number + at: cells for at in range(min(times, MAX_REPEATS))}
            number += times
        columns, rows = _dense(grid)
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
    damaged += bool(reader.error_log)
    spaces = " ".join(
        f'xmlns:{name}="{space[1:-1]}"'
        for name, space in (("table", TABLE), ("office", OFFICE), ("text", TEXT))
    )
    body = f"<office:body><office:spreadsheet>{''.join(tables)}</office:spreadsheet></office:body>"
    content = f"<office:document-content {spaces}>{body}</office:document-content>"
    return content.encode("utf-8", "replace"), damaged


def _cells(row: Element) -> tuple[dict[int, str], int]:
    """Write the filled cells of a row; and count those that are not valid."""
    cells: dict[int, str] = {}
    column = damaged = 0
    for cell in row.iterchildren(f"{TABLE}table-cell", f"{TABLE}covered-table-cell"):
        times, is_valid = _times(cell, "columns")
        written, is_typed = _typed(cell)
        damaged += not (is_valid and is_typed)
        if written:
            cells |= {column + at: written for at in range(min(times, MAX_REPEATS))}
        column += times
    return cells, damaged


def _times(element: Element, what: str) -> tuple[int, bool]:
    """Return how often a row or cell is repeated, and whether that is a valid number."""
    stated = element.get(f"{TABLE}number-{what}-repeated", "1")
    is_valid = stated.isdecimal() and 0 < len(stated) < 9
    return int(stated) if is_valid else 1, is_valid


def _typed(cell: Element) -> tuple[str, bool]:
    """Write a cell of OpenDocument, "" if it is empty; and whether its value is of its type."""
    kind = cell.get(f"{OFFICE}value-type", "string")
    attribute, form = VALUES.get(kind, ("", re.compile("")))
    value = cell.get(attribute, "") if attribute else ""
    if attribute and form.fullmatch(value):
        name = attribute.removeprefix(OFFICE)
        return f'<table:table-cell office:value-type="{kind}" office:{name}="{value}"/>', True
    text = "\n".join("".join(line.itertext()) for line in cell.iterchildren(f"{TEXT}p"))
    written = (
        f'<table:table-cell office:value-type="string"><text:p>{escape(text)}</text:p></table:table-cell>'
    )
    return written if text.strip() else "", not attribute


def _column(letters: str) -> int:
    """Return the number of a column from 1, of its letters; 0 for none."""
    number = 0
    for letter in letters.upper():
        number = 26 * number + ord(letter) - ord("A") + 1
    return number


def _letters(column: int) -> str:
    """Return the letters of a column, which is numbered from 0."""
    letters = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters
