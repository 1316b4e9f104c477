"""Number the rows of Arrow files."""

from collections.abc import Iterable, Iterator

import pyarrow as pa

from datagen.stages.shared.arrow_values import rows
from datagen.stages.sources.ingest.compression import grown, largest


def rows_of(batches: Iterable[pa.RecordBatch], size: int) -> Iterator[tuple[int, dict[str, object]]]:
    """
    Number the rows of batches from 1; each is a mapping of column to value.

    Parameters
    ----------
    batches
        The batches of a file.
    size
        Size of the file in bytes.

    Raises
    ------
    Reject
        If the values are many times as large: a dictionary column can repeat one text in any number of rows.
    """
    number, count, limit = 0, 0, largest(size)
    for batch in batches:
        count += sum(map(_bytes, batch.columns))
        if count > limit:
            raise grown(limit)
        for row in rows(batch):
            number += 1
            yield number, row


def _bytes(column: pa.Array) -> int:
    """Return the size of a column's values in bytes, counting each occurrence."""
    if pa.types.is_dictionary(column.type) and len(column.dictionary):
        return _bytes(column.dictionary) // len(column.dictionary) * len(column)
    return int(column.nbytes)
