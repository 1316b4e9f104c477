"""A mapping of titles to texts in a Python module: one document per entry."""

import importlib
from collections.abc import Iterator, Mapping

from datagen.errors import UserError
from datagen.request import Reject
from datagen.stages.shared.segment.blocks import first_heading
from datagen.stages.sources.ingest.record import File, Record


def read(file: File) -> Iterator[Record | Reject]:
    """Read the mapping's entries."""
    for key, text in find_mapping(file.entry.python).items():
        if isinstance(text, str):
            yield Record(text, first_heading(text.lstrip("\n")) or str(key), str(key))
        else:
            yield Reject("no text field", f"{file.name}#{key}: a {type(text).__name__}, not a text")


def find_mapping(where: str) -> Mapping[str, object]:
    """
    Import the mapping that ``module:attribute`` names.

    Raises
    ------
    UserError
        If there is none.
    """
    module, _, attribute = where.partition(":")
    try:
        mapping = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(
            f"corpus: python: {where!r} cannot be imported: {error}. "
            "Write module:attribute of an installed module"
        ) from error
    if not isinstance(mapping, Mapping):
        raise UserError(
            f"corpus: python: {where!r} is a {type(mapping).__name__}, not a mapping of titles to texts"
        )
    return mapping
