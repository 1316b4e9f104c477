"""
Keep the best rows of each kind, as many as the budget allows.

Rows are ranked within their kind by their scores (`quality`), equal ones by a draw that the recipe's seed
decides, so that a refresh keeps what it kept. How kinds relate to each other is for `datagen.stages.mix`.
"""

from collections.abc import Iterator
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, NonNegativeInt

import datagen.stage
from datagen.records import fraction
from datagen.stage import Context, Outcome, Partitions, WholeStage
from datagen.stages.select.quality import SCORES, best_first, confidence, scores

Kind = Literal["reading", "instruction", "refusal", "preference"]


class Options(datagen.stage.Options):
    """The budget."""

    max_rows: dict[Kind, NonNegativeInt] = Field({}, description="Rows of a kind, at most; left out: all")


def run(partitions: Partitions, options: Options, context: Context) -> Iterator[Outcome]:
    """Rank all rows of the kinds that have a budget, then go through them again."""
    brief = [
        pa.table({"id": table["id"], "kind": table["kind"], **scores(table)})
        for table in partitions.columns(["id", "kind", *SCORES])
    ]
    over = _over_budget(pa.concat_tables(brief), options, str(context.recipe.seed)) if brief else {}
    start = 0
    for table in partitions:
        said = [over.get(row) for row in range(start, start + len(table))]
        yield Outcome.split(table, ["over the budget" if detail else None for detail in said], said)
        start += len(table)


def _over_budget(rows: pa.Table, options: Options, seed: str) -> dict[int, str]:
    """Say of each row beyond its kind's budget where it ranks: position -> detail."""
    over = {}
    for kind, budget in options.max_rows.items():
        places = np.flatnonzero(pc.equal(rows["kind"], kind).to_numpy(zero_copy_only=False))
        mine = rows.take(places)
        draw = pa.array([fraction("select", seed, name) for name in mine["id"].to_pylist()], pa.float64())
        order = best_first(mine.append_column("draw", draw), ("draw", "ascending"))
        for rank, place in enumerate(order[budget:].tolist(), budget + 1):
            sure = confidence({name: mine[name][place].as_py() for name in SCORES})
            over[int(places[place])] = f"{rank} of {len(mine)} for {budget} places, {sure}"
    return over


stage = WholeStage(
    name="select",
    summary="keep the best rows of each kind, to a budget",
    takes="examples",
    gives="examples",
    run=run,
    options=Options,
)
