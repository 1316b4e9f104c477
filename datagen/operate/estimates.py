"""Estimates of a run: what each stage takes, what each product has, what it costs."""

import math
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

import numpy as np

from datagen.errors import UserError

Z = 1.96  # standard errors to either side of a 95% interval
NONE_SEEN = 3.0  # upper bound of a count that was 0 in a sample, at 95%


@dataclass
class Stage:
    """
    What one stage would take.

    Parameters
    ----------
    stage, model
        Its name, and the model that it asks; "" for none.
    rows_in, rows_out
        Rows.
    requests, stored
        Requests, and how many of them have an answer already.
    prompt_tokens, completion_tokens
        Of all its requests, whichever run pays for them.
    seconds
        For the requests without an answer, at the pace of the pilot; None where it asked nothing.
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
        """Share of the requests that have no answer yet."""
        return 1 - self.stored / self.requests if self.requests else 0.0


@dataclass(frozen=True)
class Price:
    """
    What answers cost.

    Parameters
    ----------
    prompt, completion
        Of a million tokens read and written.
    hour
        Of an hour of the engine.
    stated
        When the price was stated.
    """

    prompt: float = 0.0
    completion: float = 0.0
    hour: float = 0.0
    stated: str = field(default_factory=lambda: date.today().isoformat())


@dataclass
class Plan:
    """
    What a run would take and give.

    Parameters
    ----------
    recipe, made
        Its name, and when the plan was made.
    basis, sampled, passages
        The pilot or run that it goes by, and the passages in it and in all.
    fingerprint
        Of the recipe and its models, by which a run is recognised as the planned one.
    documents, stages, products
        What there would be; of each product its rows with the ends of a 95% interval.
    taken_over
        Stage -> the run that it would be taken over from; "" for one that would be made again.
    current
        Whether the basis was made with this very recipe, its prompts and models.
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
        """Add up: requests, those to be asked, tokens to be paid for, hours, cost."""
        found: dict[str, float | None] = {
            "requests": sum(stage.requests for stage in self.stages),
            "to_ask": sum(stage.requests * stage.open_share for stage in self.stages),
        }
        paid = {
            name: sum(getattr(stage, name) * stage.open_share for stage in self.stages)
            for name in ("prompt_tokens", "completion_tokens")
        }
        seconds = [stage.seconds for stage in self.stages]
        known = [second for second in seconds if second is not None]
        hours = sum(known) / 3600 if len(known) == len(seconds) else None
        found |= paid
        found["hours"] = hours
        found["cost"] = None
        if self.price is not None:
            tokens = (
                paid["prompt_tokens"] * self.price.prompt + paid["completion_tokens"] * self.price.completion
            )
            by_hour = self.price.hour * hours if hours is not None else 0.0
            found["cost"] = tokens / 1e6 + by_hour if hours is not None or not self.price.hour else None
        return found

    def as_json(self) -> dict[str, Any]:
        """Write the plan as plain values."""
        return asdict(self) | {"total": self.total()}


def interval(counts: list[int], sampled: int, passages: int) -> tuple[float, float, float]:
    """
    Estimate a total from a random sample of clusters.

    Parameters
    ----------
    counts
        Rows of the clusters in the sample that have some.
    sampled, passages
        Clusters in the sample and in all.

    Returns
    -------
    The estimate and both ends of its 95% interval, with the correction for a finite population (Cochran,
    Sampling Techniques, 2.5 and 3.4).
    """
    if not sampled:
        return 0.0, 0.0, 0.0
    if sampled >= passages:
        total = float(sum(counts))
        return total, total, total
    rest = 1 - sampled / passages
    if not counts:
        return 0.0, 0.0, NONE_SEEN / sampled * passages * rest
    of_each = np.zeros(max(sampled, len(counts)))
    of_each[: len(counts)] = counts
    mean = float(of_each.mean())
    spread = float(of_each.std(ddof=1)) if len(of_each) > 1 else mean
    error = Z * passages * spread * math.sqrt(rest / len(of_each))
    total = mean * passages
    return total, max(total - error, float(sum(counts))), total + error


def read_price(tokens: str, hourly: float, stated: str) -> Price | None:
    """
    Read a price: of a million tokens read and written as ``0.15/0.60``, and of an hour.

    Raises
    ------
    UserError
        When it is written in another way.
    """
    if not tokens and not hourly:
        return None
    try:
        prompt, completion = (float(part) for part in tokens.split("/")) if tokens else (0.0, 0.0)
        date.fromisoformat(stated or "2000-01-01")
    except ValueError:
        raise UserError("write --price as 0.15/0.60 and --stated as 2026-11-29") from None
    return Price(prompt, completion, hourly, stated or date.today().isoformat())
