"""The cells of a workbook (.xlsx) that are shown as percentages, which calamine reads as fractions."""

import re
import zipfile
from posixpath import join, normpath
from typing import IO

from lxml import etree

from datagen.stages.sources.ingest.readers.xlsx_sheet import number_of
from datagen.stages.sources.ingest.readers.zipped import Element

BUILT_IN = {9: 0, 10: 2}  # numbers of formats (ECMA-376, 18.8.30): 0% and 0.00%
LITERAL = re.compile(
    r'"[^"]*"|\\.|\[[^\]]*\]|_.'
)  # of a format: text that is shown as it is, colours, spaces
FORMAT = re.compile(r"[0#?,]*(?:\.([0#?]+))?\s*%")
CELL = re.compile(rb"<(?:\w+:)?c\s[^>]*>")
PLACE = re.compile(rb"\br\s*=\s*[\"']([A-Za-z]{1,3})(\d{1,9})[\"']")
STYLE = re.compile(rb"\bs\s*=\s*[\"'](\d{1,9})[\"']")

Decimals = dict[tuple[int, int], int]  # row and column, from 0 -> digits after the decimal point


class Percentages:
    """
    Knows the percentages of a workbook.

    Parameters
    ----------
    stream
        The workbook; None if it is no .xlsx file. A part that is missing or not valid has no percentages.
    """

    def __init__(self, stream: IO[bytes] | None) -> None:
        self._stream = stream
        self._styles: dict[int, int] = {}
        self._parts: dict[str, str] = {}
        if stream is not None:
            with zipfile.ZipFile(stream) as archive:
                self._styles = _styles(_parsed(archive, "xl/styles.xml"))
                if self._styles:
                    self._parts = _parts(archive)

    def of(self, sheet: str) -> Decimals:
        """Find the cells of a sheet that are percentages."""
        if self._stream is None or sheet not in self._parts:
            return {}
        with zipfile.ZipFile(self._stream) as archive:
            data = _member(archive, self._parts[sheet])
        cells: Decimals = {}
        for cell in CELL.findall(data):
            style, place = STYLE.search(cell), PLACE.search(cell)
            if style and place and int(style[1]) in self._styles:
                cells[int(place[2]) - 1, number_of(place[1].decode()) - 1] = self._styles[int(style[1])]
        return cells


def write_percentage(value: float, decimals: int) -> str:
    """Write a fraction as a percentage."""
    return f"{100 * value:.{min(decimals, 10)}f}%"


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        return archive.read(name)
    except (KeyError, zipfile.BadZipFile, OSError):
        return b""


def _parsed(archive: zipfile.ZipFile, name: str) -> Element | None:
    parser = etree.XMLParser(recover=True, huge_tree=True, resolve_entities=False, no_network=True)
    data = _member(archive, name)
    return etree.fromstring(data, parser) if data else None


def _styles(styles: Element | None) -> dict[int, int]:
    """Return the styles that are percentages: number -> digits after the decimal point."""
    if styles is None:
        return {}
    formats = dict(BUILT_IN)
    for form in styles.iterfind(".//{*}numFmts/{*}numFmt"):
        code = LITERAL.sub("", form.get("formatCode", "").partition(";")[0])
        if (match := FORMAT.search(code)) and form.get("numFmtId", "").isdecimal():
            formats[int(form.get("numFmtId", ""))] = len(match[1] or "")
    numbers = [style.get("numFmtId", "") for style in styles.iterfind(".//{*}cellXfs/{*}xf")]
    return {
        at: formats[int(number)]
        for at, number in enumerate(numbers)
        if number.isdecimal() and int(number) in formats
    }


def _parts(archive: zipfile.ZipFile) -> dict[str, str]:
    """Return the part of the archive of each sheet, by its name."""
    workbook, links = _parsed(archive, "xl/workbook.xml"), _parsed(archive, "xl/_rels/workbook.xml.rels")
    if workbook is None or links is None:
        return {}
    targets = {link.get("Id"): link.get("Target", "") for link in links.iterfind("{*}Relationship")}
    parts: dict[str, str] = {}
    for sheet in workbook.iterfind(".//{*}sheets/{*}sheet"):
        reference = next((value for name, value in sheet.items() if name.endswith("}id")), None)
        parts[sheet.get("name", "")] = normpath(join("xl", targets.get(reference, ""))).lstrip("/")
    return parts
