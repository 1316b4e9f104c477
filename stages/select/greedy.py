"""
Greedy selection among rows that are compared with each other, within a block that fits into memory.

Gains never increase as more rows are selected. So an earlier gain is an upper bound, and only the row with
the highest bound is re-evaluated (lazy greedy; Minoux 1978). All rows are ranked to the last: a larger budget
keeps the rows of a smaller one.
"""

import heapq
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Vectors = npt.NDArray[np.float32]
Ranking = tuple[Numbers, Floats]  # rows, the best first, and their gains


def lazy_greedy(count: int, gain: Callable[[int], float], take: Callable[[int], None]) -> Ranking:
    """
    Repeatedly take the row with the highest gain; of equal ones the first.

    Parameters
    ----------
    count
        Number of rows.
    gain
        Returns a row's marginal gain; it must not increase as more rows are taken.
    take
        Called for each row taken.

    Returns
    -------
    order, gains
        All rows in the order taken, and their gains, which do not increase.
    """
    heap = [(-gain(row), row) for row in range(count)]
    heapq.heapify(heap)
    order: list[int] = []
    gains: list[float] = []
    evaluated = np.zeros(count, np.int64)  # number of rows taken when a row's gain was last computed
    while heap:
        bound, row = heap[0]
        if bound == 0:  # no gain remains: append the rest in order
            rest = sorted(row for _, row in heap)
            return np.array([*order, *rest], np.int64), np.array([*gains, *[0.0] * len(rest)])
        if evaluated[row] == len(order):
            heapq.heappop(heap)
            take(row)
            order.append(row)
            gains.append(-bound)
        else:
            evaluated[row] = len(order)
            heapq.heapreplace(heap, (-gain(row), row))
    return np.array(order, np.int64), np.array(gains)


def cover(
    vectors: Vectors,
    weights: Floats,
    covered: Vectors | None = None,
    wanted: Vectors | None = None,
    floor: float = 0.0,
) -> Ranking:
    """
    Rank rows by how well they represent all rows: facility location on cosine similarity.

    f(A) = sum over rows i of weight i * max(0, min(max over j in A of s_ij, wanted i) - covered i)

    The plain function; its conditional gain with `covered`; its mutual information with `wanted` (Kothawade
    et al., PRISM, arXiv 2103.00128, with nu = eta = 1). Similarities below `floor` count as 0.

    Parameters
    ----------
    vectors
        Rows of length 1, on the grid of `datagen.stages.shared.similarity.vectors`.
    weights
        Number of rows that each vector represents.
    covered
        Each row's similarity to the nearest existing row.
    wanted
        Each row's similarity to the nearest wanted item.
    floor
        Similarity that unrelated rows reach by chance. Without it, the sum over many unrelated rows outweighs
        the related ones.
    """
    similarity = vectors @ vectors.T
    if wanted is not None:
        np.minimum(similarity, wanted, out=similarity)
    similarity[similarity < floor] = 0
    reached = np.zeros(len(vectors), np.float32) if covered is None else np.where(covered < floor, 0, covered)

    def gain(row: int) -> float:
        return float(np.dot(np.maximum(similarity[row] - reached, 0), weights))

    def take(row: int) -> None:
        np.maximum(reached, similarity[row], out=reached)

    return lazy_greedy(len(vectors), gain, take)


def cover_pairs(
    count: int,
    helped: Numbers,
    example: Numbers,
    utility: Floats,
    covered: Floats | None = None,
    wanted: Floats | None = None,
) -> Ranking:
    """
    Rank rows by how much they help all rows as examples: facility location on utilities.

    f(A) = sum over rows i of max(0, min(max over j in A of UF_ij, wanted i) - covered i)

    The three functions of `cover`, by which DELIFT selects (arXiv 2411.04425). Memory and time are
    proportional to the measured pairs; the utility of any other pair is 0.

    Parameters
    ----------
    count
        Number of rows.
    helped, example, utility
        Per pair: i, j and UF_ij, which is not negative. Pairs are unique.
    covered, wanted
        As in `cover`, by utility.
    """
    order = np.lexsort((helped, example))
    helped, utility = helped[order], utility[order]
    if wanted is not None:
        utility = np.minimum(utility, wanted[helped])
    reached = np.zeros(count) if covered is None else covered.copy()
    starts = np.searchsorted(example[order], np.arange(count + 1))

    def gain(row: int) -> float:
        pairs = slice(starts[row], starts[row + 1])
        return float(np.maximum(utility[pairs] - reached[helped[pairs]], 0).sum())

    def take(row: int) -> None:
        pairs = slice(starts[row], starts[row + 1])
        reached[helped[pairs]] = np.maximum(reached[helped[pairs]], utility[pairs])

    return lazy_greedy(count, gain, take)


def vote(vectors: Vectors, weights: Floats, neighbours: int, discount: float) -> Ranking:
    """
    Rank rows by the number of rows near them: vote-k (Su et al., arXiv 2209.01975, section 2.1).

    Each row votes for its nearest neighbours. Its vote has weight 1, divided by `discount` each time one of
    its neighbours is chosen. Chosen rows stop voting.

    Parameters
    ----------
    vectors, weights
        As in `cover`.
    neighbours
        Votes per row.
    discount
        10 in the paper.
    """
    count, votes_per_row = len(vectors), min(neighbours, len(vectors) - 1)
    similarity = vectors @ vectors.T
    np.fill_diagonal(similarity, -np.inf)
    voted = np.argpartition(-similarity, max(votes_per_row - 1, 0), axis=1)[:, :votes_per_row]
    voters = np.argsort(voted.ravel(), kind="stable") // max(votes_per_row, 1)  # grouped by candidate
    received = np.bincount(voted.ravel(), minlength=count)
    starts = np.cumsum(received) - received
    strength = weights.astype(np.float64)
    score = np.zeros(count)
    free = np.ones(count, bool)

    def add_up(rows: Numbers) -> None:
        """Recompute the sum: updating it in place would lose precision."""
        counts = received[rows]
        first = np.cumsum(counts) - counts
        place = np.arange(counts.sum()) + np.repeat(starts[rows] - first, counts)
        score[rows] = np.add.reduceat(strength[voters[place]], first)

    add_up(np.flatnonzero(received))
    order, votes = np.arange(count), np.zeros(count)
    for step in range(count):
        row = int(np.where(free, score, -1).argmax())
        if score[row] == 0:  # no votes remain: append the rest in order
            order[step:] = np.flatnonzero(free)
            break
        order[step], votes[step], free[row] = row, score[row], False
        supporters = voters[starts[row] : starts[row] + received[row]]
        strength[supporters] /= discount
        strength[row] = 0
        touched = np.bincount(voted[[*supporters, row]].ravel(), minlength=count) > 0
        add_up(np.flatnonzero(touched & free))
    return order, votes
