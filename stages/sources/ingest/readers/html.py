"""Web pages: the main part as Markdown, without navigation."""

import re
from collections.abc import Iterator

from html_to_markdown import ConversionError

from datagen.request import Reject
from datagen.stages.sources.ingest.decoding import decode_declared, unusual
from datagen.stages.sources.ingest.readers.webpage import read_webpage
from datagen.stages.sources.ingest.record import File, Record

CHARSET = re.compile(rb"""<meta[^>]{0,200}charset\s*=\s*["']?\s*([\w:.-]{1,40})""", re.IGNORECASE)
HEAD = 4096  # bytes in which a page may state its encoding


def read(file: File) -> Iterator[Record]:
    """Read the page."""
    data = file.read()
    stated = CHARSET.search(data[:HEAD])
    page, encoding = decode_declared(data, stated[1].decode() if stated else "", file.entry.encoding)
    try:
        text, title = read_webpage(page)
    except ConversionError as error:
        raise Reject("unreadable file", str(error)) from error
    yield Record(text, title, metadata=unusual(encoding))
