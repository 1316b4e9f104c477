"""Selection by what rows help with as examples, after DELIFT: the measured utilities of a kind's rows."""

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
    What examples are worth to rows; rows by their number in the order drawn.

    Parameters
    ----------
    helped, example, utility
        Of each pair the row that is helped, the row that is the example, and what it is worth: above 0.
    earlier, wanted
        Of each row, what the best example of earlier releases is worth to it, and of what is wanted; None
        where there is no such example at all.
    """

    helped: Numbers
    example: Numbers
    utility: Floats
    earlier: Floats | None
    wanted: Floats | None


def by_utility(rows: Rows, partitions: Partitions, context: Context) -> Ranking:
    """Order all rows by `datagen.stages.select.greedy.cover_pairs`."""
    pairs = read(rows, partitions, context)
    return cover_pairs(len(rows), pairs.helped, pairs.example, pairs.utility, pairs.earlier, pairs.wanted)


def read(rows: Rows, partitions: Partitions, context: Context) -> Pairs:
    """
    Read the utilities, a partition at a time. Examples that are not among the rows any more are left out.

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
    start = told = 0  # rows seen, and those with a list of utilities
    for table in partitions.columns(["kind", "utility"]):
        mine = table.filter(pc.equal(table["kind"], rows.kind))
        if "utility" in mine.column_names:
            lists = mine["utility"].combine_chunks()
            pairs = pc.list_flatten(lists)
            helped = place[start + pc.list_parent_indices(lists).to_numpy()]
            worth = np.maximum(pc.struct_field(pairs, "utility").to_numpy(), 0)
            of = pc.struct_field(pairs, "of")
            for name in (EARLIER, WANTED):
                its = pc.equal(of, name).to_numpy(zero_copy_only=False)
                if its.any():
                    np.maximum.at(best.setdefault(name, np.zeros(len(rows))), helped[its], worth[its])
            example = pc.fill_null(pc.index_in(pc.struct_field(pairs, "id"), ids), -1).to_numpy()
            its = pc.equal(of, ROWS).to_numpy(zero_copy_only=False) & (example >= 0) & (worth > 0)
            parts.append((helped[its], example[its].astype(np.int64), worth[its]))
            told += len(lists) - lists.null_count
        start += len(mine)
    if len(rows) and not told:
        raise UserError(
            f"{context.stage}.method: of no {rows.kind} the utility was measured. The stages "
            "delift_neighbours and delift_utility do that for instructions; put them before this one"
        )
    helped, example, utility = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Pairs(helped, example, utility, best.get(EARLIER), best.get(WANTED))
