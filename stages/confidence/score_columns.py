"""
Which rows a scoring stage asks a model about, and how their scores become columns.

Cheap scores come first: most rows are decided by one that costs nothing or a token, and `only_if` restricts
a model to the others. The rows that it excludes have a null score; they are not dropped.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, field_validator

import datagen.stage
from datagen.columns import Read, is_number
from datagen.errors import UserError
from datagen.rows import Row
from datagen.stage import Outcome

KINDS = ("instruction",)  # a refusal is supported by the probe, and a reading text has no answer

Band = tuple[float | None, float | None]


class Undecided(datagen.stage.Options):
    """The option shared by all stages that ask a model for a score."""

    only_if: dict[str, Band] = Field(
        {},
        description="Score only rows whose other scores lie within bounds, such as {logprob: [-2, -0.1]}; "
        "null: no bound. Rows without the other score are scored",
    )

    @field_validator("only_if")
    @classmethod
    def _ordered(cls, bands: dict[str, Band]) -> dict[str, Band]:
        for name, (low, high) in bands.items():
            if low is not None and high is not None and low > high:
                raise ValueError(f"{name}: [{low:g}, {high:g}] is empty; write the lower bound first")
        return bands

    def reads(self) -> list[Read]:
        """Return the scores that `only_if` names."""
        return [Read(name, ("only_if", name)) for name in self.only_if]


def undecided(rows: pa.Table, options: Undecided, *columns: str) -> list[Row]:
    """
    Select the rows to score: those within every band, bounds included, or without that score.

    `columns` are the fields to return of each row.

    Raises
    ------
    UserError
        When the table has no such score.
    """
    chosen = pa.chunked_array([pa.repeat(True, len(rows))])
    for name, (low, high) in options.only_if.items():
        if name not in rows.column_names or not is_number(rows[name].type):
            raise UserError(
                f"only_if: there is no score {name!r}. Put the stage that computes it before this one; "
                f"there are {', '.join(field.name for field in rows.schema if is_number(field.type))}"
            )
        for bound, beyond in ((low, pc.less), (high, pc.greater)):
            if bound is not None:
                chosen = pc.and_not(chosen, pc.fill_null(beyond(rows[name], bound), False))
    selected: list[Row] = rows.select(columns).filter(chosen).to_pylist()
    return selected


def scored(rows: pa.Table, scores: Mapping[str, Sequence[float | None] | npt.NDArray[np.float64]]) -> Outcome:
    """
    Add a column per score; no row is dropped. Values that are not finite become null.

    Raises
    ------
    UserError
        When the table already has a score of that name, possibly from another model.
    """
    for name, values in scores.items():
        if name in rows.column_names:
            raise UserError(f"the rows already have a score {name}; remove one of the stages that compute it")
        column = pa.array(values, pa.float64())
        rows = rows.append_column(name, pc.if_else(pc.is_finite(column), column, None))
    return Outcome.all_kept(rows)
