"""
JSON: each element of an array is a document; an object is one, also where several follow one another.

An object without the text field may wrap records that have it, ``{"status": "ok", "data": {"items": []}}``,
and each record may be wrapped, ``{"node": {...}}``. They are the documents where that is clear (`_find`).
"""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import TypeGuard

from datagen.outside_json import SPACE_OR_COMMA, parse, parse_each
from datagen.request import Reject
from datagen.stages.sources.ingest import json_lines
from datagen.stages.sources.ingest.fields import documents, has
from datagen.stages.sources.ingest.record import File, Record

MAX_LEVELS = 5  # of objects around the records
SEVERAL_LINES = re.compile(r"^[ \t]+\S|[{\[:,][ \t\r]*$", re.MULTILINE)
MAX_SHORT = 200  # characters of a string that is no text


def read(file: File) -> Iterator[Record | Reject]:
    """Read the file's documents."""
    yield from documents(records(file, are_wrapped=True), file)


def records(file: File, are_wrapped: bool = False) -> Iterator[tuple[int, object]]:
    """
    Read the objects of the file, numbered from 1; the file may also hold JSON lines.

    Parameters
    ----------
    file
        The file.
    are_wrapped
        Look for the records with the text field within others (`_find`); pairs have no such field.
    """
    text, _ = file.text()
    split = partial(_records, text=file.entry.path_of("text"), are_wrapped=are_wrapped)
    try:
        value = parse(text)
    except ValueError as error:
        if _is_lines(text):
            yield from json_lines.records(file)
            return
        found = _of_cut_array(text) if file.cut else []
        yield from enumerate(split(found) or _following(text, file, split, error), start=1)
        return
    yield from enumerate(split(value), start=1)


def _following(
    text: str, file: File, split: Callable[[object], list[object]], error: ValueError
) -> Iterator[object]:
    """Read the objects that follow one another, `split` each; `error` is why the text is not one value."""
    count = 0
    try:
        for value in parse_each(text.lstrip()):
            if not isinstance(value, dict):
                raise error
            yield from split(value)
            count += 1
        if not count:
            raise error
    except ValueError as why:
        read = f"after {count:,} objects: " if count else ""
        yield Reject("bad json", f"{file.name}: {read}{why if count else error}")


def _of_cut_array(text: str) -> list[object]:
    """Read the elements of an array that ends early, as compressed data do."""
    begin = text.find("[") + 1
    if text[: max(0, begin - 1)].strip():
        return []
    found: list[object] = []
    with suppress(ValueError):
        for element in parse_each(text[begin:].lstrip(), SPACE_OR_COMMA):
            found.append(element)  # those before an error, too
    return found


def _is_lines(text: str) -> bool:
    """
    Check whether a text is JSON lines, often named .json.

    Its first line is an object; and the text is not objects that follow one another, of which later ones have
    several lines, as lines that are indented or end in the middle of a value show.
    """
    text = text.lstrip()
    with suppress(ValueError):
        if isinstance(parse(text.partition("\n")[0]), dict):
            return not (SEVERAL_LINES.search(text) and _are_objects(text))
    return False


def _are_objects(text: str) -> bool:
    with suppress(ValueError):
        return all(isinstance(value, dict) for value in parse_each(text))
    return False


def _records(value: object, text: str, are_wrapped: bool) -> list[object]:
    if isinstance(value, list):
        elements = [{text: element} if isinstance(element, str) else element for element in value]
        return [_unwrapped(element, text) for element in elements] if are_wrapped else elements
    if not isinstance(value, dict) or has(value, text):
        return [value]
    found = _find(value, text) if are_wrapped else None
    if found is not None:
        return found if isinstance(found, list) else [found]
    lists = [part for part in value.values() if _is_records(part)]
    if len(lists) != 1 or _is_chat(lists[0]):
        return [value]
    is_unclear = are_wrapped and any(has(record, text) for record in lists[0])
    return [value] if is_unclear else list[object](lists[0])


def _find(value: object, text: str, level: int = 0) -> dict[str, object] | list[object] | None:
    """
    Find the record, or the list of records, with the text field that a value is or wraps.

    Returns
    -------
    None if there is none, or if it is not clear: another value has a record, too, or a longer string, which
    may be the text under another name; or a single record is beside a list. A single record is returned with
    the other values of the objects around it.
    """
    if isinstance(value, list):
        records = [_unwrapped(element, text, level) for element in value]
        return records if any(has(record, text) for record in records) else None
    if not isinstance(value, dict):
        return None
    if has(value, text):
        return value
    if level == MAX_LEVELS:
        return None
    found = {key: inner for key, part in value.items() if (inner := _find(part, text, level + 1)) is not None}
    if len(found) != 1:
        return None
    (inner,) = found.values()
    others = {key: part for key, part in value.items() if key not in found}
    if _longest(others) > max(MAX_SHORT, _longest(inner)):
        return None
    if isinstance(inner, list):
        return inner
    return None if any(map(_is_records, others.values())) else others | inner


def _unwrapped(record: object, text: str, level: int = 0) -> object:
    """Remove the objects around a record but keep their other values: ``{"_id": 1, "_source": {...}}``."""
    inner = _find(record, text, level) if isinstance(record, dict) else None
    return inner if isinstance(inner, dict) else record


def _longest(value: object) -> int:
    """Return the length of the longest string in a value."""
    longest, values = 0, [value]
    while values:
        part = values.pop()
        if isinstance(part, str):
            longest = max(longest, len(part))
        elif isinstance(part, dict | list):
            values += part.values() if isinstance(part, dict) else part
    return longest


def _is_records(value: object) -> TypeGuard[list[dict[str, object]]]:
    """Check for a list of objects that is not empty."""
    return isinstance(value, list) and bool(value) and all(isinstance(part, dict) for part in value)


def _is_chat(elements: list[dict[str, object]]) -> bool:
    """Check whether a list is one chat: each element has the role of a turn."""
    return all("role" in turn or "from" in turn for turn in elements)
