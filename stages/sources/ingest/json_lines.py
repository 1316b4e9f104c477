"""The objects of JSON lines, for files with this name and for JSON files that hold lines."""

from collections.abc import Iterator

from datagen.outside_json import parse
from datagen.request import Reject
from datagen.stages.sources.ingest.lines import numbered_lines
from datagen.stages.sources.ingest.record import File

BLANKS = " \t\r\n\v\f\x1e"  # RFC 7464 begins a record with the last


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
