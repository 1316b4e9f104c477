"""
Measure whether a weak model finds the same rows hard as a stronger one.

Li et al. (arXiv 2402.00530) find the two highly consistent; this stage measures it. It compares two columns
over the rows that have both, such as the difficulty that a small model measured for all rows and the target
for a sample. ``comparison.json`` next to the table has

* ``spearman``: the rank correlation, with shared ranks for ties;
* ``overlap``: of the rows that `select` would keep by the stronger score, the share that it would also keep
  by the weaker one. Random selection yields `share`.

No row is dropped.
"""

import math
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from pydantic import Field

import datagen.stage
from datagen.errors import UserError
from datagen.json_types import JsonObject
from datagen.schema import fraction
from datagen.stage import Columns, Context, Partitions, Read, WholeStage, keep_all
from datagen.stages.confidence.calibrate.curves import Floats, ranks
from datagen.stages.confidence.score_columns import KINDS
from datagen.stages.shared.ranking import hardest
from datagen.store.parquet import write_json


class Options(datagen.stage.Options):
    """The columns to compare."""

    weak: str = Field("ifd_ppl", description="Column of the weak model")
    strong: str = Field("ifd_ppl_strong", description="Column of the stronger one")
    share: float = Field(
        0.1, gt=0, le=1, description="Share of the compared rows that each score would keep, rounded up"
    )


def run(partitions: Partitions, options: Options, context: Context) -> Iterator[None]:
    """Compare the columns; partitions need no result."""
    seed = str(context.seed)
    draws, parts = [np.empty(0)], [np.empty((0, 2))]
    for table in partitions.columns(["id", options.weak, options.strong]):
        for name in (options.weak, options.strong):
            if name not in table.column_names:
                raise UserError(
                    f"stages.{context.stage}: there is no score {name!r}; put the stages that measure both "
                    "scores before this one"
                )
        values = [table[name].cast(pa.float64()).fill_null(np.nan) for name in (options.weak, options.strong)]
        pairs = np.stack([column.to_numpy() for column in values], axis=1)
        complete = ~np.isnan(pairs).any(axis=1)
        ids = table["id"].filter(pa.array(complete)).to_pylist()
        draws.append(np.array([fraction("select", seed, row) for row in ids], np.float64))
        parts.append(pairs[complete])
    weak, strong = np.concatenate(parts)[np.argsort(np.concatenate(draws), kind="stable")].T
    if len(weak) and np.array_equal(weak, strong):
        raise UserError(
            f"stages.{context.stage}: {options.weak} and {options.strong} are identical, so one model "
            "measured both; give one of the measuring stages a role with another model"
        )
    comparison = compare(weak, strong, options.share)
    write_json(
        {"weak": options.weak, "strong": options.strong} | comparison, context.output / "comparison.json"
    )
    yield from [None] * len(partitions)


def compare(weak: Floats, strong: Floats, share: float) -> JsonObject:
    """
    Compare two scores of the same rows, given in the order by which `select` breaks ties.

    Returns
    -------
    ``rows``, ``spearman``, ``share``; rows ``kept`` by the stronger score and ``by_both``, and their ratio,
    ``overlap``. Undefined numbers are None.
    """
    count = math.ceil(round(share * len(weak), 9))
    chosen = [set(hardest(values)[0][:count].tolist()) for values in (weak, strong)]
    both, kept = len(chosen[0] & chosen[1]), len(chosen[1])
    return {
        "rows": len(weak),
        "spearman": spearman(weak, strong),
        "share": share,
        "kept": kept,
        "by_both": both,
        "overlap": both / kept if kept else None,
    }


def spearman(first: Floats, second: Floats) -> float | None:
    """Compute the rank correlation of two scores; None if all values of either are equal."""
    if len(first) == 0 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    return float(np.corrcoef(ranks(first), ranks(second))[0, 1])


def columns(options: Options) -> Columns:
    """Return the compared scores."""
    return Columns([Read(options.weak, ("weak",)), Read(options.strong, ("strong",))])


stage = WholeStage(
    name="compare_difficulty",
    summary="compare the difficulty measured by a weak model with that of a stronger one",
    takes="examples",
    gives="examples",
    run=run,
    apply=keep_all,
    columns=columns,
    options=Options,
    kinds=KINDS,
)
