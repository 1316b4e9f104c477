"""Requests, tokens and money of each stage, per row handed off."""

from collections.abc import Mapping
from math import floor, log10
from typing import Any, NamedTuple

from datagen.report import charts
from datagen.store.record import StageRecord

Records = list[StageRecord]


class StageCost(NamedTuple):
    """
    The cost of a stage's answers, including reused ones.

    Parameters
    ----------
    stage, role
        The stage, and the role of its model.
    rows
        Input rows with requests.
    answers, prompt_tokens, completion_tokens
        Totals.
    cached
        Share of the prompt tokens from the prefix cache.
    per_second
        Rows per second in this run; None if all answers were stored.
    money
        Price of the answers; None if the recipe states no price for the role, or the hours are unknown.
    """

    stage: str
    role: str
    rows: int
    answers: int
    prompt_tokens: int
    completion_tokens: int
    cached: float
    per_second: float | None
    money: float | None


class Costs(NamedTuple):
    """
    The costs of a run.

    Parameters
    ----------
    stages
        One per stage with requests.
    kept
        Rows handed off.
    currency, terms
        Currency of the prices, and the prices as text; empty if the recipe states none.
    """

    stages: list[StageCost]
    kept: int
    currency: str
    terms: str

    @property
    def money(self) -> float | None:
        """The sum over all stages; None if the price of one is unknown."""
        amounts = [stage.money for stage in self.stages]
        known = [amount for amount in amounts if amount is not None]
        return sum(known) if len(known) == len(amounts) else None

    def per_row(self, amount: float | None) -> str:
        """Format an amount of money per row handed off, with three significant digits."""
        return "" if amount is None or not self.kept else money(amount / self.kept)


def costs(manifest: Mapping[str, Any], records: Records) -> Costs:
    """Compute the cost of each stage at the prices that the recipe states."""
    recipe = manifest["recipe"]
    prices = recipe.get("prices") or {}
    stages = [
        _stage(record, _price(record["model"]["role"], recipe))
        for record in records
        if record.get("cost", {}).get("rows")
    ]
    kept = records[-1]["rows_out"] if records else 0
    currency = next((price["currency"] for price in prices.values()), "")
    return Costs(stages, kept, currency, "; ".join(_terms(role, price) for role, price in prices.items()))


def cost_chart(records: Records) -> charts.Chart | None:
    """Draw the completion tokens of each stage per handed-off row."""
    rows = records[-1]["rows_out"] if records else 0
    costly = [record for record in records if record.get("cost", {}).get("completion_tokens")]
    if not rows or not costly:
        return None
    values = [
        {"stage": record["stage"], "tokens": round(record["cost"]["completion_tokens"] / rows, 1)}
        for record in costly
    ]
    caption = "Completion tokens of a stage divided by the rows handed off. Stages may share answers"
    return charts.bars("Completion tokens per handed-off row", caption, values, "stage", "tokens")


def money(amount: float) -> str:
    """Format an amount with at least two decimals and three significant digits, never as a power of ten."""
    digits = 2 if not amount else max(2, 2 - floor(log10(abs(amount))))
    return f"{amount:,.{digits}f}"


def _stage(record: StageRecord, price: Mapping[str, Any] | None) -> StageCost:
    cost = record["cost"]
    return StageCost(
        record["stage"],
        record["model"]["role"],
        cost["rows"],
        cost["completions"],
        cost["prompt_tokens"],
        cost["completion_tokens"],
        cost["cached_tokens"] / max(cost["prompt_tokens"], 1),
        cost["rows"] / record["seconds"] if record["seconds"] and record.get("pace") else None,
        None if price is None else _money(record, price),
    )


def _money(record: Mapping[str, Any], price: Mapping[str, Any]) -> float | None:
    """Return the price of a stage's answers; hours are those that all of them take at this run's pace."""
    cost, pace = record["cost"], record.get("pace")
    if price["hour"] and not pace:
        return None
    hours = cost["completions"] / pace / 3600 if pace else 0.0
    cached = price["prompt"] if price["cached"] is None else price["cached"]
    tokens = (
        (cost["prompt_tokens"] - cost["cached_tokens"]) * price["prompt"]
        + cost["cached_tokens"] * cached
        + cost["completion_tokens"] * price["completion"]
    )
    return float(tokens / 1e6 + hours * price["hour"])


def _price(role: str, recipe: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Find the price of a role's model: its own, or that of the role that it refers to."""
    prices, models = recipe.get("prices") or {}, recipe.get("models") or {}
    seen = set()
    while role not in prices and isinstance(models.get(role), str) and role not in seen:
        seen.add(role)
        role = models[role]
    return prices.get(role)


def _terms(role: str, price: Mapping[str, Any]) -> str:
    terms = []
    if price["prompt"] or price["completion"]:
        terms.append(f"{price['prompt']:g}/{price['completion']:g} per million input/output tokens")
    if price["cached"] is not None:
        terms.append(f"{price['cached']:g} per million cached ones")
    if price["hour"]:
        terms.append(f"{price['hour']:g} per engine hour")
    stated = f" (as of {price['stated']})" if price["stated"] else ""
    return f"{role}: {price['currency']} {', '.join(terms) or '0'}{stated}"
