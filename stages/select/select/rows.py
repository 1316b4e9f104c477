"""The columns that selection holds of each row: place, id, scores and categories; no texts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datagen.errors import UserError
from datagen.schema import Kind, fraction
from datagen.stage import Context, Partitions
from datagen.stages.select.greedy import Numbers
from datagen.stages.select.select.categories import POSITION, columns_for, labels, with_positions
from datagen.stages.select.select.options import Options
from datagen.stages.shared.ranking import SCORES, scores

DIFFICULTIES = ("ifd", "ifd_ppl")


@dataclass(frozen=True)
class Rows:
    """
    The rows of a kind, in an order drawn by their ids.

    Parameters
    ----------
    kind
        The kind.
    table
        Their ids, scores and categories.
    places
        Place of each among all rows of the stage.
    drawn
        Place of each among the rows of the kind.
    """

    kind: Kind
    table: pa.Table
    places: Numbers
    drawn: Numbers

    def __len__(self) -> int:
        return len(self.table)


def read_rows(
    partitions: Partitions, kinds: Sequence[Kind], options: Options, context: Context
) -> list[Rows]:
    """
    Read the rows of some kinds.

    Raises
    ------
    UserError
        When there is no such category, or no such score.
    """
    methods = {options.method_of(kind) for kind in kinds}
    extra = [name for name in DIFFICULTIES if name in methods]
    categories = options.categories if "entropy" in methods else []
    columns = [*SCORES, *extra, *columns_for(categories)]
    parts = []
    for table in partitions.columns(["id", "kind", *columns]):
        if missing := [name for name in extra if name not in table.column_names]:
            raise UserError(
                f"{context.stage}.method: the rows have no column {missing[0]}; "
                "put the stage difficulty before this one"
            )
        required = {name: table[name] for name in ("id", "kind", *extra)}
        parts.append(pa.table({**required, **scores(table), **labels(table, categories, context)}))
    rows = pa.concat_tables(parts, promote_options="default")
    if POSITION in categories:
        rows = with_positions(rows)
    return [_of_kind(rows, kind, str(context.seed)) for kind in kinds]


def _of_kind(table: pa.Table, kind: Kind, seed: str) -> Rows:
    places = np.flatnonzero(pc.equal(table["kind"], kind).to_numpy())
    of_kind = table.take(places)
    draw = np.array([fraction("select", seed, name) for name in of_kind["id"].to_pylist()])
    drawn = np.argsort(draw, kind="stable")
    return Rows(kind, of_kind.take(drawn).combine_chunks(), places[drawn], drawn)
