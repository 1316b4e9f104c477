"""How likely a number of labels is to show a precision, and how many are needed."""

from math import ceil

from datagen.stages.confidence.calibrate import evidence

POWER = 0.8  # probability that the advised number of labels shows the target
MOST_LABELS = 20_000  # asking for more is not useful advice


def labels_needed(right: int, rows: int, kept: float, target: float, error: float) -> int | None:
    """
    Estimate how many randomly drawn rows must be judged for a threshold to pass in four of five samples.

    The share of right rows above it is estimated as (right + 1) / (rows + 2), which trusts few labels less.
    If they are too few to show whether it exceeds the target, the answer is twice as many.

    Parameters
    ----------
    right, rows
        The judged rows above the threshold: the right ones, and all.
    kept
        Share of all rows above it.
    target, error
        The precision to promise, and the permitted probability of breaking the promise.

    Returns
    -------
    None if no number suffices, because the precision above the threshold does not seem to exceed the target.
    """
    if right + 1 <= target * (rows + 1):
        return None
    share = (right + 1) / (rows + 2)
    minimum = evidence.fewest(target, error)
    if share <= target:
        return ceil(2 * max(rows, minimum) / kept)
    few, many = 0, minimum
    while power(many, share, target, error) < POWER:
        few, many = many, 2 * many
        if many > MOST_LABELS:
            return None
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if power(middle, share, target, error) >= POWER else (middle, many)
    return ceil(many / kept)


def power(rows: int, share: float, target: float, error: float) -> float:
    """Return the probability that `rows` rows, right with probability `share`, show the target."""
    required = evidence.enough(rows, target, error)
    return evidence.tail(required, rows, share) if required <= rows else 0.0
