"""Rewrite a sheet of a workbook (.xlsx): only filled cells, and those that are not valid as text."""

import re
from html import escape

from datagen.stages.sources.ingest.readers.sparse_grid import Grid, dense, elements, xml_reader
from datagen.stages.sources.ingest.readers.zipped import Element

REFERENCE = re.compile(r"([A-Za-z]{1,3})\d+")
ERRORS = ("#DIV/0!", "#N/A", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!", "#GETTING_DATA")


def rewritten_sheet(data: bytes, strings: int) -> tuple[bytes, int]:
    """Rewrite a sheet of a workbook with so many strings; return it, and how many cells were not valid."""
    grid: Grid = {}
    number = damaged = 0
    reader = xml_reader(data, "{*}row")
    for row in elements(reader):
        stated = row.get("r", "")
        number = int(stated) if stated.isdecimal() and len(stated) < 9 else number + 1
        column = 0
        for cell in row.iterchildren("{*}c"):
            reference = cell.get("r", "")
            place = REFERENCE.fullmatch(reference)
            column = number_of(place[1]) if place else column + 1
            written, is_valid = _cell(cell, strings)
            damaged += not is_valid or (place is None and reference != "")
            if written:
                grid.setdefault(number, {})[column] = written
    damaged += bool(reader.error_log)  # the cell at which its XML breaks, or ends early
    columns, rows = dense(grid)
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


def number_of(letters: str) -> int:
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
