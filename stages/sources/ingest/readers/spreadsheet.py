"""Spreadsheets: each sheet is a document with one table."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta

from python_calamine import CalamineError, CalamineWorkbook, PasswordError

from datagen.request import Reject
from datagen.stages.sources.ingest.readers.tables import write_table
from datagen.stages.sources.ingest.readers.zipped import opened
from datagen.stages.sources.ingest.record import File, Record


def read(file: File) -> Iterator[Record | Reject]:
    """Read the sheets that are not empty."""
    if file.head(2) == b"PK":
        with opened(file):
            pass  # checks its size
    with file.seekable() as stream:
        try:
            workbook = CalamineWorkbook.from_filelike(stream)
            for name in workbook.sheet_names:
                rows = workbook.get_sheet_by_name(name).iter_rows()
                table = write_table([[_cell(value) for value in row] for row in rows])
                if table:
                    yield Record(table, name, name)
        except PasswordError as error:
            raise Reject("encrypted", "it requires a password; save it without one") from error
        except CalamineError as error:
            raise Reject("unreadable file", str(error)) from error


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.12g}"
    if isinstance(value, datetime):
        return value.isoformat(" ") if value.time() != time() else value.date().isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    return str(value) if not isinstance(value, timedelta) else f"{value}"
