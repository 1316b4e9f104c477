"""JSON lines: one object per line; blank lines are skipped. JSON under this name is read as JSON."""

from collections.abc import Iterator

from datagen.request import Reject
from datagen.stages.sources.ingest.fields import documents
from datagen.stages.sources.ingest.json_lines import records
from datagen.stages.sources.ingest.readers import json
from datagen.stages.sources.ingest.record import File, Record

HEAD = 4096  # bytes


def read(file: File) -> Iterator[Record | Reject]:
    """Read one record per line."""
    if _is_json(file.head(HEAD)):
        yield from json.read(file)
    else:
        yield from documents(records(file), file)


def _is_json(head: bytes) -> bool:
    """Check whether a file begins with an array of objects, or with an object of several lines."""
    first, _, _ = head.removeprefix(b"\xef\xbb\xbf").lstrip().partition(b"\n")
    return first.strip() in (b"[", b"{") or (first[:1] == b"[" and first[1:].lstrip()[:1] == b"{")
