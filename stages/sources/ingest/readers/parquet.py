"""Parquet: one document a row."""

from collections.abc import Iterator

import pyarrow.parquet as pq

from datagen.request import Reject
from datagen.stages.sources.ingest.fields import documents, no_text_field
from datagen.stages.sources.ingest.record import File, Record

ROWS = 256  # read at once


def read(file: File) -> Iterator[Record | Reject]:
    """Read one record a row."""
    with file.open() as stream:
        table = pq.ParquetFile(stream)
        names = table.schema_arrow.names
        if file.given.text_field not in names:
            raise no_text_field(file, names)
        batches = table.iter_batches(ROWS)
        yield from documents(
            enumerate((row for batch in batches for row in batch.to_pylist()), start=1), file
        )
