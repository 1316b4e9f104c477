"""Plain text: the file is the document."""

import re
from collections.abc import Iterator

from datagen.stages.sources.ingest.decoding import unusual
from datagen.stages.sources.ingest.record import File, Record

# What programs print for a terminal: colours, and bold or underlined characters that are printed twice.
TERMINAL = re.compile(r"\x1b\[[\d;?]*[A-Za-z]|[^\n]\x08")


def without_controls(text: str) -> str:
    """Remove the control sequences of a terminal, as in the output of man and of build tools."""
    return TERMINAL.sub("", text)


def read(file: File) -> Iterator[Record]:
    """Read the whole file."""
    text, encoding = file.text()
    yield Record(without_controls(text), metadata=unusual(encoding))
