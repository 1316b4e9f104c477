"""
Limits of numeric columns, and the rows that break them.

A limit is a number, the name of a column with the limit of each row, or a share of the rows, which `curate`
converts to a number first.
"""

import re
from collections.abc import Iterator
from typing import Annotated, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import AfterValidator

from datagen.columns import is_number
from datagen.errors import UserError

SHARE = re.compile(r"(\d+(?:\.\d+)?)%")


def _share_or_column(limit: str) -> str:
    if not (SHARE.fullmatch(limit) or limit.isidentifier()):
        raise ValueError("use a number, a share of the rows such as 50%, or the name of a column")
    return limit


Limit: TypeAlias = float | Annotated[str, AfterValidator(_share_or_column)]
Limits: TypeAlias = dict[str, Limit]  # by kind or kind/task
Scores = npt.NDArray[np.float64]
LEARNT = "confidence"  # missing without labels: then its limit holds rows back instead of passing them
Resolved = dict[str, dict[str, Limits]]  # side -> column -> limits, without shares
Violation = tuple[str, str, npt.NDArray[np.int64], Scores | None]


def violations(rows: pa.Table, resolved: Resolved) -> Iterator[Violation]:
    """
    Iterate over the limits in order.

    Yields
    ------
    Side, column, places of the rows that break this limit but no earlier one, and the limit of each row; None
    for rows whose limit is unknown.
    """
    sound = pc.is_null(rows["flaw"]).to_numpy().copy()
    for side, columns in resolved.items():
        for column, limits in columns.items():
            numbers, (bounds, limited) = numbers_of(rows, column), _bounds(rows, limits)
            unknown = limited & (np.isnan(bounds) | (np.isnan(numbers) if column == LEARNT else False))
            beyond = (numbers < bounds if side == "min" else numbers > bounds) & ~unknown
            for mask, row_limits in ((unknown, None), (beyond, bounds)):
                yield side, column, np.flatnonzero(mask & sound), row_limits
                sound &= ~mask


def numbers_of(rows: pa.Table, column: str) -> Scores:
    """Return a numeric column, nan for null."""
    kinds = {name: rows.schema.field(name).type for name in rows.column_names}
    if column not in kinds or not is_number(kinds[column]):
        numbers = (name for name, kind in kinds.items() if pa.types.is_floating(kind))
        raise UserError(
            f"curate: there is no numeric column {column!r}; there are {', '.join(numbers)}. "
            "Put the stage that computes it before curate, or remove the limit"
        )
    return np.asarray(pc.cast(rows[column], pa.float64()).to_numpy())


def members_of(rows: pa.Table, name: str) -> npt.NDArray[np.bool_]:
    """Return which rows are of a kind, or a kind/task."""
    kind, _, task = name.partition("/")
    members = pc.equal(rows["kind"], kind)
    if task:
        members = pc.and_(members, pc.equal(rows["task"], task))
    return np.asarray(pc.fill_null(members, False).to_numpy())


def _bounds(rows: pa.Table, limits: Limits) -> tuple[Scores, npt.NDArray[np.bool_]]:
    """Return each row's limit (nan if it has none or it is unknown), and which rows should have one."""
    bounds, limited = np.full(len(rows), np.nan), np.zeros(len(rows), np.bool_)
    for name in sorted(limits, key=lambda name: "/" in name):
        members, limit = members_of(rows, name), limits[name]
        bounds[members] = numbers_of(rows, limit)[members] if isinstance(limit, str) else limit
        limited |= members
    return bounds, limited
