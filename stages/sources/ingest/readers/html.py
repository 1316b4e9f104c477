"""Web pages: the main part as Markdown, without the furniture."""

from collections.abc import Iterator

from html_to_markdown import ConversionError

from datagen.request import Reject
from datagen.stages.sources.ingest.readers.webpage import read_webpage
from datagen.stages.sources.ingest.record import File, Record, unusual


def read(file: File) -> Iterator[Record]:
    """Read the page."""
    page, encoding = file.text()
    try:
        text, title = read_webpage(page)
    except ConversionError as error:
        raise Reject("unreadable file", str(error)) from error
    yield Record(text, title, metadata=unusual(encoding))
