"""Arrow and Feather files and the parts of Hugging Face dataset folders: one document a row."""

from collections.abc import Iterator

import pyarrow as pa

from datagen.request import Reject
from datagen.stages.sources.ingest.columns import rows_of
from datagen.stages.sources.ingest.fields import documents
from datagen.stages.sources.ingest.record import File, Record

ROWS = 256  # turned into values at once
MAGIC = b"ARROW1"  # of the file format; a stream begins with its schema's length


def read(file: File) -> Iterator[Record | Reject]:
    """Read one record a row."""
    with file.seekable() as stream:
        yield from documents(rows_of(_batches(stream)), file)


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
