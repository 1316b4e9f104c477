"""JSON lines: one object per line; blank lines are skipped. JSON under this name is read as JSON."""

from collections.abc import Iterator

from datagen.outside_json import parse
from datagen.request import Reject
from datagen.stages.sources.ingest.fields import documents
from datagen.stages.sources.ingest.lines import numbered_lines
from datagen.stages.sources.ingest.record import File, Record

HEAD = 4096  # bytes
BLANKS = " \t\r\n\v\f\x1e"  # RFC 7464 begins a record with the last


def read(file: File) -> Iterator[Record | Reject]:
    """Read one record per line."""
    if _is_json(file.head(HEAD)):
        from datagen.stages.sources.ingest.readers import json  # which reads JSON lines with this module

        yield from json.read(file)
    else:
        yield from documents(records(file), file)


def _is_json(head: bytes) -> bool:
    """Check whether a file begins with an array of objects, or with an object of several lines."""
    first, _, _ = head.removeprefix(b"\xef\xbb\xbf").lstrip().partition(b"\n")
    return first.strip() in (b"[", b"{") or (first[:1] == b"[" and first[1:].lstrip()[:1] == b"{")


def records(file: File) -> Iterator[tuple[int, object]]:
    """Read the object of each line, with the line's number; a line without an object gives a `Reject`."""
    for number, line in numbered_lines(file):
        if isinstance(line, Reject):
            yield number, line
        elif line := line.strip(BLANKS):
            try:
                fields = parse(line)
            except ValueError as error:
                yield number, Reject("bad json line", f"{file.name}:{number}: {error}")
                continue
            if isinstance(fields, dict):
                yield number, fields
            else:
                yield number, Reject("bad json line", f"{file.name}:{number}: not an object")
