"""
The table as a score sees it: which rows a model is asked about, and where their scores go.

The cheap score comes first: most rows are settled by one that costs nothing or a token, and `only_if` asks a
model about the others alone. The rows that it leaves out have no score of that name; nothing is decided
about them here.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, field_validator

import datagen.stage
from datagen.errors import UserError
from datagen.stage import Outcome

KINDS = ("instruction",)  # a refusal's evidence is the probe, and a reading text has no answer

Band = tuple[float | None, float | None]


class Undecided(datagen.stage.Options):
    """The option that all stages have that ask a model for a score."""

    only_if: dict[str, Band] = Field(
        {},
        description="Ask only about rows whose other scores lie in bounds, such as {logprob: [-2, -0.1]}; "
        "null: no bound. A row that lacks the score is asked about",
    )

    @field_validator("only_if")
    @classmethod
    def _ordered(cls, bands: dict[str, Band]) -> dict[str, Band]:
        for name, (low, high) in bands.items():
            if low is not None and high is not None and low > high:
                raise ValueError(f"{name}: [{low:g}, {high:g}] holds nothing; write the lower bound first")
        return bands


def undecided(rows: pa.Table, options: Undecided, *columns: str) -> list[dict[str, Any]]:
    """
    Take the rows to ask about: those that lie within every band, bounds included, or have no such score.

    `columns` are what is taken of each row.

    Raises
    ------
    UserError
        When the table has no such score.
    """
    chosen = pa.chunked_array([pa.repeat(True, len(rows))])
    for name, (low, high) in options.only_if.items():
        if name not in rows.column_names or not _is_number(rows[name].type):
            raise UserError(
                f"only_if: there is no score {name!r}. Put the stage that gives it before this one; "
                f"there are {', '.join(one for one in rows.column_names if _is_number(rows[one].type))}"
            )
        for bound, beyond in ((low, pc.less), (high, pc.greater)):
            if bound is not None:
                chosen = pc.and_not(chosen, pc.fill_null(beyond(rows[name], bound), False))
    result: list[dict[str, Any]] = rows.select(columns).filter(chosen).to_pylist()
    return result


def scored(rows: pa.Table, scores: Mapping[str, Sequence[float | None] | npt.NDArray[np.float64]]) -> Outcome:
    """
    Add a column a score; every row stays. What is not finite is null: no score.

    Raises
    ------
    UserError
        When a score of that name is there already, which another model may have given.
    """
    for name, values in scores.items():
        if name in rows.column_names:
            raise UserError(f"the rows have a score {name} already; leave out one of the stages that give it")
        given = pa.array(values, pa.float64())
        rows = rows.append_column(name, pc.if_else(pc.is_finite(given), given, None))
    return Outcome.all_kept(rows)


def _is_number(kind: pa.DataType) -> bool:
    result: bool = pa.types.is_floating(kind) or pa.types.is_integer(kind)
    return result
