"""A file as documents, whatever its format: its reader's records, normalised and with a title."""

from collections.abc import Iterator
from dataclasses import replace

from datagen.request import Reject
from datagen.stages.shared.segment.blocks import first_heading
from datagen.stages.sources.ingest.formats import format_of
from datagen.stages.sources.ingest.record import File, Record, normalise


def records(file: File) -> Iterator[Record | Reject]:
    """
    Read a file of a known format.

    Raises
    ------
    Reject
        When nothing of it can be read, with the reason. A damaged file may raise anything else, too.
    """
    form = format_of(file)
    if form is None:
        raise Reject("unknown format", file.basename)
    for record in form.load()(file):
        yield record if isinstance(record, Reject) else _finished(record, file)


def _finished(record: Record, file: File) -> Record:
    text = normalise(record.text)
    title = " ".join(normalise(record.title).split()) or first_heading(text) or file.stem
    return replace(record, text=text, title=title)
