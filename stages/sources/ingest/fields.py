"""Documents from records of fields, as JSON lines and tables hold them."""

from collections.abc import Iterable, Iterator
from typing import Any

from datagen.errors import UserError
from datagen.request import Reject
from datagen.stages.sources.ingest.record import File, Record


def documents(rows: Iterable[tuple[int, dict[str, Any] | Reject]], file: File) -> Iterator[Record | Reject]:
    """
    Make documents of numbered records.

    Raises
    ------
    UserError
        When none of them has a text in the field that the recipe names.
    """
    count = texts = 0
    names: list[str] = []
    for number, fields in rows:
        count += 1
        if isinstance(fields, Reject):
            yield fields
            continue
        names = names or list(fields)
        record = _document(fields, number, file)
        texts += isinstance(record, Record)
        yield record
    if count and not texts:
        raise no_text_field(file, names)


def _document(fields: dict[str, Any], number: int, file: File) -> Record | Reject:
    """Make a document of fields; what is neither text, title nor id becomes metadata."""
    given = file.given
    text = fields.pop(given.text_field, None)
    if not isinstance(text, str):
        seen = "absent" if text is None else f"a {type(text).__name__}"
        return Reject("no text field", f"{file.name}:{number}: {given.text_field} is {seen}")
    title = pop_text(fields, given.title_field)
    name = fields.pop(given.id_field, None)
    return Record(text, title, "" if name is None else str(name), number, fields)


def pop_text(fields: dict[str, Any], name: str) -> str:
    """Take a text out of a record's fields; "" where there is none."""
    return str(fields.pop(name)) if isinstance(fields.get(name), str) else ""


def no_text_field(file: File, names: list[str]) -> UserError:
    """Say that no record of a file has a text, and which fields there are."""
    seen = f"Its fields are {', '.join(names)}" if names else "None of its lines is a JSON object"
    return UserError(
        f"corpus: path: {file.given.path!r}: no record of {file.name} has a text in the field "
        f"{file.given.text_field!r}. {seen}; name the right one with text_field:"
    )
