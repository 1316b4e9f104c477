"""Requests, tokens and money of each stage, per row handed off."""

from typing import NamedTuple

from datagen.json_types import JsonObject
from datagen.recipe.prices import currency_of, describe, money, price_of
from datagen.recipe.sections import Price
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


def costs(manifest: JsonObject, records: Records) -> Costs:
    """Compute the cost of each stage at the prices that the recipe states."""
    recipe = manifest["recipe"]
    prices = {role: Price.model_validate(price) for role, price in (recipe.get("prices") or {}).items()}
    stages = [
        _stage(record, price_of(record["model"]["role"], prices, recipe.get("models") or {}))
        for record in records
        if record.get("cost", {}).get("rows")
    ]
    kept = records[-1]["rows_out"] if records else 0
    currency = currency_of(prices)
    return Costs(stages, kept, currency, describe(prices))


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


def _stage(record: StageRecord, price: Price | None) -> StageCost:
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


def _money(record: StageRecord, price: Price) -> float | None:
    """Return the price of a stage's answers; hours are those that all of them take at this run's pace."""
    cost, pace = record["cost"], record.get("pace")
    hours = cost["completions"] / pace / 3600 if pace else None
    return price.of(cost["prompt_tokens"], cost["cached_tokens"], cost["completion_tokens"], hours)
