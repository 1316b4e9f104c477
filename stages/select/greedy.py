"""
Greedy choice among rows that are compared with each other, within a block that fits into memory.

No gain here grows as more is chosen. So one that was worked out before is a bound, and only the row that
leads by its bound is looked at again (lazy greedy; Minoux 1978). All rows are put in order, to the last one:
a larger budget keeps what a smaller one kept.
"""

import heapq
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Vectors = npt.NDArray[np.float32]
Ranking = tuple[Numbers, Floats]  # rows, the best first, and what each is worth


def lazy_greedy(count: int, gain: Callable[[int], float], take: Callable[[int], None]) -> Ranking:
    """
    Take the row of the highest gain, again and again; of equal ones the first.

    Parameters
    ----------
    count
        Rows.
    gain
        What a row would add to those taken; it may not grow as more are taken.
    take
        Told of each row that is taken.

    Returns
    -------
    order, gains
        All rows as they were taken, and what each added: not increasing.
    """
    heap = [(-gain(row), row) for row in range(count)]
    heapq.heapify(heap)
    order: list[int] = []
    gains: list[float] = []
    fresh = np.zeros(count, np.int64)  # how many were taken when a row's gain was last worked out
    while heap:
        bound, row = heap[0]
        if bound == 0:  # nothing is left to gain: the rest in its order
            rest = sorted(row for _, row in heap)
            return np.array([*order, *rest], np.int64), np.array([*gains, *[0.0] * len(rest)])
        if fresh[row] == len(order):
            heapq.heappop(heap)
            take(row)
            order.append(row)
            gains.append(-bound)
        else:
            fresh[row] = len(order)
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
    Choose rows that stand for all rows: facility location on cosine similarity.

    f(A) = sum over rows i of weight i * max(0, min(max over j in A of s_ij, wanted i) - covered i)

    The plain function; its conditional gain where `covered` is given; its mutual information where `wanted`
    is (Kothawade et al., PRISM, arXiv 2103.00128, with nu = eta = 1). Similarities below `floor` count as 0.

    Parameters
    ----------
    vectors
        Rows of length 1, on the grid of `datagen.stages.shared.similarity.vectors`.
    weights
        How many rows each stands for.
    covered
        Of each row, its similarity to the nearest of what is had already.
    wanted
        Of each row, its similarity to the nearest of what is wanted.
    floor
        What rows that have nothing in common come to by chance. Without it, the sum over many strangers
        outweighs what a row truly stands for.
    """
    alike = vectors @ vectors.T
    if wanted is not None:
        np.minimum(alike, wanted, out=alike)
    alike[alike < floor] = 0
    reached = np.zeros(len(vectors), np.float32) if covered is None else np.where(covered < floor, 0, covered)

    def gain(row: int) -> float:
        return float(np.dot(np.maximum(alike[row] - reached, 0), weights))

    def take(row: int) -> None:
        np.maximum(reached, alike[row], out=reached)

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
    Choose rows that as examples help with all rows: facility location on utilities.

    f(A) = sum over rows i of max(0, min(max over j in A of UF_ij, wanted i) - covered i)

    The three functions of `cover`, by which DELIFT selects (arXiv 2411.04425). Memory and time go with the
    pairs that were measured; the utility of any other pair is 0.

    Parameters
    ----------
    count
        Rows.
    helped, example, utility
        Of each pair i, j and UF_ij, which is not negative. No pair comes twice.
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
        own = slice(starts[row], starts[row + 1])
        return float(np.maximum(utility[own] - reached[helped[own]], 0).sum())

    def take(row: int) -> None:
        own = slice(starts[row], starts[row + 1])
        reached[helped[own]] = np.maximum(reached[helped[own]], utility[own])

    return lazy_greedy(count, gain, take)


def vote(vectors: Vectors, weights: Floats, neighbours: int, discount: float) -> Ranking:
    """
    Choose rows that many rows are near to: vote-k (Su et al., arXiv 2209.01975, section 2.1).

    Each row votes for its nearest ones. Its votes weigh 1, and each time one that it voted for is chosen,
    they are divided by `discount`. Rows that are chosen vote no more.

    Parameters
    ----------
    vectors, weights
        As in `cover`.
    neighbours
        Rows that a row votes for.
    discount
        The paper has 10.
    """
    count, most = len(vectors), min(neighbours, len(vectors) - 1)
    alike = vectors @ vectors.T
    np.fill_diagonal(alike, -np.inf)
    voted = np.argpartition(-alike, max(most - 1, 0), axis=1)[:, :most]
    voters = np.argsort(voted.ravel(), kind="stable") // max(most, 1)  # candidate after candidate
    had = np.bincount(voted.ravel(), minlength=count)
    starts = np.cumsum(had) - had
    strength = weights.astype(np.float64)
    score = np.zeros(count)
    free = np.ones(count, bool)

    def add_up(rows: Numbers) -> None:
        """Recompute the sum: updating it in place would lose precision."""
        of, first = had[rows], np.cumsum(had[rows]) - had[rows]
        place = np.arange(of.sum()) + np.repeat(starts[rows] - first, of)
        score[rows] = np.add.reduceat(strength[voters[place]], first)

    add_up(np.flatnonzero(had))
    order, votes = np.arange(count), np.zeros(count)
    for step in range(count):
        row = int(np.where(free, score, -1).argmax())
        if score[row] == 0:  # nobody votes any more: the rest in its order
            order[step:] = np.flatnonzero(free)
            break
        order[step], votes[step], free[row] = row, score[row], False
        heard = voters[starts[row] : starts[row] + had[row]]
        strength[heard] /= discount
        strength[row] = 0
        touched = np.bincount(voted[[*heard, row]].ravel(), minlength=count) > 0
        add_up(np.flatnonzero(touched & free))
    return order, votes
