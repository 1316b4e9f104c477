"""Rows of Arrow columns as Python values, whatever the columns hold."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from datagen.stages.sources.ingest.compression import grown, largest

ZONELESS = "UTC"  # in place of a time zone that is not known here


def rows_of(batches: Iterable[pa.RecordBatch], size: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """
    Number the rows of batches from 1; each is a mapping of column to value.

    Parameters
    ----------
    batches
        Of a file.
    size
        The bytes of that file.

    Raises
    ------
    Reject
        When its values take many times as much: a dictionary of one text may stand for any number of rows.
    """
    number, count, limit = 0, 0, largest(size)
    for batch in batches:
        count += sum(map(_bytes, batch.columns))
        if count > limit:
            raise grown(limit)
        columns = [_values(column) for column in batch.columns]
        names = _distinct(batch.schema.names)
        for values in zip(*columns, strict=True) if columns else ():
            number += 1
            yield number, dict(zip(names, values, strict=True))


def _bytes(column: pa.Array) -> int:
    """Count the bytes of a column's values, each as often as it occurs."""
    if pa.types.is_dictionary(column.type) and len(column.dictionary):
        return _bytes(column.dictionary) // len(column.dictionary) * len(column)
    return int(column.nbytes)


def _distinct(names: list[str]) -> list[str]:
    """Number columns that have the name of one before them: "a", "a (2)"; a mapping would keep the last."""
    seen = Counter[str]()
    distinct = []
    for name in names:
        seen[name] += 1
        distinct.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return distinct


def _values(column: pa.Array) -> list[Any]:
    """
    List a column's values.

    One value that Python cannot hold (a date after the year 9999, text that is no UTF-8) does not cost the
    others: it is written as text, or as bytes, by itself.
    """
    try:
        return [_text(value) for value in column.to_pylist()]
    except (ValueError, OverflowError, pa.ArrowException, KeyError):  # KeyError: a time zone's name
        return [_value(column, at) for at in range(len(column))]


def _value(column: pa.Array, at: int) -> Any:
    one = column.slice(at, 1)
    for form in (one.type, pa.binary(), pa.string()):
        try:
            (value,) = pc.cast(one, form).to_pylist()
            return _text(value)
        except (ValueError, OverflowError, pa.ArrowException, KeyError):
            continue
    return None


def _text(value: Any) -> Any:
    """Take bytes that are UTF-8 as text: several writers leave strings without their type."""
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return value
    return value
