"""Estimates of a run: requests and tokens of each stage, rows of each product, and cost."""

import math
from dataclasses import asdict, dataclass, field
from datetime import date

import numpy as np

from datagen.errors import UserError

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
    prompt_tokens, completion_tokens
        Tokens of all requests, including answered ones.
    seconds
        Duration of the unanswered requests at the pace of the pilot; None if unknown.
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

    @property
    def open_share(self) -> float:
        """Share of the requests without an answer."""
        return 1 - self.stored / self.requests if self.requests else 0.0


@dataclass(frozen=True)
class Price:
    """
    The price of answers.

    Parameters
    ----------
    prompt, completion
        Price per million input and output tokens.
    hour
        Price of an engine hour.
    stated
        Date of the price.
    """

    prompt: float = 0.0
    completion: float = 0.0
    hour: float = 0.0
    stated: str = field(default_factory=lambda: date.today().isoformat())


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
    price: Price | None = None

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
        totals["cost"] = None
        if self.price is not None:
            tokens = (
                paid["prompt_tokens"] * self.price.prompt + paid["completion_tokens"] * self.price.completion
            )
            by_hour = self.price.hour * hours if hours is not None else 0.0
            totals["cost"] = tokens / 1e6 + by_hour if hours is not None or not self.price.hour else None
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


def read_price(tokens: str, hourly: float, stated: str) -> Price | None:
    """
    Parse a price: per million input/output tokens, such as ``0.15/0.60``, and per hour.

    Raises
    ------
    UserError
        If the format is invalid.
    """
    if not tokens and not hourly:
        return None
    try:
        prompt, completion = (float(part) for part in tokens.split("/")) if tokens else (0.0, 0.0)
        date.fromisoformat(stated or "2000-01-01")
    except ValueError:
        raise UserError("write --price as 0.15/0.60 and --stated as 2026-11-29") from None
    return Price(prompt, completion, hourly, stated or date.today().isoformat())
