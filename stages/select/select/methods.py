"""The orders in which rows can be taken: one function a method, each from rows to a ranking."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from datagen.stage import Context, Partitions
from datagen.stages.select import space
from datagen.stages.select.greedy import Floats, Numbers, Ranking
from datagen.stages.select.select import by_utility, entropy
from datagen.stages.select.select.options import Options
from datagen.stages.select.select.rows import Rows
from datagen.stages.shared.ranking import SCORES, best_first, confidence, hardest

Files = Mapping[str, Sequence[Path]]  # "rows", "earlier", "wanted" -> vectors of a kind


@dataclass(frozen=True)
class Ranked:
    """
    The rows of a kind in the order in which they are taken.

    Parameters
    ----------
    order
        Rows, the first to be taken first; without those refused.
    worth
        Of each in that order; NaN where it has none.
    tell
        Says what a row was worth, given its number in the order.
    refused
        Rows that are not taken whatever the budget: reason, and row -> detail.
    entropies
        For `entropy`: of each category with each row in the order.
    """

    order: Numbers
    worth: Floats
    tell: Callable[[int], str]
    refused: tuple[str, Mapping[int, str]] = ("", {})
    entropies: Floats | None = None


def rank(
    rows: Rows, partitions: Partitions, files: Files, most: int, options: Options, context: Context
) -> Ranked:
    """
    Put the rows of a kind in order, by the kind's method.

    `files` are their vectors and those of what they are compared with, where the method needs any, and
    `partitions` all rows. At most `most` rows are taken; what comes after these need not be in order.
    """
    method = options.method_of(rows.kind)
    if method == "score":
        return _by_score(rows)
    if method in ("ifd", "ifd_ppl"):
        return _by_difficulty(rows, method)
    if method == "entropy":
        return _by_entropy(rows, most, options)
    if method == "utility":
        return _with(by_utility.by_utility(rows, partitions, context), "gain {:.3g}")
    path = context.scratch / f"{rows.kind}.npy"
    own = space.gather(files["rows"], rows.drawn, path)
    if method == "vote_k":
        ranking = space.by_vote(own, options.block, context, options.neighbours, options.discount)
        return _with(ranking, "votes {:.3g}")
    near = {name: space.nearest(own, files[name], context) for name in ("earlier", "wanted") if name in files}
    if method == "novelty":
        lengths = np.einsum("ij,ij->i", own.vectors, own.vectors).astype(np.float64)  # squared, nearly 1
        novel = np.maximum(lengths - near["earlier"][own.equals], 0)
        order = np.argsort(-novel, kind="stable")
        return _with((order, novel[order]), "novelty {:.3g}")
    known = near.get("earlier"), near.get("wanted")
    ranking = space.by_cover(own, options.block, context, *known, options.floor)
    return _with(ranking, "gain {:.3g}")


def _with(ranking: Ranking, said: str) -> Ranked:
    order, worth = ranking
    return Ranked(order, worth, lambda number: said.format(worth[number]))


def _by_score(rows: Rows) -> Ranked:
    """Take the surest first."""
    order = best_first(rows.table.append_column("draw", [np.arange(len(rows))]), ("draw", "ascending"))
    best = rows.table.select(SCORES).take(order)

    def tell(number: int) -> str:
        return confidence({name: best[name][number].as_py() for name in SCORES})

    return Ranked(order, np.full(len(order), np.nan), tell)


def _by_difficulty(rows: Rows, name: str) -> Ranked:
    """Take the hardest first of those below 1, and then those that were not measured."""
    measured = pc.fill_null(rows.table[name], np.nan).to_numpy()
    order, aside = hardest(measured)
    refused = {int(row): f"{name} {measured[row]:.3g}" for row in aside}
    worth = measured[order]

    def tell(number: int) -> str:
        return f"no {name}" if np.isnan(worth[number]) else f"{name} {worth[number]:.3g}"

    return Ranked(order, worth, tell, ("the instruction does not help", refused))


def _by_entropy(rows: Rows, most: int, options: Options) -> Ranked:
    """Take what spreads the categories most evenly."""
    columns = [rows.table[name] for name in options.categories]
    order, distances, entropies = entropy.spread(columns, most)

    def tell(number: int) -> str:
        far = distances[number]
        return "not reached" if np.isnan(far) else f"{far:.3g} from the highest entropies"

    return Ranked(order, distances, tell, entropies=entropies)
