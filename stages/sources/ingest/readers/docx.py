"""Word documents: headings, lists, tables and notes."""

from collections.abc import Iterator

import mammoth

from datagen.stages.sources.ingest.readers.webpage import read_webpage
from datagen.stages.sources.ingest.readers.zipped import described, opened, part
from datagen.stages.sources.ingest.record import File, Record

STYLES = "p[style-name='Title'] => h1:fresh"
PROPERTIES = "docProps/core.xml"


def read(file: File) -> Iterator[Record]:
    """Read the document."""
    with opened(file) as archive:
        title, metadata = described(archive, PROPERTIES)
        part(archive, "word/document.xml")
        page = mammoth.convert_to_html(archive.fp, style_map=STYLES, convert_image=_no_image).value
    text, _ = read_webpage(page, whole=True)
    yield Record(text, title, metadata=metadata)


def _no_image(image: object) -> list[object]:
    return []
