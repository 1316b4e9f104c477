"""Markdown: the file is the document, its front matter the metadata."""

from collections.abc import Iterator

from datagen.stages.sources.ingest.fields import pop_text
from datagen.stages.sources.ingest.front_matter import split_front_matter
from datagen.stages.sources.ingest.record import File, Record, normalise, unusual


def read(file: File) -> Iterator[Record]:
    """Read the whole file."""
    text, encoding = file.text()
    text, metadata = split_front_matter(normalise(text))
    title = pop_text(metadata, "title")
    yield Record(text, title, metadata=metadata | unusual(encoding))
