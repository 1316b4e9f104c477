"""
Whether a weak model finds the same rows hard as a stronger one.

Li et al. (arXiv 2402.00530) find the two highly consistent; here that is measured.
Two columns are compared over the rows that have both, such as the difficulty that a small model measured of
all rows and that of a sample by the target. ``comparison.json`` beside the table has

* ``spearman``: the correlation of their ranks, equal values sharing theirs;
* ``overlap``: of the rows that the stronger would have `select` keep, how many the weaker would, too. A draw
  comes to `share`.

Nothing is decided here; every row stays.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import Field

import datagen.stage
from datagen.errors import UserError
from datagen.schema import fraction
from datagen.stage import Context, Outcome, Partitions, WholeStage
from datagen.stages.confidence.calibrate.curves import Floats, ranks
from datagen.stages.confidence.score_columns import KINDS
from datagen.stages.shared.ranking import hardest
from datagen.store.parquet import write_json


class Options(datagen.stage.Options):
    """What is compared."""

    weak: str = Field("ifd_ppl", description="Column of the weak model")
    strong: str = Field("ifd_ppl_strong", description="Column of the stronger one")
    share: float = Field(
        0.1, gt=0, le=1, description="Share of the compared rows that each would keep, rounded up"
    )


def run(partitions: Partitions, options: Options, context: Context) -> Iterator[None]:
    """Compare the columns; there is nothing to say of a partition."""
    seed = str(context.seed)
    draws, parts = [np.empty(0)], [np.empty((0, 2))]
    for table in partitions.columns(["id", options.weak, options.strong]):
        for name in (options.weak, options.strong):
            if name not in table.column_names:
                raise UserError(
                    f"stages.{context.stage}: there is no score {name!r}; put the stages that measure both "
                    "before this one"
                )
        values = [table[name].cast(pa.float64()).fill_null(np.nan) for name in (options.weak, options.strong)]
        both = np.stack([column.to_numpy() for column in values], axis=1)
        known = ~np.isnan(both).any(axis=1)
        ids = table["id"].filter(pa.array(known)).to_pylist()
        draws.append(np.array([fraction("select", seed, row) for row in ids], np.float64))
        parts.append(both[known])
    weak, strong = np.concatenate(parts)[np.argsort(np.concatenate(draws), kind="stable")].T
    if len(weak) and np.array_equal(weak, strong):
        raise UserError(
            f"stages.{context.stage}: {options.weak} and {options.strong} are the same, so one model "
            "measured both; give one of the stages that measure a role with another model"
        )
    found = compare(weak, strong, options.share)
    write_json({"weak": options.weak, "strong": options.strong} | found, context.output / "comparison.json")
    yield from [None] * len(partitions)


def compare(weak: Floats, strong: Floats, share: float) -> dict[str, Any]:
    """
    Compare two measures of the same rows, which come in the order in which `select` draws among equals.

    Returns
    -------
    ``rows``, ``spearman``, ``share``; ``kept`` by the stronger, ``by_both``, and their ratio, ``overlap``.
    None where there is no such number.
    """
    most = math.ceil(round(share * len(weak), 9))
    chosen = [set(hardest(values)[0][:most].tolist()) for values in (weak, strong)]
    both, kept = len(chosen[0] & chosen[1]), len(chosen[1])
    return {
        "rows": len(weak),
        "spearman": spearman(weak, strong),
        "share": share,
        "kept": kept,
        "by_both": both,
        "overlap": both / kept if kept else None,
    }


def spearman(one: Floats, other: Floats) -> float | None:
    """Correlate the ranks of two measures; None where all values of one are equal."""
    if len(one) == 0 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return None
    return float(np.corrcoef(ranks(one), ranks(other))[0, 1])


def apply(rows: pa.Table, said: None, options: Options, context: Context) -> Outcome:
    """Keep every row."""
    return Outcome.all_kept(rows)


stage = WholeStage(
    name="compare_difficulty",
    summary="compare the difficulty that a weak model measured with a stronger one's",
    takes="examples",
    gives="examples",
    run=run,
    apply=apply,
    options=Options,
    kinds=KINDS,
)
