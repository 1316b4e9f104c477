"""Parquet: one document per row."""

from collections.abc import Iterator

import pyarrow.parquet as pq

from datagen.request import Reject
from datagen.stages.sources.ingest.columns import rows_of
from datagen.stages.sources.ingest.fields import documents_of_table
from datagen.stages.sources.ingest.record import File, Record

ROWS = 256  # read at a time
# Limits for the footer, because a damaged length could exhaust memory.
THRIFT = {"thrift_string_size_limit": 64_000_000, "thrift_container_size_limit": 1_000_000}


def read(file: File) -> Iterator[Record | Reject]:
    """Read one document per row."""
    yield from documents_of_table(records(file), file)


def records(file: File) -> Iterator[tuple[int, dict[str, object]]]:
    """Read each row as a mapping of column to value, with its number."""
    with file.seekable() as stream:
        table = pq.ParquetFile(stream, page_checksum_verification=True, **THRIFT)
        yield from rows_of(table.iter_batches(ROWS, use_threads=False), file.size)
