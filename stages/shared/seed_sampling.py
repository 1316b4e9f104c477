"""Sample the seeds that a prompt shows: k of a pool of n, by hash."""

import heapq
from collections.abc import Sequence

from datagen.schema import content_id


def sample_seeds(pool: Sequence[str], first: str, number: int, k: int, seed: int) -> list[str]:
    """
    Draw the seeds of a prompt: its leading seed and k - 1 others of the pool, each equally likely.

    Every seed leads the same number of prompts, so all are used; each prompt draws its own others. Adding a
    seed to the pool changes few draws.

    Parameters
    ----------
    pool
        Ids of all seeds, `first` among them.
    first
        The seed that leads the prompt.
    number
        Number of the prompt among those that it leads.
    k
        Seeds in the prompt; fewer if the pool is smaller.
    seed
        The recipe's seed.

    Returns
    -------
    Ids in prompt order, which is also drawn, so that the leading seed is not always first.
    """

    def draw(candidate: str) -> str:
        return content_id("seed", first, str(number), str(seed), candidate)

    others = heapq.nsmallest(
        k - 1, (candidate for candidate in dict.fromkeys(pool) if candidate != first), key=draw
    )
    return sorted([first, *others], key=lambda candidate: content_id("order", draw(candidate)))
