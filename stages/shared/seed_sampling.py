"""Sample the seeds that a prompt shows: k of a pool of n, by hash."""

import heapq
from collections.abc import Sequence

from datagen.schema import content_id


def sample_seeds(pool: Sequence[str], first: str, number: int, k: int, seed: int) -> list[str]:
    """
    Draw the seeds of a prompt: one that leads it, and k - 1 others of the pool, each equally likely.

    Every seed leads equally many prompts, so none is left out; each prompt draws its
    own others. A seed added to the pool changes few draws.

    Parameters
    ----------
    pool
        Ids of all seeds, `first` among them.
    first
        The seed that leads the prompt.
    number
        Number of the prompt among those that it leads.
    k
        Seeds in the prompt; fewer where the pool has fewer.
    seed
        The recipe's seed.

    Returns
    -------
    Ids in the order in which they are shown, which is drawn too, so that the first is not always in front.
    """

    def draw(one: str) -> str:
        return content_id("seed", first, str(number), str(seed), one)

    others = heapq.nsmallest(k - 1, (one for one in dict.fromkeys(pool) if one != first), key=draw)
    return sorted([first, *others], key=lambda one: content_id("order", draw(one)))
