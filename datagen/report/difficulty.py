"""
How hard the rows were before a filter and after it, so that a filter that prunes the hard is seen.

Validation tends to drop what is hard, and a model learns most from that. Wherever a stage drops examples,
the report shows of each measure of difficulty that the rows have how many there were and how many stayed.
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

# Column -> the end of it that is hard.
MEASURES = {"ifd": "high", "v_info": "low", "logprob": "low", "words": "high"}
BINS = 8


@dataclass(frozen=True)
class Shift:
    """
    The rows of a kind by one measure, before a filter and after.

    Parameters
    ----------
    kind, measure
        Which rows, and the column.
    hard
        ``high`` or ``low``: the end that is hard.
    edges
        Of the bins, one more than there are bins: before the filter each holds about as many rows.
    before, after
        Rows in each bin.
    """

    kind: str
    measure: str
    hard: str
    edges: tuple[float, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]

    @property
    def bins(self) -> list[tuple[float, float, int, int]]:
        """List the bins: from, to, rows before, rows after."""
        return list(zip(self.edges[:-1], self.edges[1:], self.before, self.after, strict=True))


def shifts(folder: Path) -> list[Shift]:
    """Compare what a stage kept with all that it had, for the kinds of examples of which it dropped some."""
    kept, dropped = _read(parts(folder)), _read(parts(folder / "dropped"))
    found = []
    for kind in KINDS:
        for measure, hard in MEASURES.items():
            after, gone = (_values(rows, kind, measure) for rows in (kept, dropped))
            before = np.concatenate([after, gone])
            edges = np.unique(np.quantile(before, np.linspace(0, 1, BINS + 1))) if len(gone) else before[:0]
            if len(edges) > 1:
                counts = (tuple(np.histogram(values, edges)[0].tolist()) for values in (before, after))
                found.append(Shift(kind, measure, hard, tuple(edges.tolist()), *counts))
    return found


def _read(paths: Sequence[Path]) -> pa.Table:
    tables = [read_part(path, ["kind", *MEASURES]) for path in paths]
    return pa.concat_tables(tables, promote_options="default") if tables else pa.table({"kind": []})


def _values(rows: pa.Table, kind: str, measure: str) -> npt.NDArray[np.float64]:
    if measure not in rows.column_names:
        return np.zeros(0)
    mine = rows[measure].filter(pc.equal(rows["kind"], kind)).cast(pa.float64())
    result: npt.NDArray[np.float64] = mine.drop_null().to_numpy()
    return result
