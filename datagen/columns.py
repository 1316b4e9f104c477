"""
The columns that a stage adds to its rows and those that it reads, besides the columns of the row's kind.

A stage declares them (`columns` in `datagen.stage`), so recipes that name a column which no stage makes
are rejected before the first request (`datagen.recipe.columns`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

NONE = pa.schema([])


@dataclass(frozen=True)
class Read:
    """
    A column that a stage reads.

    Parameters
    ----------
    column
        Its name.
    option
        Path of keys of the option that names it; empty if the stage always reads it.
    number
        Whether it must be a number.
    """

    column: str
    option: tuple[str, ...] = ()
    number: bool = True


@dataclass(frozen=True)
class Columns:
    """What a stage reads, and the columns that it adds."""

    reads: Sequence[Read] = ()
    makes: pa.Schema = NONE


def scores(*names: str) -> pa.Schema:
    """Return the schema of some columns of scores."""
    return pa.schema([(name, pa.float64()) for name in names])


def is_number(kind: pa.DataType) -> bool:
    """Return whether a column of this type has numbers."""
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))
