"""The selection methods: one function per method, each from rows to a ranking."""

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
        Rows, the best first, without refused ones.
    worth
        Value of each in that order; NaN if it has none.
    describe
        Describes the value of a row, given its number in the order.
    refused
        Rows that are never taken, regardless of the budget: reason, and row -> detail.
    entropies
        For `entropy`: the entropy of each category after each row of the order.
    """

    order: Numbers
    worth: Floats
    describe: Callable[[int], str]
    refused: tuple[str, Mapping[int, str]] = ("", {})
    entropies: Floats | None = None


def rank(
    rows: Rows, partitions: Partitions, files: Files, limit: int, options: Options, context: Context
) -> Ranked:
    """
    Rank the rows of a kind by the kind's method.

    `files` are the vectors of these rows and of those to compare them with, if the method needs any;
    `partitions` are all rows. At most `limit` rows are taken; later ones need not be in order.
    """
    method = options.method_of(rows.kind)
    if method == "score":
        return _by_score(rows)
    if method in ("ifd", "ifd_ppl"):
        return _by_difficulty(rows, method)
    if method == "entropy":
        return _by_entropy(rows, limit, options)
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
    ranking = space.by_cover(
        own, options.block, context, near.get("earlier"), near.get("wanted"), options.floor
    )
    return _with(ranking, "gain {:.3g}")


def _with(ranking: Ranking, template: str) -> Ranked:
    order, worth = ranking
    return Ranked(order, worth, lambda number: template.format(worth[number]))


def _by_score(rows: Rows) -> Ranked:
    """Rank by confidence."""
    order = best_first(rows.table.append_column("draw", [np.arange(len(rows))]), ("draw", "ascending"))
    best = rows.table.select(SCORES).take(order)

    def describe(number: int) -> str:
        return confidence({name: best[name][number].as_py() for name in SCORES})

    return Ranked(order, np.full(len(order), np.nan), describe)


def _by_difficulty(rows: Rows, name: str) -> Ranked:
    """Rank by difficulty below 1, the hardest first, followed by rows without one."""
    difficulty = pc.fill_null(rows.table[name], np.nan).to_numpy()
    order, unhelpful = hardest(difficulty)
    refused = {int(row): f"{name} {difficulty[row]:.3g}" for row in unhelpful}
    worth = difficulty[order]

    def describe(number: int) -> str:
        return f"no {name}" if np.isnan(worth[number]) else f"{name} {worth[number]:.3g}"

    return Ranked(order, worth, describe, ("the instruction does not help", refused))


def _by_entropy(rows: Rows, limit: int, options: Options) -> Ranked:
    """Rank by how evenly rows distribute the categories."""
    columns = [rows.table[name] for name in options.categories]
    order, distances, entropies = entropy.spread(columns, limit)

    def describe(number: int) -> str:
        distance = distances[number]
        return "not reached" if np.isnan(distance) else f"{distance:.3g} from the maximum entropies"

    return Ranked(order, distances, describe, entropies=entropies)
