"""CSV and TSV: the first row names the fields, and each other row is a document."""

import csv
import re
from collections import Counter
from collections.abc import Iterator
from itertools import chain

from datagen.request import Reject
from datagen.stages.sources.ingest.fields import documents
from datagen.stages.sources.ingest.lines import numbered_lines
from datagen.stages.sources.ingest.record import File, Record

SEPARATORS = ",;\t|"
STATED = re.compile(r'"?sep=([^\r\n])"?\s*', re.IGNORECASE)  # a first line written by spreadsheets


def read(file: File) -> Iterator[Record | Reject]:
    """Read one record per row."""
    yield from documents(records(file), file)


def records(file: File) -> Iterator[tuple[int, object]]:
    """Read each row as a mapping of column to text, numbered; a row of the wrong length is a `Reject`."""
    csv.field_size_limit(file.limits.document_bytes)
    lines = _lines(file)
    header = next(lines, "")
    while header and not header.strip():
        header = next(lines, "")
    separator = "\t" if file.basename.lower().endswith(".tsv") else max(SEPARATORS, key=header.count)
    if stated := STATED.fullmatch(header):
        separator, header = stated[1], next(lines, "")
    names = [name.strip() for name in next(csv.reader(chain([header], lines), delimiter=separator), [])]
    if repeated := [name for name, count in Counter(filter(None, names)).items() if count > 1]:
        raise Reject("bad csv header", f"{file.name}: two columns are called {repeated[0]!r}")
    names = [name or f"column {at}" for at, name in enumerate(names, start=1)]
    rows = csv.reader(lines, delimiter=separator)
    try:
        for number, row in enumerate(rows, start=2):
            if len(row) == len(names):
                yield number, dict(zip(names, row, strict=True))
            elif any(row):
                detail = f"{file.name}:{number}: {len(row)} fields, but {len(names)} in the header"
                yield number, Reject("bad csv row", detail)
    except csv.Error as error:
        raise Reject("bad csv row", f"{file.name}: near line {rows.line_num + 1}: {error}") from error


def _lines(file: File) -> Iterator[str]:
    for _, line in numbered_lines(file):
        if isinstance(line, Reject):
            raise line
        yield line.replace("\0", "")
