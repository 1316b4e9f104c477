"""Rank rows by quality, for dedup and select."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

# Scores of a row's quality, the most informative first. A score ranks only rows that have it.
SCORES = ("confidence", "bsdetector", "p_true", "logprob")


def scores(rows: pa.Table) -> dict[str, pa.ChunkedArray]:
    """Return a table's score columns; null where the stage that adds one has not run."""
    unknown = pa.chunked_array([pa.nulls(len(rows), pa.float64())])
    return {name: rows[name] if name in rows.column_names else unknown for name in SCORES}


def best_first(rows: pa.Table, *ties: tuple[str, str]) -> npt.NDArray[np.int64]:
    """
    Order rows by their scores, best first; rows without a score come after those with one.

    Parameters
    ----------
    rows
        Must have the columns `SCORES` and those of `ties`.
    ties
        Columns and directions ("ascending", "descending") to break ties with, in order.

    Returns
    -------
    Indices of `rows`, best row first.
    """
    keys = [(name, "descending") for name in SCORES]
    order = pc.sort_indices(rows, sort_keys=[*keys, *ties])
    result: npt.NDArray[np.int64] = order.to_numpy().astype(np.int64)
    return result


def confidence(score: dict[str, float | None]) -> str:
    """Return the score by which a row was ranked, for the details of dropped rows."""
    available = (f"{name} {score[name]:.3g}" for name in SCORES if score[name] is not None)
    return next(available, "no score")


def hardest(measured: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Order rows by difficulty below 1, hardest first, unmeasured last; also list the rows of 1 or more."""
    order = np.argsort(-measured, kind="stable")  # NaN last
    below = ~(measured[order] >= 1)
    return order[below], np.sort(order[~below])
