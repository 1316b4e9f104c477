"""The order of training by difficulty: the level of each row."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datagen.errors import UserError
from datagen.stage import Partitions

LEVELS = 10


def levels(partitions: Partitions, column: str) -> np.ndarray:
    """
    Return each row's decile of difficulty, from 0; rows without difficulty, such as texts, get 0.

    Raises
    ------
    UserError
        If no row has the column.
    """
    values, has_column = [], False
    for table in partitions.columns(["id", column]):
        if column not in table.column_names:
            values.append(np.full(len(table), np.nan))  # replayed rows have no scores
            continue
        has_column = True
        values.append(pc.fill_null(table[column].cast(pa.float64()), np.nan).to_numpy())
    if values and not has_column:
        raise UserError(
            f"mix.difficulty: the rows have no column {column!r}; add the stage difficulty, or "
            "set another column"
        )
    difficulty = np.concatenate([np.zeros(0), *values])
    measured = difficulty[~np.isnan(difficulty)]
    bounds = np.quantile(measured, np.arange(1, LEVELS) / LEVELS) if len(measured) else []
    return np.where(np.isnan(difficulty), 0, np.searchsorted(bounds, difficulty))
