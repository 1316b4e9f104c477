"""The table of a plan."""

from collections.abc import Mapping
from typing import Any

import rich.console
from rich import box
from rich.markup import escape
from rich.table import Table


def show(plan: Mapping[str, Any]) -> None:
    """Print a plan: each stage, each product with its interval, and what is to be paid."""
    out = rich.console.Console(highlight=False)
    look: dict[str, Any] = {"title_justify": "left", "box": box.SIMPLE_HEAD}
    table = Table(title=escape(f"{plan['recipe']}: plan by {plan['basis']}"), **look)
    table.add_column("stage")
    for name in ("in", "out", "requests", "stored", "tokens read", "written"):
        table.add_column(name, justify="right")
    table.add_column("would be")
    for stage in plan["stages"]:
        asked = [stage[name] for name in ("requests", "stored", "prompt_tokens", "completion_tokens")]
        taken = plan["taken_over"].get(stage["stage"])
        table.add_row(
            escape(stage["stage"]),
            f"{stage['rows_in']:,.0f}",
            f"{stage['rows_out']:,.0f}",
            *(f"{amount:,.0f}" if stage["model"] else "" for amount in asked),
            "" if taken is None else escape(f"taken from {taken}") if taken else "made",
        )
    out.print(table)
    table = Table(title="rows", **look)
    for name in ("product", "rows", "95% interval"):
        table.add_column(name, justify="left" if name == "product" else "right")
    for product, (rows, low, high) in plan["products"].items():
        table.add_row(product, f"{rows:,.0f}", f"{low:,.0f} to {high:,.0f}")
    out.print(table)
    out.print(_sum(plan), markup=False, soft_wrap=True)
    if not plan["current"]:
        out.print(
            "The recipe, a prompt or a model has changed since; run a pilot again with --pilot",
            style="yellow",
        )


def _sum(plan: Mapping[str, Any]) -> str:
    total = plan["total"]
    said = [
        f"{plan['documents']:,} documents, {plan['passages']:,} passages ({plan['sampled']:,} in the basis)",
        f"{total['to_ask']:,.0f} of {total['requests']:,.0f} requests to ask",
        f"{total['prompt_tokens']:,.0f} tokens to read, {total['completion_tokens']:,.0f} to write",
    ]
    said.append("hours unknown" if total["hours"] is None else f"{total['hours']:.2f} engine hours")
    if (price := plan["price"]) is not None:
        cost = "unknown" if total["cost"] is None else f"{total['cost']:,.2f}"
        terms = f"{price['prompt']:g}/{price['completion']:g} a million tokens, {price['hour']:g} an hour"
        said.append(f"cost {cost} (at {terms}, stated {price['stated']})")
    return "; ".join(said)
