"""Convert a file of any format to documents: normalise, title and name its reader's records."""

import re
from collections.abc import Collection, Iterator
from dataclasses import replace

import pyarrow as pa

from datagen.request import Reject
from datagen.rows import Fields
from datagen.schema import DOCUMENTS, content_id
from datagen.stages.shared.segment.blocks import first_heading
from datagen.stages.sources.ingest.decoding import normalise
from datagen.stages.sources.ingest.formats import KNOWN, Format, ending_of, format_of
from datagen.stages.sources.ingest.metadata import plain, written
from datagen.stages.sources.ingest.record import File, Record, too_large
from datagen.stages.sources.ingest.redact import Redaction, detect
from datagen.stages.sources.ingest.remedies import REMEDIES

DETAIL = 300  # maximum characters of the detail of a dropped row

# A row of the table of documents; the reason for its drop, and details; counts of redactions by kind; the
# number of its file in the task.
SCHEMA = pa.schema(
    [
        *DOCUMENTS,
        ("reason", pa.string()),
        ("detail", pa.string()),
        ("redacted", pa.map_(pa.string(), pa.int32())),
        ("file", pa.int32()),
    ]
)


def records(file: File, form: Format | None = None) -> Iterator[Record | File | Reject]:
    """
    Read a file; by default its format is determined from its name and content.

    Raises
    ------
    Reject
        If nothing of it can be read. A damaged file may raise any other exception, too.
    """
    form = form or format_of(file)
    if form is None:
        remedy = REMEDIES.get(ending_of(file.basename), f"known endings are {KNOWN}")
        raise Reject("unknown format", f"{file.basename}; {remedy}")
    for record in form.load()(file):
        yield _finished(record, file) if isinstance(record, Record) else record


def _finished(record: Record, file: File) -> Record:
    if len(record.text) > file.limits.document_bytes:
        raise too_large(file.limits)
    text = normalise(record.text)
    title = " ".join(normalise(record.title).split()) or first_heading(text) or file.stem
    return replace(record, text=text, title=title)


def rows(file: File, redact: Collection[str] = ()) -> Iterator[Fields]:
    """
    Read a file as rows of the table of documents; dropped rows have a `reason` and a `detail`.

    Parameters
    ----------
    file
        The file to read.
    redact
        Kinds of personal data and secrets to replace (`datagen.stages.sources.ingest.redact.KINDS`).

    Yields
    ------
    At least one row. No content of a file raises an exception.
    """
    for row in _rows(file, redact):
        yield row | {"detail": Redaction(redact).text(str(row["detail"]))} if row.get("detail") else row


def _rows(file: File, redact: Collection[str]) -> Iterator[Fields]:
    seen: set[int] = set()  # hashes of names, about 100 bytes a record
    members: dict[str, int] = {}
    count = 0
    if file.part_of:
        yield dropped(file, Reject("included in another file", f"its text is read with {file.part_of}"))
        return
    try:
        form = format_of(file)
        for record in records(file, form):
            count += 1
            if isinstance(record, File):
                yield from _rows(_named_apart(record, members), redact)
            elif isinstance(record, Reject):
                yield dropped(file, record)
            else:
                yield _row(record, file, form, seen, Redaction(redact))
    except Reject as why:
        yield dropped(file, why)
    except MemoryError:
        yield dropped(file, Reject("out of memory", f"after {count} records; see stages.ingest.memory_mb"))
    except RecursionError:
        yield dropped(file, Reject("unreadable file", f"after {count} records: nested too deep"))
    except Exception as error:  # libraries raise any exception on a file that they cannot read
        message = f"after {count} records: {type(error).__name__}: {error}"
        if not file.cut:
            yield dropped(file, Reject("unreadable file", message))
    else:
        if not count:
            yield dropped(file, Reject("empty document", "the file contains no record"))
    if file.cut:
        yield dropped(file, Reject("truncated file", f"{file.cut[0]}; {count} records precede that"))


def _named_apart(member: File, times: dict[str, int]) -> File:
    """Number a member whose name occurred before in its archive or message; `times` counts the names."""
    name = member.name
    folder = name[: len(name) - len(re.split("[/!]", name)[-1])]
    while name in times:
        times[member.name] += 1
        name = f"{folder}({times[member.name]})/{member.name[len(folder) :]}"
    times[name] = 1
    return replace(member, name=name)


def dropped(file: File, why: Reject) -> Fields:
    """Return the dropped row for a file or record that was not read."""
    return {
        "source": _valid(file.name),
        "reason": _valid(why.reason),
        "detail": _valid(why.detail[:DETAIL]),
    }


def _row(record: Record, file: File, form: Format | None, seen: set[int], redaction: Redaction) -> Fields:
    title, text = redaction.text(_valid(record.title)), redaction.text(_valid(record.text))
    metadata = redaction.fields(plain(record.metadata))
    source = file.name
    if record.name is not None:
        source += f"#{_public(record.name, form, redaction) or content_id(text)[:16]}"
    if record.name == "":
        metadata.setdefault("line", record.line)
    if redaction.counts:
        metadata["redacted"] = dict(redaction.counts)
    source = _valid(source)
    row: Fields = {
        "source": source,
        "title": title,
        "text": text,
        "format": form.name if form else "",
        "metadata": _valid(written(metadata | file.entry.constants)),
        "redacted": list(redaction.counts.items()),
    }
    row["id"] = content_id(source, text)
    why = _why_not(source, record, seen)
    return row | {"reason": why.reason, "detail": _valid(why.detail[:DETAIL])} if why else row


def _public(name: str, form: Format | None, redaction: Redaction) -> str:
    """Return a record's name, or its hash if the name is personal data; a Message-ID is not."""
    if form and form.name == "mail":
        return name
    return content_id(name)[:16] if detect(name, redaction.kinds) else name


def _why_not(source: str, record: Record, seen: set[int]) -> Reject | None:
    name = int(content_id(source)[:16], 16)
    if name in seen:
        reason = "duplicate source id" if record.name else "repeated"
        return Reject(reason, f"{source} occurs twice in its file, the second time in line {record.line}")
    seen.add(name)
    return None if record.text.strip() else Reject("empty document")


def _valid(text: str) -> str:
    """Replace lone surrogates, which are valid in JSON but not in UTF-8."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
