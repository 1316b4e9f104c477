"""
Difficulty of rows before and after a filter, to reveal filters that remove hard rows.

Validation tends to drop hard examples, from which a model learns most. For each stage that drops examples,
the report shows the distribution of every available difficulty measure before and after it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from datagen.schema import KINDS
from datagen.store.parquet import parts, read_part

# Column -> the end of its range with hard rows.
MEASURES = {"ifd": "high", "v_info": "low", "logprob": "low", "words": "high"}
BINS = 8


@dataclass(frozen=True)
class Shift:
    """
    Histogram of one measure over the rows of a kind, before and after a filter.

    Parameters
    ----------
    kind, measure
        Kind of example, and the column.
    hard
        ``high`` or ``low``: the hard end.
    edges
        Edges of the bins. Before the filter, bins hold about equal numbers of rows.
    before, after
        Rows per bin.
    """

    kind: str
    measure: str
    hard: str
    edges: tuple[float, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]

    @property
    def bins(self) -> list[tuple[float, float, int, int]]:
        """List the bins: lower edge, upper edge, rows before, rows after."""
        return list(zip(self.edges[:-1], self.edges[1:], self.before, self.after, strict=True))


def shifts(folder: Path) -> list[Shift]:
    """Compare the kept rows of a stage with all its rows, for each kind with dropped rows."""
    kept, dropped = _read(parts(folder)), _read(parts(folder / "dropped"))
    result = []
    for kind in KINDS:
        for measure, hard in MEASURES.items():
            after, removed = (_values(rows, kind, measure) for rows in (kept, dropped))
            before = np.concatenate([after, removed])
            edges = (
                np.unique(np.quantile(before, np.linspace(0, 1, BINS + 1))) if len(removed) else before[:0]
            )
            if len(edges) > 1:
                counts = (tuple(np.histogram(values, edges)[0].tolist()) for values in (before, after))
                result.append(Shift(kind, measure, hard, tuple(edges.tolist()), *counts))
    return result


def _read(paths: Sequence[Path]) -> pa.Table:
    tables = [read_part(path, ["kind", *MEASURES]) for path in paths]
    return pa.concat_tables(tables, promote_options="default") if tables else pa.table({"kind": []})


def _values(rows: pa.Table, kind: str, measure: str) -> npt.NDArray[np.float64]:
    if measure not in rows.column_names:
        return np.zeros(0)
    values = rows[measure].filter(pc.equal(rows["kind"], kind)).cast(pa.float64())
    return np.asarray(values.drop_null().to_numpy(), np.float64)
