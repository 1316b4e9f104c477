"""Selection by how much rows help as examples, after DELIFT, from the measured utilities of a kind's rows."""

from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc

from datagen.errors import UserError
from datagen.stage import Context, Partitions
from datagen.stages.select.delift import EARLIER, ROWS, WANTED
from datagen.stages.select.greedy import Floats, Numbers, Ranking, cover_pairs
from datagen.stages.select.select.rows import Rows


@dataclass(frozen=True)
class Pairs:
    """
    Utilities of examples for rows; rows are numbered in the order drawn.

    Parameters
    ----------
    helped, example, utility
        Per pair: the row that is helped, the row that is the example, and its utility, above 0.
    earlier, wanted
        Per row, the utility of the best example of earlier releases, and of the best wanted example; None
        if there is no such example.
    """

    helped: Numbers
    example: Numbers
    utility: Floats
    earlier: Floats | None
    wanted: Floats | None


def by_utility(rows: Rows, partitions: Partitions, context: Context) -> Ranking:
    """Rank all rows by `datagen.stages.select.greedy.cover_pairs`."""
    pairs = read(rows, partitions, context)
    return cover_pairs(len(rows), pairs.helped, pairs.example, pairs.utility, pairs.earlier, pairs.wanted)


def read(rows: Rows, partitions: Partitions, context: Context) -> Pairs:
    """
    Read the utilities, one partition at a time. Examples that are no longer among the rows are excluded.

    Raises
    ------
    UserError
        When they were not measured.
    """
    ids = rows.table["id"].combine_chunks()
    place = np.empty(len(rows), np.int64)
    place[rows.drawn] = np.arange(len(rows))
    best: dict[str, Floats] = {}
    parts = [(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))]
    start = measured = 0  # rows read, and those with a list of utilities
    for table in partitions.columns(["kind", "utility"]):
        of_kind = table.filter(pc.equal(table["kind"], rows.kind))
        if "utility" in of_kind.column_names:
            lists = of_kind["utility"].combine_chunks()
            pairs = pc.list_flatten(lists)
            helped = place[start + pc.list_parent_indices(lists).to_numpy()]
            utility = np.maximum(pc.struct_field(pairs, "utility").to_numpy(), 0)
            source = pc.struct_field(pairs, "of")
            for name in (EARLIER, WANTED):
                mask = pc.equal(source, name).to_numpy(zero_copy_only=False)
                if mask.any():
                    np.maximum.at(best.setdefault(name, np.zeros(len(rows))), helped[mask], utility[mask])
            example = pc.fill_null(pc.index_in(pc.struct_field(pairs, "id"), ids), -1).to_numpy()
            mask = pc.equal(source, ROWS).to_numpy(zero_copy_only=False) & (example >= 0) & (utility > 0)
            parts.append((helped[mask], example[mask].astype(np.int64), utility[mask]))
            measured += len(lists) - lists.null_count
        start += len(of_kind)
    if len(rows) and not measured:
        raise UserError(
            f"{context.stage}.method: no {rows.kind} row has a utility. The stages delift_neighbours and "
            "delift_utility measure it for instructions; put them before this one"
        )
    helped, example, utility = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Pairs(helped, example, utility, best.get(EARLIER), best.get(WANTED))
