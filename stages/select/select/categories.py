"""
The categories that selection by entropy balances.

A category is a column of the rows, a field of one such as ``lineage.source``, or one of two that are derived:

* ``opening``: the first two words of the question, usually a verb or a question word with its object;
* ``position``: the tenth of the document in which the row's passage begins. A document counts as far as its
  rows reach, because rows do not hold its length.
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datagen.errors import UserError
from datagen.stage import Context
from datagen.stages.shared.language.words import words_of

OPENING, POSITION = "opening", "position"
PLACE = ("document_id", "start", "end")  # fields of the lineage that the position is computed from
TENTHS = 10
WORDS = 2  # of an opening

Column: TypeAlias = pa.Array | pa.ChunkedArray


def columns_for(categories: Sequence[str]) -> list[str]:
    """List the columns of the rows that some categories are read from."""
    derived = {OPENING: "question", POSITION: "lineage"}
    return list(dict.fromkeys(derived.get(name, name.partition(".")[0]) for name in categories))


def labels(table: pa.Table, categories: Sequence[str], context: Context) -> dict[str, Column]:
    """
    Read the categories of a partition as text.

    Positions need all partitions: in their place are the columns that `with_positions` computes them from.

    Raises
    ------
    UserError
        If there is no such column or field.
    """
    read: dict[str, Column] = {}
    for name in categories:
        if name == OPENING:
            read[name] = _openings(table["question"])
        elif name == POSITION:
            lineage = table["lineage"]
            read |= {f"{POSITION} {field}": pc.struct_field(lineage, field) for field in PLACE}
        else:
            read[name] = _text(table, name, context)
    return read


def with_positions(rows: pa.Table) -> pa.Table:
    """Add the positions, computed from the columns of `PLACE`."""
    document, start, end = (rows[f"{POSITION} {field}"] for field in PLACE)
    ends = pa.table({"document": document, "end": end}).group_by("document").aggregate([("end", "max")])
    places = pc.index_in(document, value_set=ends["document"].combine_chunks())
    length = pc.fill_null(pc.take(ends["end_max"], places), 0).to_numpy()
    known = pc.is_valid(start).to_numpy()
    tenths = pc.fill_null(start, 0).to_numpy() * TENTHS // np.maximum(length, 1)
    text = pa.array(np.minimum(tenths, TENTHS - 1), mask=~known).cast(pa.string())
    return rows.append_column(POSITION, text)


def _openings(questions: pa.ChunkedArray) -> pa.Array:
    return pa.array(
        [None if text is None else " ".join(words_of(text)[:WORDS]) for text in questions.to_pylist()],
        pa.string(),
    )


def _text(table: pa.Table, name: str, context: Context) -> Column:
    column, *fields = name.split(".")
    try:
        values = pc.struct_field(table[column], fields) if fields else table[column]
        return values.cast(pa.string())
    except (KeyError, pa.ArrowException) as error:
        raise UserError(
            f"{context.stage}.categories: {name} cannot be read as a category: {error}. Use opening, "
            "position, a column of the examples, such as task, or a field of lineage, such as lineage.source"
        ) from error
