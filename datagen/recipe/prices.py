"""Prices of answers by role, as stated in a recipe or on the command line."""

from collections.abc import Mapping
from datetime import date
from math import floor, log10

from datagen.errors import UserError
from datagen.recipe.roles import Models
from datagen.recipe.sections import Price

Prices = Mapping[str, Price]  # by role


def price_of(role: str, prices: Prices, models: Mapping[str, object]) -> Price | None:
    """
    Find the price of a role's model: its own, or that of the role that it refers to.

    Parameters
    ----------
    role
        Name of a role.
    prices
        Prices by role.
    models
        Role -> model, or the name of another role.
    """
    seen = set()
    while role not in prices and role not in seen:
        seen.add(role)
        reference = models.get(role)
        if not isinstance(reference, str):
            return None
        role = reference
    return prices.get(role)


def currency_of(prices: Prices) -> str:
    """Return the currency of prices; "" if there are none."""
    return next((price.currency for price in prices.values()), "")


def describe(prices: Prices) -> str:
    """Describe prices with their dates; roles with the same price share an entry."""
    roles: dict[str, list[str]] = {}
    for role, price in prices.items():
        roles.setdefault(price.terms, []).append(role)
    return "; ".join(f"{', '.join(names)}: {price}" for price, names in roles.items())


def money(amount: float) -> str:
    """Format an amount with at least two decimals and three significant digits, never as a power of ten."""
    digits = 2 if not amount else max(2, 2 - floor(log10(abs(amount))))
    return f"{amount:,.{digits}f}"


def read_price(tokens: str, hourly: float, stated: str) -> Price | None:
    """
    Parse a price: per million input/output tokens, such as ``0.15/0.60``, and per hour.

    Parameters
    ----------
    tokens, hourly
        "" and 0 for no price.
    stated
        Date of the price; "" for today.

    Raises
    ------
    UserError
        If the format is invalid.
    """
    if not tokens and not hourly:
        if stated:
            raise UserError("--stated is the date of a price: give --price or --hourly too")
        return None
    try:
        prompt, completion = (float(part) for part in tokens.split("/")) if tokens else (0.0, 0.0)
        day = date.fromisoformat(stated) if stated else date.today()
        return Price(prompt=prompt, completion=completion, hour=hourly, stated=day.isoformat())
    except ValueError:  # includes those of pydantic: negative, infinite
        raise UserError("write --price as 0.15/0.60 and --stated as 2026-11-29") from None


def for_all(price: Price, models: Models) -> dict[str, Price]:
    """Give every role the same price."""
    return dict.fromkeys(models.roles, price)
