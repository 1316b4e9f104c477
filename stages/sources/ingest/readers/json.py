"""
JSON: each element of an array is a document; an object is one, also where several follow one another.

If an object has no text field but exactly one list of objects, such as ``{"version": 1, "data": [...]}``,
these are the documents, unless they are the turns of one chat. Answers of servers wrap records in objects of
short values: ``{"status": "ok", "result": {"items": [...]}}``, and each record in ``{"node": {...}}``.
"""

from collections.abc import Iterator

from datagen.outside_json import parse, parse_each
from datagen.request import Reject
from datagen.stages.sources.ingest import json_lines
from datagen.stages.sources.ingest.fields import documents, has
from datagen.stages.sources.ingest.record import File, Record

MAX_LEVELS = 3  # of objects around the records
MAX_SHORT = 200  # characters of a value beside them


def read(file: File) -> Iterator[Record | Reject]:
    """Read the file's documents."""
    yield from documents(records(file), file)


def records(file: File) -> Iterator[tuple[int, object]]:
    """Read the objects of the file, numbered from 1; the file may also hold JSON lines."""
    text, _ = file.text()
    try:
        value = parse(text)
    except ValueError as error:
        if _is_lines(text):
            yield from json_lines.records(file)
            return
        yield from enumerate(_following(text, file, error), start=1)
        return
    yield from enumerate(_records(value, file.entry.path_of("text")), start=1)


def _following(text: str, file: File, error: ValueError) -> Iterator[object]:
    """Read the objects that follow one another; `error` is why the text is not one value."""
    count = 0
    try:
        for value in parse_each(text.lstrip()):
            if not isinstance(value, dict):
                raise error
            yield from _records(value, file.entry.path_of("text"))
            count += 1
        if not count:
            raise error
    except ValueError as why:
        read = f"after {count:,} objects: " if count else ""
        yield Reject("bad json", f"{file.name}: {read}{why if count else error}")


def _is_lines(text: str) -> bool:
    """Check whether a text is JSON lines, often named .json: its first line is an object."""
    try:
        return isinstance(parse(text.lstrip().partition("\n")[0]), dict)
    except ValueError:
        return False


def _records(value: object, text: str) -> list[object]:
    if isinstance(value, dict) and not has(value, text):
        if (wrapped := _wrapped(value, text)) is not None:
            return wrapped
        lists = [part for part in value.values() if isinstance(part, list) and part]
        records = [part for part in lists if all(isinstance(element, dict) for element in part)]
        return records[0] if len(records) == 1 and not _is_chat(records[0], text) else [value]
    if isinstance(value, list):
        elements = [{text: element} if isinstance(element, str) else element for element in value]
        return _unwrapped(elements, text)
    return [value]


def _wrapped(value: object, text: str, level: int = 0) -> list[object] | None:
    """Return the records with the text field that are wrapped in a value, or None if there are none."""
    if has(value, text):
        return [value]
    if isinstance(value, list):
        records = _unwrapped(value, text)
        return records if any(has(record, text) for record in records) else None
    if not isinstance(value, dict) or level == MAX_LEVELS or _is_long(value):
        return None
    found = [inner for part in value.values() if (inner := _wrapped(part, text, level + 1)) is not None]
    return found[0] if len(found) == 1 else None


def _unwrapped(records: list[object], text: str) -> list[object]:
    """Remove the object around each record but keep its other values: ``{"_id": 1, "_source": {...}}``."""
    unwrapped = []
    for record in records:
        if isinstance(record, dict) and not has(record, text) and not _is_long(record):
            inner = [part for part in record.values() if isinstance(part, dict) and has(part, text)]
            if len(inner) == 1:
                others = {key: part for key, part in record.items() if part is not inner[0]}
                record = others | inner[0]
        unwrapped.append(record)
    return unwrapped


def _is_long(fields: dict[str, object]) -> bool:
    """Check for a long string, which may be the text under another name."""
    return any(isinstance(part, str) and len(part) > MAX_SHORT for part in fields.values())


def _is_chat(elements: list[dict[str, object]], text: str) -> bool:
    """Check whether a list is one chat: each element has the role of a turn, and none has the text field."""
    return all(("role" in turn or "from" in turn) and not has(turn, text) for turn in elements)
