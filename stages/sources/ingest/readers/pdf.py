"""PDF: text in reading order, with headings, lists, code and tables."""

from collections.abc import Iterator

from datagen.stages.sources.ingest.pdf import read_pdf
from datagen.stages.sources.ingest.record import File, Record


def read(file: File) -> Iterator[Record]:
    """Read the document."""
    with file.seekable() as stream:  # a file above the limit is not loaded whole: scanned images are large
        text = read_pdf(stream.read() if file.size <= file.limits.document_bytes else stream)
    yield Record(text.markdown, text.title, metadata=text.metadata)
