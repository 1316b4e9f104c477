"""Rich text: only the text, because RTF does not mark headings."""

from collections.abc import Iterator

from striprtf.striprtf import rtf_to_text

from datagen.request import Reject
from datagen.stages.sources.ingest.record import File, Record


def read(file: File) -> Iterator[Record]:
    """Read the text."""
    data = file.read()
    if not data.lstrip().startswith(b"{\\rtf"):
        raise Reject("unreadable file", f"it is not RTF: it begins with {data[:16]!r}")
    text: str = rtf_to_text(data.decode("latin-1"), errors="replace")
    lines = [line.strip().rstrip("|").strip() if "|" in line else line.strip() for line in text.split("\n")]
    yield Record("\n\n".join(line for line in lines if line))
