"""
Convert records with fields, such as JSON lines and table rows, to documents.

A field is named by its path: ``body``, ``meta.title``, or ``conversations.*.value`` for every value of a
list. A key that contains dots is found too.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from datagen.recipe.sections import Source
from datagen.request import Reject
from datagen.stages.sources.ingest.lines import REMEDY
from datagen.stages.sources.ingest.record import File, Record

KINDS = {
    "NoneType": "null",
    "bool": "true or false",
    "int": "a number",
    "float": "a number",
    "str": "a string",
    "list": "a list",
    "dict": "a mapping",
    "bytes": "a binary value that is not UTF-8",
}
NAMES_SHOWN = 12


def documents(rows: Iterable[tuple[int, object]], file: File) -> Iterator[Record | Reject]:
    """
    Convert numbered records to documents; a record without text becomes a `Reject` that names its location.

    Parameters
    ----------
    rows
        Line or row number, and the record: a mapping of fields, or a `Reject`.
    file
        The file that they were read from.
    """
    for number, fields in rows:
        yield fields if isinstance(fields, Reject) else _document(fields, number, file)


def documents_of_table(rows: Iterable[tuple[int, object]], file: File) -> Iterator[Record | Reject]:
    """
    Convert the rows of a table, which all have the same fields, to documents.

    A table without the text column is one `Reject`, which counts its rows, in place of one per row.

    Parameters
    ----------
    rows, file
        As for `documents`.
    """
    path = file.entry.path_of("text")
    remaining = iter(rows)
    for number, fields in remaining:
        if isinstance(fields, dict) and not {path, path.partition(".")[0]} & {*fields, "*"}:
            count = 1 + sum(1 for _ in remaining)
            yield _no_text(f"{file.name}, {count:,} row{'s' * (count > 1)}", file.entry, list(fields), [])
        else:
            yield from documents([(number, fields)], file)


def _document(fields: object, number: int, file: File) -> Record | Reject:
    """Convert a record to a document; fields other than text, title and id become metadata."""
    if not isinstance(fields, dict):
        return Reject("no text field", f"{file.name}:{number}: {_kind(fields)}, not a record of fields")
    entry, names = file.entry, list(fields)
    values = [_decoded(value, entry) for value in _take(fields, entry.path_of("text"))]
    texts = [text for text in values if isinstance(text, str)]
    if not values or len(texts) < len(values):
        return _no_text(f"{file.name}:{number}", entry, names, values)
    title = next((title for title in _take(fields, entry.path_of("title")) if isinstance(title, str)), "")
    name = next((name for name in _take(fields, entry.path_of("id")) if name is not None), None)
    for key, path in entry.fields.items():
        if key not in ("text", "title", "id"):
            values = _take(fields, path)
            fields[key] = values if "*" in path.split(".") else next(iter(values), None)
    return Record("\n\n".join(texts), title, "" if name is None else str(name), number, fields)


def _decoded(value: object, entry: Source) -> object:
    """Decode a binary value in the encoding that the recipe states."""
    if isinstance(value, bytes) and entry.encoding:
        with suppress(ValueError):
            return value.decode(entry.encoding)
    return value


def _take(fields: object, path: str) -> list[object]:
    """Remove the values at a path from a record and return them."""
    if isinstance(fields, dict) and path in fields:
        return [fields.pop(path)]
    first, _, rest = path.partition(".")
    parts = _parts(fields, first)
    if rest:
        return [value for _, part in parts for value in _take(part, rest)]
    if isinstance(fields, dict | list):
        for key, _ in reversed(parts):
            del fields[key]
    return [part for _, part in parts]


def has(fields: object, path: str) -> bool:
    """Check whether a record has a value at a path."""
    return bool(_values(fields, path))


def _values(fields: object, path: str) -> list[object]:
    """List the values at a path of a record."""
    if isinstance(fields, dict) and path in fields:
        return [fields[path]]
    first, _, rest = path.partition(".")
    values = [value for _, value in _parts(fields, first)]
    return [inner for value in values for inner in _values(value, rest)] if rest else values


def _parts(fields: object, name: str) -> list[tuple[Any, object]]:
    """List the keys of a record, or the indexes of a list, that match a part of a path, with their values."""
    if isinstance(fields, list):
        items = list(enumerate(fields))
        return items if name == "*" else [item for item in items if name.isdecimal() and item[0] == int(name)]
    if isinstance(fields, dict):
        return list(fields.items()) if name == "*" else [(name, fields[name])] if name in fields else []
    return []


def pop_text(fields: dict[str, object], name: str) -> str:
    """Remove a string field from a record and return it; "" if there is none."""
    return str(fields.pop(name)) if isinstance(fields.get(name), str) else ""


def _no_text(where: str, entry: Source, names: list[str], texts: list[object]) -> Reject:
    """Return the rejection of a record without the text field, which lists the fields that it has."""
    path = entry.path_of("text")
    odd = [text for text in texts if not isinstance(text, str)]
    problem = _kind(odd[0]) if odd else "absent"
    if odd and isinstance(odd[0], bytes):
        return Reject("no text field", f"{where}: {path!r} is {problem}. {REMEDY}")
    names = [str(name) for name in names]
    shown = ", ".join(names[:NAMES_SHOWN]) + (", ..." if len(names) > NAMES_SHOWN else "")
    return Reject(
        "no text field",
        f"{where}: {path!r} is {problem}; text_field: or fields: can name another field. "
        f"Its fields are {shown or 'none'}",
    )


def _kind(value: object) -> str:
    """Name the type of a value, in the words of JSON."""
    name = type(value).__name__
    return KINDS.get(name, f"a value of type {name}")
