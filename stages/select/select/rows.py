"""What selection holds of each row: its place, its id, its scores, its categories; no texts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datagen.errors import UserError
from datagen.schema import Kind, fraction
from datagen.stage import Context, Partitions
from datagen.stages.select.greedy import Numbers
from datagen.stages.select.select.options import Options
from datagen.stages.shared.ranking import SCORES, scores

DIFFICULTIES = ("ifd", "ifd_ppl")


@dataclass(frozen=True)
class Rows:
    """
    The rows of a kind, in an order that is drawn by their ids.

    Parameters
    ----------
    kind
        Which.
    table
        Their ids, scores and categories.
    places
        Where each stands among all rows of the stage.
    drawn
        The rows as they come, in the order drawn.
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
    wanted = {options.method_of(kind) for kind in kinds}
    extra = [name for name in DIFFICULTIES if name in wanted]
    categories = options.categories if "entropy" in wanted else []
    columns = [*SCORES, *extra, *dict.fromkeys(name.partition(".")[0] for name in categories)]
    parts = []
    for table in partitions.columns(["id", "kind", *columns]):
        if missing := [name for name in extra if name not in table.column_names]:
            raise UserError(
                f"{context.stage}.method: {missing[0]} is not among the columns of the rows; "
                "have the stage score measure it"
            )
        labels = {name: _labels(table, name, context) for name in categories}
        given = {name: table[name] for name in ("id", "kind", *extra)}
        parts.append(pa.table({**given, **scores(table), **labels}))
    together = pa.concat_tables(parts, promote_options="default")
    return [_of_kind(together, kind, str(context.seed)) for kind in kinds]


def _labels(table: pa.Table, name: str, context: Context) -> pa.ChunkedArray:
    """Read a column, or a field of one, as text."""
    column, *fields = name.split(".")
    try:
        labels = pc.struct_field(table[column], fields) if fields else table[column]
        return labels.cast(pa.string())
    except (KeyError, pa.ArrowException) as error:
        raise UserError(
            f"{context.stage}.categories: {name} cannot be read as a category: {error}. The columns are "
            f"those of an example, such as task, and fields of lineage, such as lineage.source"
        ) from error


def _of_kind(table: pa.Table, kind: Kind, seed: str) -> Rows:
    places = np.flatnonzero(pc.equal(table["kind"], kind).to_numpy())
    mine = table.take(places)
    draw = np.array([fraction("select", seed, name) for name in mine["id"].to_pylist()])
    drawn = np.argsort(draw, kind="stable")
    return Rows(kind, mine.take(drawn).combine_chunks(), places[drawn], drawn)
