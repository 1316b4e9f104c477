"""
Rewrite workbooks that calamine cannot read, or misreads.

It holds a sheet as a full grid, so one cell in the last row and column (XFD1048576) exceeds any memory, and
it gives up a sheet, or an OpenDocument file, at the first cell that is not valid. Here only filled cells are
written, without the empty rows and columns between them, and a cell that is not valid becomes its text, as
does a percentage of an OpenDocument file.
"""

import io
import re
import zipfile
from collections import Counter
from typing import IO

from datagen.stages.sources.ingest.readers.opendocument_sheets import rewritten_content
from datagen.stages.sources.ingest.readers.sparse_grid import MAX_CELLS
from datagen.stages.sources.ingest.readers.xlsx_sheet import number_of, rewritten_sheet

XML = re.compile(r"(?!(?:.*/)?sharedStrings).*\.xml", re.IGNORECASE)  # a sheet may be in any folder
SHEET = re.compile(rb"<(?:\w+:)?sheetData[\s/>]")
STRINGS = re.compile(r"(?:.*/)?sharedStrings\.xml", re.IGNORECASE)
CONTENT = "content.xml"  # of an OpenDocument file
PERCENTAGE = b'office:value-type="percentage"'
# In the place of a cell (r="AB12345"): columns after Z, rows after 9,999.
COLUMN = re.compile(rb"\br\s*=\s*[\"']([A-Za-z]{2,9})\d")
ROW = re.compile(rb"\br\s*=\s*[\"'][A-Za-z]{0,9}(\d{5,20})[\"']")
CELL = re.compile(rb"<(?:\w+:)?c[\s>]")
STRING = re.compile(rb"<(?:\w+:)?si[\s/>]")


def is_misread(stream: IO[bytes]) -> bool:
    """
    Check whether calamine would misread a workbook.

    That is the case if a sheet (.xlsx) is too large as a full grid but has few cells, or if cells of an
    OpenDocument file are percentages, which it reads as fractions.
    """
    with zipfile.ZipFile(stream) as archive:
        return any(_is_misread(archive.read(name)) for name in archive.NameToInfo if XML.fullmatch(name))


def _is_misread(sheet: bytes) -> bool:
    if not SHEET.search(sheet):
        return PERCENTAGE in sheet
    columns = max((number_of(letters.decode()) for letters in set(COLUMN.findall(sheet))), default=26)
    rows = max(map(int, set(ROW.findall(sheet))), default=9_999)
    return columns * rows > max(MAX_CELLS, 8 * len(CELL.findall(sheet)))


def repaired(stream: IO[bytes]) -> tuple[IO[bytes], Counter[str]]:
    """
    Rewrite a workbook (.xlsx, .ods).

    Returns
    -------
    The new workbook; and the numbers of damaged cells, and of repetitions that were left out.

    Raises
    ------
    Reject
        If its cells are so scattered that the rows and columns that have any exceed `MAX_CELLS`.
    """
    target, counts = io.BytesIO(), Counter[str]()
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
                data, damaged = rewritten_sheet(data, strings)
                counts["damaged cells"] += damaged
            elif member.filename == CONTENT:
                data, counts = rewritten_content(data)
            new.writestr(member.filename, data)
    target.seek(0)
    return target, +counts
