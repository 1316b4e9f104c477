"""Arrow and Feather files and the parts of Hugging Face dataset folders: one document per row."""

from collections.abc import Iterator
from typing import IO

import pyarrow as pa

from datagen.request import Reject
from datagen.stages.sources.ingest.columns import rows_of
from datagen.stages.sources.ingest.fields import documents_of_table
from datagen.stages.sources.ingest.record import File, Record

ROWS = 256  # converted to values at a time
CONTINUED = b"\xff\xff\xff\xff"
MAGIC = b"ARROW1"  # of the file format; a stream begins with the length of its schema


def read(file: File) -> Iterator[Record | Reject]:
    """Read one document per row."""
    yield from documents_of_table(records(file), file)


def records(file: File) -> Iterator[tuple[int, dict[str, object]]]:
    """Read each row as a mapping of column to value, with its number."""
    with file.seekable() as stream:
        _check_stream(stream)
        yield from rows_of(_batches(stream), file.size)


def _check_stream(stream: IO[bytes]) -> None:
    """
    Check that a stream's initial length is within the file, because Arrow allocates that much memory.

    Raises
    ------
    Reject
        If it is not: the file has another format or is truncated.
    """
    head, size = stream.read(8), stream.seek(0, 2)
    stream.seek(0)
    length = int.from_bytes(head[4:8] if head.startswith(CONTINUED) else head[:4], "little")
    if head.startswith(b"FEA1"):
        raise Reject("unreadable file", "Feather version 1: convert it to version 2 or Parquet")
    if not head.startswith(MAGIC) and not 0 < length < size:
        raise Reject("unreadable file", f"it is not an Arrow file: it begins with {head!r}")


def _batches(stream: object) -> Iterator[pa.RecordBatch]:
    source = pa.PythonFile(stream, "r")
    if source.read(len(MAGIC)) == MAGIC:
        source.seek(0)
        table = pa.ipc.open_file(source)
        batches = (table.get_batch(at) for at in range(table.num_record_batches))
    else:
        source.seek(0)
        batches = iter(pa.ipc.open_stream(source))
    for batch in batches:
        for at in range(0, len(batch), ROWS):
            yield batch.slice(at, ROWS)
