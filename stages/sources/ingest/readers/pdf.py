"""PDF: text in reading order, with headings, lists, code and tables."""

from collections.abc import Iterator

from datagen.stages.sources.ingest.pdf import read_pdf
from datagen.stages.sources.ingest.record import File, Record


def read(file: File) -> Iterator[Record]:
    """Read the document."""
    text = read_pdf(file.read())
    yield Record(text.markdown, text.title, metadata=text.metadata)
