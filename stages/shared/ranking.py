"""Which of several rows is the better one, where one must go: what dedup and select ask."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

# How sure we are of a row, the more telling number first. A score decides only between rows that have it.
SCORES = ("confidence", "bsdetector", "p_true", "logprob")


def scores(rows: pa.Table) -> dict[str, pa.ChunkedArray]:
    """Take a table's columns of scores; nulls where a stage that gives one has not run."""
    unknown = pa.chunked_array([pa.nulls(len(rows), pa.float64())])
    return {name: rows[name] if name in rows.column_names else unknown for name in SCORES}


def best_first(rows: pa.Table, *ties: tuple[str, str]) -> npt.NDArray[np.int64]:
    """
    Order rows by their scores, the best first, a row without a score after those with one.

    Parameters
    ----------
    rows
        Columns `SCORES` and those of `ties`.
    ties
        Column and direction ("ascending", "descending") that decide between equal scores, in turn.

    Returns
    -------
    Positions in `rows`, the best row's first.
    """
    keys = [(name, "descending") for name in SCORES]
    order = pc.sort_indices(rows, sort_keys=[*keys, *ties])
    result: npt.NDArray[np.int64] = order.to_numpy().astype(np.int64)
    return result


def confidence(score: dict[str, float | None]) -> str:
    """Say by which score a row was ranked, for the details of dropped rows."""
    told = (f"{name} {score[name]:.3g}" for name in SCORES if score[name] is not None)
    return next(told, "no score")


def hardest(measured: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Order rows by difficulty, the hardest below 1 first, the unmeasured last; list those of 1 or more."""
    order = np.argsort(-measured, kind="stable")  # NaN last
    of_use = ~(measured[order] >= 1)
    return order[of_use], np.sort(order[~of_use])
