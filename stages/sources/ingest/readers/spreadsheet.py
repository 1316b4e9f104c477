"""Spreadsheets: each sheet is a document of tables, and of text in rows with one cell."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from typing import IO

from python_calamine import CalamineError, CalamineWorkbook, PasswordError

from datagen.request import Reject
from datagen.stages.sources.ingest.readers.percentages import Percentages, write_percentage
from datagen.stages.sources.ingest.readers.repaired_workbook import is_misread, repaired
from datagen.stages.sources.ingest.readers.tables import MAX_CHARS, size_of, write_table
from datagen.stages.sources.ingest.readers.zipped import OLE, opened
from datagen.stages.sources.ingest.record import File, Record

LOCKED = b"E\0n\0c\0r\0y\0p\0t\0e\0d\0P\0a\0c\0k\0a\0g\0e\0"  # the stream of an encrypted workbook
MAX_HEADER_ROWS = 4
MAX_GROUP = 60  # characters of a cell over several columns that is repeated in each
LONGEST_NAME = 40  # characters of the name of a column that ends in a full stop
YEAR = re.compile(r"(?:19|20)\d\d")
NUMBER = re.compile(r"[-−+]?[\d.,]+\s?%?")

Row = Sequence[str]


def read(file: File) -> Iterator[Record | Reject]:
    """Read the sheets that are not empty; a sheet that cannot be read does not affect the others."""
    is_zip = file.head(2) == b"PK"
    if is_zip:
        with opened(file):
            pass  # checks its size; calamine does not read beyond the sizes stated in the file
    with file.seekable() as stream:
        workbook = _Workbook(stream, file, is_zip)
        for name in workbook.names:
            try:
                rows = workbook.rows(name)
            except CalamineError as error:
                yield Reject("unreadable file", f"sheet {name!r}: {error}")
                continue
            text = "\n\n".join(blocks([" ".join(cell.split()) for cell in row] for row in rows))
            if text:
                yield Record(text, name, name, metadata=workbook.left_out())


class _Workbook:
    """A workbook; it is rewritten (`repaired`) if it is sparse, damaged, or misread."""

    def __init__(self, stream: IO[bytes], file: File, is_zip: bool) -> None:
        self._stream, self._is_zip, self._can_repair = stream, is_zip, is_zip
        self._counts: Counter[str] = Counter()  # of what the repair changed
        try:
            if is_zip and is_misread(stream):
                self._repair()
            else:
                self._open(stream)
        except PasswordError as error:
            raise Reject("encrypted", "it requires a password; save it without one") from error
        except CalamineError as error:
            if file.head(len(OLE)) == OLE and LOCKED in file.read():
                raise Reject("encrypted", "it requires a password; save it without one") from error
            raise Reject("unreadable file", str(error)) from error
        self.names = self._workbook.sheet_names

    def _open(self, stream: IO[bytes]) -> None:
        stream.seek(0)
        try:
            self._workbook = CalamineWorkbook.from_filelike(stream)
        except CalamineError:
            if not self._can_repair:
                raise
            self._repair()
        else:
            self._percentages = Percentages(stream if self._is_zip else None)

    def _repair(self) -> None:
        self._can_repair = False
        stream, self._counts = repaired(self._stream)
        self._workbook = CalamineWorkbook.from_filelike(stream)
        self._percentages = Percentages(stream)

    def rows(self, name: str) -> Iterator[Row]:
        """
        Read the rows of a sheet.

        Raises
        ------
        CalamineError
            If the sheet cannot be read.
        """
        try:
            sheet = self._workbook.get_sheet_by_name(name)
        except CalamineError:
            if not self._can_repair:
                raise
            self._repair()
            sheet = self._workbook.get_sheet_by_name(name)
        percentages = self._percentages.of(name)
        first = sheet.start[1] if sheet.start else 0  # the column; rows are read from the top
        return (
            [_cell(value, percentages.get((at, column))) for column, value in enumerate(row, start=first)]
            for at, row in enumerate(sheet.iter_rows())
        )

    def left_out(self) -> dict[str, object]:
        """Return, once, the metadata that counts the cells that were not valid, and repetitions left out."""
        counts, self._counts = self._counts, Counter()
        return {"left_out": dict(counts)} if counts else {}


def blocks(rows: Iterable[Row]) -> Iterator[str]:
    """
    Write a sheet's rows as tables and paragraphs.

    A row with one cell is a paragraph: a title or a note. The first other row is the header of a table, or
    the first rows are (`_one_header`). A row without a number is the next header after an empty row, or if it
    has most names of the last one. A header is repeated in tables of at most `MAX_CHARS` characters, so that
    passages have it, unless it is the first of many pairs of a name and a text.
    """
    table: list[Row] = []  # the header, and the rows that are not yet written
    header_written = False
    size = 0
    after_space = False
    for row in rows:
        filled = [cell for cell in row if cell]
        if not filled:
            after_space = bool(table)
            continue
        has_number = any(NUMBER.fullmatch(cell) for cell in filled)
        new_header = after_space and not has_number
        if table and (len(table) > 1 or header_written):
            new_header = new_header or _names_in_common(table, row) >= 2 + has_number
        after_space = False
        length = sum(size_of(cell) + 3 for cell in row)
        is_text = len(filled) == 1
        # A header is written with its first row, also after the title of a group of rows.
        if table and (new_header or (len(table) > 1 and (is_text or size + length > MAX_CHARS))):
            if len(table) > 1 or not header_written:
                yield write_table(table)
            table, size, header_written = table[:1] if _is_header(table[0]) else [], 0, True
        if is_text:
            yield filled[0]
        elif new_header or not table:
            table, header_written = [row], False
        else:
            if not header_written and 1 < len(table) <= MAX_HEADER_ROWS and _has_figures(row):
                table = _one_header(table)
            table.append(row)
            size += length
    if len(table) > 1 or (table and not header_written):
        yield write_table(table)


def _names_in_common(table: list[Row], row: Row) -> int:
    """Count the cells of a section's header: most are in the table's header, too, and in no row since."""
    header, *rows = table
    names = [column for column, cell in enumerate(header) if cell and row[column : column + 1] == [cell]]
    is_repeated = any(other[column : column + 1] == [header[column]] for other in rows for column in names)
    return 0 if is_repeated or 2 * len(names) <= sum(map(bool, row)) else len(names)


def _is_header(row: Row) -> bool:
    """Check whether a row names columns: no cell is a sentence, or the label of the next cell."""
    return not any(
        (len(cell) > LONGEST_NAME and cell.endswith((".", "!", "?"))) or cell.endswith((":", "："))
        for cell in row
    )


def _has_figures(row: Row) -> bool:
    """Check whether a row is data: numbers in half of its cells, at least."""
    filled = [cell for cell in row if cell]
    return 2 * sum(bool(NUMBER.fullmatch(cell)) for cell in filled) >= len(filled)


def _one_header(rows: list[Row]) -> list[Row]:
    """
    Join the rows above the first data to one header; return them as they are if they are no header.

    They are one if none has a number and a cell spans several columns that are named below it: "Sales" over
    "2022" and "2023" gives "Sales: 2022", "Sales: 2023".
    """
    width = max(map(len, rows))
    cells = [[*row, *[""] * (width - len(row))] for row in rows]
    if any(NUMBER.fullmatch(cell) and not YEAR.fullmatch(cell) for row in cells for cell in row):
        return rows
    spans = False
    for number, row in enumerate(cells[:-1]):
        group = ""
        for column, cell in enumerate(row):
            if cell:
                group = cell
            elif group and any(below[column] for below in cells[number + 1 :]):
                spans = True
                row[column] = group if len(group) <= MAX_GROUP else ""
    if not spans:
        return rows
    return [[": ".join(dict.fromkeys(filter(None, parts))) for parts in zip(*cells, strict=True)]]


def _cell(value: object, decimals: int | None) -> str:
    """Write a value; as a percentage if it has digits after the decimal point of one (`decimals`)."""
    if isinstance(value, bool):
        return str(value).lower()
    if decimals is not None and isinstance(value, int | float):
        return write_percentage(value, decimals)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.12g}"
    if isinstance(value, datetime):
        return value.isoformat(" ") if value.time() != time() else value.date().isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    return str(value) if not isinstance(value, timedelta) else f"{value}"
