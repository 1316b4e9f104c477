"""Plain text: the file is the document."""

from collections.abc import Iterator

from datagen.stages.sources.ingest.decoding import unusual
from datagen.stages.sources.ingest.record import File, Record


def read(file: File) -> Iterator[Record]:
    """Read the whole file."""
    text, encoding = file.text()
    yield Record(text, metadata=unusual(encoding))
