"""Convert rows of Arrow columns to Python values, for any type of column."""

from collections import Counter
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

ZONELESS = "UTC"  # in place of an unknown time zone
# What converting a value raises; KeyError and ArrowException: of a time zone's name.
UNREPRESENTABLE = (ValueError, OverflowError, pa.ArrowException, KeyError)


def rows(batch: pa.RecordBatch) -> Iterator[dict[str, object]]:
    """
    Yield the rows of a batch, each as a mapping of column to value.

    Columns with equal names are numbered. A value that Python cannot represent affects no other.
    """
    columns = [_values(column) for column in batch.columns]
    names = _distinct(batch.schema.names)
    for values in zip(*columns, strict=True) if columns else ():
        yield dict(zip(names, values, strict=True))


def _distinct(names: list[str]) -> list[str]:
    """Number columns with equal names ("a", "a (2)"), because a mapping would keep only the last."""
    counts, taken = Counter[str](), set(names)  # "a (2)" may be the name of a column, too
    distinct = []
    for name in names:
        counts[name] += 1
        new = name
        while counts[name] > 1 and (new := f"{name} ({counts[name]})") in taken:
            counts[name] += 1
        taken.add(new)
        distinct.append(new)
    return distinct


def _values(column: pa.Array) -> list[object]:
    """
    List a column's values.

    A value that Python cannot represent (a date after the year 9999, a time in an unknown zone, text that is
    not UTF-8) is converted to text, a time in UTC or bytes, without affecting the others.
    """
    try:
        return [_text(value) for value in column.to_pylist()]
    except UNREPRESENTABLE:
        return [_value(column.slice(at, 1)) for at in range(len(column))]


def _value(cell: pa.Array) -> object:
    """Convert an array of one value; within a list or mapping, each value by itself."""
    try:
        return _text(cell.to_pylist()[0])
    except UNREPRESENTABLE:
        kind = cell.type
    if pa.types.is_struct(kind):
        parts = zip(_distinct([field.name for field in kind]), cell.flatten(), strict=True)
        return {name: _value(part) for name, part in parts}
    if pa.types.is_dictionary(kind):
        return _value(cell.dictionary_decode())
    if pa.types.is_map(kind):
        entries = pa.StructArray.from_arrays([cell.keys, cell.items], ["key", "value"])
        offset, end = cell.offsets[0].as_py(), cell.offsets[1].as_py()
        return [_value(entries.slice(at, 1)) for at in range(offset, end)]
    if pa.types.is_nested(kind) and not pa.types.is_union(kind):
        parts = cell.flatten()
        return [_value(parts.slice(at, 1)) for at in range(len(parts))]
    zoneless = [pa.timestamp(kind.unit, ZONELESS)] if pa.types.is_timestamp(kind) and kind.tz else []
    for other in (*zoneless, pa.binary(), pa.string()):
        try:
            return _text(pc.cast(cell, other).to_pylist()[0])
        except UNREPRESENTABLE:
            continue
    return f"<not representable: {kind}>"


def _text(value: object) -> object:
    """Decode bytes that are UTF-8, because several writers store strings as bytes."""
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return value
    return value
