"""
JSON: each element of an array is a document; an object is one, also where several follow one another.

If an object has no text field but exactly one list of objects, such as ``{"version": 1, "data": [...]}``,
these are the documents, unless they are the turns of one chat.
"""

from collections.abc import Iterator

from datagen.outside_json import parse, parse_each
from datagen.request import Reject
from datagen.stages.sources.ingest import json_lines
from datagen.stages.sources.ingest.fields import documents, has
from datagen.stages.sources.ingest.record import File, Record


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
        lists = [part for part in value.values() if isinstance(part, list) and part]
        records = [part for part in lists if all(isinstance(element, dict) for element in part)]
        return records[0] if len(records) == 1 and not _is_chat(records[0], text) else [value]
    if isinstance(value, list):
        return [{text: element} if isinstance(element, str) else element for element in value]
    return [value]


def _is_chat(elements: list[dict[str, object]], text: str) -> bool:
    """Check whether a list is one chat: each element has the role of a turn, and none has the text field."""
    return all(("role" in turn or "from" in turn) and not has(turn, text) for turn in elements)
