"""A file as documents, whatever its format: its reader's records, normalised, titled and named."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pyarrow as pa

from datagen.request import Reject
from datagen.schema import DOCUMENTS, content_id
from datagen.stages.shared.segment.blocks import first_heading
from datagen.stages.sources.ingest.formats import KNOWN, Format, format_of
from datagen.stages.sources.ingest.metadata import written
from datagen.stages.sources.ingest.record import File, Record, normalise, too_large

DETAIL = 300  # characters of what is said of a dropped row

# A row of the table of documents; why it is dropped, where it is; the number of its file in the task.
SCHEMA = pa.schema([*DOCUMENTS, ("reason", pa.string()), ("detail", pa.string()), ("file", pa.int32())])
Row = dict[str, Any]


def records(file: File, form: Format | None = None) -> Iterator[Record | File | Reject]:
    """
    Read a file, of the format that its name or content tells where none is given.

    Raises
    ------
    Reject
        When nothing of it can be read, with the reason. A damaged file may raise anything else, too.
    """
    form = form or format_of(file)
    if form is None:
        raise Reject("unknown format", f"{file.basename}; known are {KNOWN}")
    for record in form.load()(file):
        yield _finished(record, file) if isinstance(record, Record) else record


def _finished(record: Record, file: File) -> Record:
    if len(record.text) > file.limits.document_bytes:
        raise too_large(file.limits)
    text = normalise(record.text)
    title = " ".join(normalise(record.title).split()) or first_heading(text) or file.stem
    return replace(record, text=text, title=title)


def rows(file: File) -> Iterator[Row]:
    """
    Read a file as rows of the table of documents, those to be dropped with a `reason` and a `detail`.

    It leaves at least one row, and raises nothing but what no file causes.
    """
    seen: set[int] = set()  # hashes of names, about 100 bytes a record
    count = 0
    try:
        form = format_of(file)
        for record in records(file, form):
            count += 1
            if isinstance(record, File):
                yield from rows(record)
            elif isinstance(record, Reject):
                yield dropped(file, record)
            else:
                yield _row(record, file, form, seen)
    except Reject as why:
        yield dropped(file, why)
    except MemoryError:
        yield dropped(file, Reject("out of memory", f"after {count} records; see stages.ingest.memory_mb"))
    except RecursionError:
        yield dropped(file, Reject("unreadable file", f"after {count} records: nested too deep"))
    except Exception as error:  # whatever a library says of a file that it cannot read
        said = f"after {count} records: {type(error).__name__}: {error}"
        yield dropped(file, Reject("unreadable file", said))
    else:
        if not count:
            yield dropped(file, Reject("empty document", "the file holds no record"))


def dropped(file: File, why: Reject) -> Row:
    """Make the row of what was not read."""
    return {
        "source": _valid(file.name),
        "reason": _valid(why.reason),
        "detail": _valid(why.detail[:DETAIL]),
    }


def _row(record: Record, file: File, form: Format | None, seen: set[int]) -> Row:
    metadata: dict[str, Any] = dict(record.metadata)
    source = file.name
    if record.name is not None:
        source += f"#{record.name or content_id(record.text)[:16]}"
    if record.name == "":
        metadata.setdefault("line", record.line)
    source = _valid(source)
    row: Row = {
        "source": source,
        "title": _valid(record.title),
        "text": _valid(record.text),
        "format": form.name if form else "",
        "metadata": _valid(written(metadata | file.given.constants)),
    }
    row["id"] = content_id(source, row["text"])
    why = _why_not(source, record, seen)
    return row | {"reason": why.reason, "detail": _valid(why.detail[:DETAIL])} if why else row


def _why_not(source: str, record: Record, seen: set[int]) -> Reject | None:
    name = int(content_id(source)[:16], 16)
    if name in seen:
        reason = "duplicate source id" if record.name else "repeated"
        return Reject(reason, f"{source} stands twice in its file, again in line {record.line}")
    seen.add(name)
    return None if record.text.strip() else Reject("empty document")


def _valid(text: str) -> str:
    """Replace lone surrogates, which JSON can hold and UTF-8 cannot."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
