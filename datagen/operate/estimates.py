"""Estimates of a run: requests and tokens of each stage, rows of each product, and cost."""

import math
from dataclasses import asdict, dataclass, field

import numpy as np

from datagen.recipe.sections import Price

Z = 1.96  # half width of a 95% interval in standard errors
NONE_SEEN = 3.0  # 95% upper bound of the expected count if a sample has none (rule of three)


@dataclass
class Stage:
    """
    The estimate of a stage.

    Parameters
    ----------
    stage, model
        Its name, and its model; "" for none.
    rows_in, rows_out
        Number of rows.
    requests, stored
        Number of requests, and of those that already have an answer.
    prompt_tokens, cached_tokens, completion_tokens
        Tokens of all requests, including answered ones; cached ones are part of the input.
    seconds
        Duration of the unanswered requests at the pace of the pilot; None if unknown.
    role
        Role of its model; "" for none.
    cost
        Price of the unanswered requests; None if unknown.
    """

    stage: str
    model: str
    rows_in: float
    rows_out: float
    requests: float = 0
    stored: float = 0
    prompt_tokens: float = 0
    completion_tokens: float = 0
    seconds: float | None = 0.0
    cached_tokens: float = 0
    role: str = ""
    cost: float | None = 0.0

    @property
    def open_share(self) -> float:
        """Share of the requests without an answer."""
        return 1 - self.stored / self.requests if self.requests else 0.0

    def charge(self, price: Price | None) -> None:
        """Set `cost` from the price of the model's answers; None: there is no price."""
        share = self.open_share
        if not share:
            self.cost = 0.0
            return
        tokens = (self.prompt_tokens * share, self.cached_tokens * share, self.completion_tokens * share)
        hours = None if self.seconds is None else self.seconds / 3600
        self.cost = None if price is None else price.of(*tokens, hours)


@dataclass
class Plan:
    """
    The estimate of a run.

    Parameters
    ----------
    recipe, made
        Name of the recipe, and time of the plan.
    basis, sampled, passages
        The pilot or run that the plan is based on, its number of passages, and that of the corpus.
    fingerprint
        Fingerprint of the recipe and its models, which identifies the planned run.
    documents, stages, products
        The estimates; for each product its rows with a 95% interval.
    taken_over
        Stage -> run whose result would be reused; "" for a stage that would run.
    current
        Whether the basis has the same corpus, recipe, prompts and models.
    currency, terms
        Currency of the prices, and the prices with their dates; empty without prices.
    """

    recipe: str
    made: str
    basis: str
    sampled: int
    passages: int
    fingerprint: str
    documents: int
    stages: list[Stage]
    products: dict[str, tuple[float, float, float]]
    taken_over: dict[str, str] = field(default_factory=dict)
    current: bool = True
    currency: str = ""
    terms: str = ""

    def total(self) -> dict[str, float | None]:
        """Return the totals: requests, unanswered requests, tokens to pay for, hours, cost."""
        totals: dict[str, float | None] = {
            "requests": sum(stage.requests for stage in self.stages),
            "to_ask": sum(stage.requests * stage.open_share for stage in self.stages),
        }
        paid = {
            name: sum(getattr(stage, name) * stage.open_share for stage in self.stages)
            for name in ("prompt_tokens", "completion_tokens")
        }
        seconds = [stage.seconds for stage in self.stages]
        measured = [second for second in seconds if second is not None]
        hours = sum(measured) / 3600 if len(measured) == len(seconds) else None
        totals |= paid
        totals["hours"] = hours
        costs = [stage.cost for stage in self.stages]
        known = [cost for cost in costs if cost is not None]
        totals["cost"] = sum(known) if self.currency and len(known) == len(costs) else None
        return totals

    def as_json(self) -> dict[str, object]:
        """Convert the plan to plain values for JSON."""
        return asdict(self) | {"total": self.total()}


def interval(counts: list[int], sampled: int, passages: int) -> tuple[float, float, float]:
    """
    Estimate a total from a random sample of clusters.

    Parameters
    ----------
    counts
        Rows per sampled cluster, without clusters that have none.
    sampled, passages
        Number of clusters in the sample and in total.

    Returns
    -------
    The estimate and the bounds of its 95% interval, with finite population correction (Cochran, Sampling
    Techniques, 2.5 and 3.4).
    """
    if not sampled:
        return 0.0, 0.0, 0.0
    if sampled >= passages:
        total = float(sum(counts))
        return total, total, total
    rest = 1 - sampled / passages
    if not counts:
        return 0.0, 0.0, NONE_SEEN / sampled * passages * rest
    per_cluster = np.zeros(max(sampled, len(counts)))
    per_cluster[: len(counts)] = counts
    mean = float(per_cluster.mean())
    spread = float(per_cluster.std(ddof=1)) if len(per_cluster) > 1 else mean
    error = Z * passages * spread * math.sqrt(rest / len(per_cluster))
    total = mean * passages
    return total, max(total - error, float(sum(counts))), total + error


def share_correction(rows: int, drawn: int, share: float) -> float:
    """
    Return the factor from the rows that were drawn to those expected.

    A share that is drawn by hash is nearly exact for many rows, but for a few hundred often a fifth off.

    Parameters
    ----------
    rows, drawn
        Number of rows, and of those that were drawn.
    share
        Share of the rows to draw.

    Returns
    -------
    1 if the difference is more than chance explains (4 standard deviations): then it has another cause.
    """
    expected = share * rows
    chance = 4 * math.sqrt(expected * (1 - share))
    return expected / drawn if drawn and abs(drawn - expected) <= chance else 1.0
