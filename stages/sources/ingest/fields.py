"""
Documents from records of fields, as JSON lines and tables hold them.

A field is named by its path: ``body``, ``meta.title``, or ``conversations.*.value`` for every value of a
list. A key that holds dots itself is found too.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from datagen.recipe.sections import Source
from datagen.request import Reject
from datagen.stages.sources.ingest.record import File, Record

NAMES_SHOWN = 12


def documents(rows: Iterable[tuple[int, Any]], file: File) -> Iterator[Record | Reject]:
    """
    Make documents of numbered records; what is not read as one becomes a `Reject` that names its place.

    Parameters
    ----------
    rows
        Line or row number, and the record: a mapping of fields, or a `Reject`.
    file
        What they were read from.
    """
    for number, fields in rows:
        yield fields if isinstance(fields, Reject) else _document(fields, number, file)


def _document(fields: Any, number: int, file: File) -> Record | Reject:
    """Make a document of fields; what is neither text, title nor id becomes metadata."""
    if not isinstance(fields, dict):
        return Reject("no text field", f"{file.name}:{number}: a {_kind(fields)}, not a record of fields")
    given, names = file.given, list(fields)
    texts = _take(fields, given.path_of("text"))
    if not texts or not all(isinstance(text, str) for text in texts):
        return _no_text(f"{file.name}:{number}", given, names, texts)
    title = next((title for title in _take(fields, given.path_of("title")) if isinstance(title, str)), "")
    name = next((name for name in _take(fields, given.path_of("id")) if name is not None), None)
    for key, path in given.fields.items():
        if key not in ("text", "title", "id"):
            values = _take(fields, path)
            fields[key] = values if "*" in path.split(".") else next(iter(values), None)
    return Record("\n\n".join(texts), title, "" if name is None else str(name), number, fields)


def _take(fields: Any, path: str) -> list[Any]:
    """Take the values at a path out of a record."""
    if isinstance(fields, dict) and path in fields:
        return [fields.pop(path)]
    first, _, rest = path.partition(".")
    keys = _keys(fields, first)
    if rest:
        return [value for key in keys for value in _take(fields[key], rest)]
    values = [fields[key] for key in keys]
    for key in reversed(keys):
        del fields[key]
    return values


def has(fields: Any, path: str) -> bool:
    """Tell whether a record has anything at a path."""
    return bool(_values(fields, path))


def _values(fields: Any, path: str) -> list[Any]:
    """List the values at a path of a record."""
    if isinstance(fields, dict) and path in fields:
        return [fields[path]]
    first, _, rest = path.partition(".")
    values = [fields[key] for key in _keys(fields, first)]
    return [found for value in values for found in _values(value, rest)] if rest else values


def _keys(fields: Any, part: str) -> list[Any]:
    """List the keys of a record, or the places in a list, that a part of a path names."""
    if isinstance(fields, list):
        places = range(len(fields))
        return (
            list(places) if part == "*" else [int(part)] if part.isdecimal() and int(part) in places else []
        )
    if isinstance(fields, dict):
        return list(fields) if part == "*" else [part] if part in fields else []
    return []


def pop_text(fields: dict[str, Any], name: str) -> str:
    """Take a text out of a record's fields; "" where there is none."""
    return str(fields.pop(name)) if isinstance(fields.get(name), str) else ""


def _no_text(where: str, given: Source, names: list[str], texts: list[Any]) -> Reject:
    """Say that a record has no text where the recipe looks for it, and what it has."""
    path = given.path_of("text")
    odd = next((text for text in texts if not isinstance(text, str)), None)
    seen = "absent" if odd is None else f"a {_kind(odd)}"
    names = [str(name) for name in names]
    shown = ", ".join(names[:NAMES_SHOWN]) + (", ..." if len(names) > NAMES_SHOWN else "")
    return Reject(
        "no text field",
        f"{where}: {path!r} is {seen}. Its fields are {shown or 'none'}; name the right one with text_field:",
    )


def _kind(value: Any) -> str:
    return {"dict": "mapping", "bytes": "binary value that is not UTF-8"}.get(
        type(value).__name__, type(value).__name__
    )
