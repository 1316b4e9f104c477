"""JSON lines: one object a line; blank lines are no records."""

import json
from collections.abc import Iterator
from typing import IO, Any

from datagen.request import Reject
from datagen.stages.sources.ingest.fields import documents
from datagen.stages.sources.ingest.record import File, Record


def read(file: File) -> Iterator[Record | Reject]:
    """Read one record a line."""
    with file.open() as stream:
        yield from documents(_objects(stream, file), file)


def _objects(stream: IO[bytes], file: File) -> Iterator[tuple[int, dict[str, Any] | Reject]]:
    for number, line in enumerate(stream, start=1):
        if not line.strip():
            continue
        try:
            fields = json.loads(line.decode("utf-8-sig"))
        except (ValueError, RecursionError) as error:  # not JSON, not UTF-8, nested too deep
            yield number, Reject("bad json line", f"{file.name}:{number}: {error}")
            continue
        known = isinstance(fields, dict)
        yield number, fields if known else Reject("bad json line", f"{file.name}:{number}: not an object")
