"""Which rows fit into the budget of a kind, and the drop reasons of the others."""

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datagen.schema import Kind
from datagen.stages.select.greedy import Numbers
from datagen.stages.select.select.methods import Ranked
from datagen.stages.select.select.options import Options
from datagen.stages.select.select.rows import DIFFICULTIES, Rows
from datagen.store.parquet import write_table

KEPT = 0.3  # share kept by utility without a budget, as in DELIFT

Reasons = tuple[list[str | None], list[str | None]]  # reason and detail of each row of a partition


def kinds(options: Options) -> list[Kind]:
    """List the kinds whose rows may be dropped: with a budget, or selected by difficulty or utility."""
    refusing = [kind for kind, method in options.method.items() if method in (*DIFFICULTIES, "utility")]
    return sorted({*options.max_rows, *options.max_tokens, *options.max_share, *refusing})


def places(kind: Kind, rows: int, options: Options) -> int:
    """Return how many of `rows` rows of a kind may be kept, apart from the token budget."""
    free = options.method_of(kind) == "utility" and kind not in {*options.max_rows, *options.max_tokens}
    share = math.ceil(round(options.max_share.get(kind, KEPT if free else 1) * rows, 9))
    return int(min(rows, share, options.max_rows.get(kind, rows)))


@dataclass
class Verdicts:
    """Collects the dropped rows with their reasons, and the orders in which rows were taken."""

    _over: dict[int, tuple[str, str]] = field(default_factory=dict)
    _orders: list[pa.Table] = field(default_factory=list)

    def add(self, rows: Rows, ranked: Ranked, sizes: Numbers | None, options: Options) -> None:
        """Decide on the rows of a kind; `sizes` are the tokens of all rows, if they are counted."""
        room, max_tokens = places(rows.kind, len(rows), options), options.max_tokens.get(rows.kind)
        sizes = sizes[rows.places[ranked.order]] if sizes is not None and max_tokens is not None else None
        kept = _fitting(len(ranked.order), room, sizes, max_tokens)
        reason, refused = ranked.refused
        self._over |= {int(rows.places[row]): (reason, detail) for row, detail in refused.items()}
        for number in np.flatnonzero(~kept).tolist():
            detail = f"rank {number + 1} of {len(rows)} for {room} places"
            if sizes is not None:
                detail += f" and {max_tokens} tokens, {sizes[number]} tokens"
            place = int(rows.places[ranked.order[number]])
            self._over[place] = ("over the budget", f"{detail}, {ranked.describe(number)}")
        self._orders.append(_table(rows, ranked, kept))

    def of(self, start: int, count: int) -> Reasons:
        """Return the drop reasons of a partition; None for kept rows."""
        pairs = [self._over.get(place, (None, None)) for place in range(start, start + count)]
        return [reason for reason, _ in pairs], [detail for _, detail in pairs]

    def write(self, path: Path) -> None:
        """Write the orders as one table."""
        if self._orders:
            write_table(pa.concat_tables(self._orders), path)


def _fitting(count: int, room: int, sizes: Numbers | None, tokens: int | None) -> npt.NDArray[np.bool_]:
    """Take rows in order while there is room; skip rows whose tokens do not fit."""
    if sizes is None or tokens is None:
        return np.arange(count) < room
    kept = np.zeros(count, bool)
    for number, size in enumerate(sizes.tolist()):
        if room and size <= tokens:
            kept[number] = True
            room, tokens = room - 1, tokens - size
    return kept


def _table(rows: Rows, ranked: Ranked, kept: npt.NDArray[np.bool_]) -> pa.Table:
    count = len(ranked.order)
    entropies = pa.nulls(count, pa.list_(pa.float64()))
    if ranked.entropies is not None:
        lists = [None if math.isnan(row[0]) else row for row in ranked.entropies.tolist()]
        entropies = pa.array(lists, pa.list_(pa.float64()))
    return pa.table(
        {
            "kind": pa.array([rows.kind] * count, pa.string()),
            "id": rows.table["id"].take(pa.array(ranked.order)),
            "rank": np.arange(1, count + 1),
            "kept": kept,
            "worth": pa.array(ranked.worth, pa.float64(), from_pandas=True),
            "entropies": entropies,
        }
    )
