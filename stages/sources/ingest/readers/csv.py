"""CSV and TSV: the first row names the fields, and each other row is a document."""

import csv
import re
from collections import Counter
from collections.abc import Iterator
from itertools import chain

from datagen.request import Reject
from datagen.stages.sources.ingest.fields import documents_of_table
from datagen.stages.sources.ingest.lines import NOT_UTF8, REMEDY, numbered_lines
from datagen.stages.sources.ingest.record import File, Record

SEPARATORS = ",;\t|"
RARE = "^~¦\x1f"  # separators of files without any of the others in the header
STATED = re.compile(r'"?sep=([^\r\n])"?\s*', re.IGNORECASE)  # a first line written by spreadsheets
SAMPLE = 200_000  # characters from which the escape character is inferred
END = "\0"  # after the last line; NULs are removed from the others


def read(file: File) -> Iterator[Record | Reject]:
    """Read one record per row."""
    yield from documents_of_table(records(file), file)


def records(file: File) -> Iterator[tuple[int, object]]:
    """Read each row as a mapping of column to text, numbered; a row that is damaged is a `Reject`."""
    csv.field_size_limit(file.limits.document_bytes)
    lines = (line.replace(END, "") for _, line in numbered_lines(file, escaped=True) if isinstance(line, str))
    header, before = _header(lines)
    separator = "\t" if file.basename.lower().endswith(".tsv") else _separator(header)
    if stated := STATED.fullmatch(header):
        separator, header = stated[1], next(lines, "")
    sample = [header, *_first(chain(before, lines))]
    escape = _escape(sample, separator)
    rows = csv.reader(
        chain(sample, lines, [END]), delimiter=separator, escapechar=escape, doublequote=not escape
    )
    try:
        names = _names(next(rows), file)
        for number, row in enumerate(rows, start=2):
            if row == [END]:
                return
            why = _damage(row, len(names))
            if why:
                yield number, Reject(why[0], f"{file.name}:{number}: {why[1]}")
            elif row:
                yield number, dict(zip(names, row, strict=True))
    except csv.Error as error:
        raise Reject("bad csv row", f"{file.name}: near line {rows.line_num + 1}: {error}") from error


def _header(lines: Iterator[str]) -> tuple[str, list[str]]:
    """Return the first line that is not blank, after comments; and the lines read after it to know that."""
    header = next((line for line in lines if line.strip()), "")
    while header.startswith("#") and not _has_separator(header):
        following = next((line for line in lines if line.strip()), "")
        if not following.startswith("#") and not _has_separator(following):
            return header, [following] if following else []  # its only column is called "# ..."
        header = following
    return header, []


def _has_separator(line: str) -> bool:
    return any(line.count(separator) for separator in SEPARATORS + RARE)


def _separator(header: str) -> str:
    has_common = any(separator in header for separator in SEPARATORS)
    return max(SEPARATORS if has_common or not _has_separator(header) else RARE, key=header.count)


def _first(lines: Iterator[str]) -> Iterator[str]:
    """Take the first lines, `SAMPLE` characters of them."""
    size = 0
    while size < SAMPLE and (line := next(lines, "")):
        size += len(line)
        yield line


def _names(row: list[str], file: File) -> list[str]:
    """Return the names of the columns; unnamed ones are numbered."""
    if row and row[-1] != END and row[-1].endswith(END):
        raise Reject("bad csv header", f"{file.name}: a quote is not closed")
    names = [name.strip() for name in row if name != END]
    if repeated := [name for name, count in Counter(filter(None, names)).items() if count > 1]:
        raise Reject("bad csv header", f"{file.name}: two columns are called {repeated[0]!r}")
    return [name or f"column {at}" for at, name in enumerate(names, start=1)]


def _damage(row: list[str], columns: int) -> tuple[str, str] | None:
    """Return the reason and detail of a row that must be dropped."""
    if row and row[-1].endswith(END):
        lines = "".join(row).count("\n")
        return "bad csv row", f"a quote is not closed; the row takes in the last {lines:,} lines of the file"
    if any(NOT_UTF8.search(field) for field in row):
        return "not utf-8", f"a field is not UTF-8. {REMEDY}"
    if row and len(row) != columns and any(row):
        lines = "".join(row).count("\n")
        spans = f". It spans {lines + 1:,} lines: perhaps a quote is not closed" if lines else ""
        return "bad csv row", f"{len(row)} fields, but {columns} in the header{spans}"
    return None


def _escape(lines: list[str], separator: str) -> str | None:
    r"""Return the backslash if quotes within fields are written \" (Spark, MySQL), not "" (RFC 4180)."""
    if not any('\\"' in line for line in lines) or not _damaged(lines, separator, None):
        return None
    return None if _damaged(lines, separator, "\\") else "\\"


def _damaged(lines: list[str], separator: str, escape: str | None) -> bool:
    """Check whether the sample has a quote within a field that the escape character does not allow."""
    rows = csv.reader(lines, delimiter=separator, strict=True, escapechar=escape, doublequote=not escape)
    try:
        while True:
            next(rows)
    except StopIteration:
        return False
    except csv.Error as error:
        return "unexpected end of data" not in str(error)  # the sample may end within a field
