"""Print a plan."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.markup import escape
from rich.table import Table

from datagen.report.terminal import LOOK, output


def show(plan: Mapping[str, Any]) -> None:
    """Print a plan: stages, products with intervals, and cost."""
    out = output()
    table = Table(title=escape(f"{plan['recipe']}: plan based on {plan['basis']}"), **LOOK)
    table.add_column("stage")
    for name in ("in", "out", "requests", "stored", "tokens in", "tokens out"):
        table.add_column(name, justify="right")
    table.add_column("result")
    for stage in plan["stages"]:
        amounts = [stage[name] for name in ("requests", "stored", "prompt_tokens", "completion_tokens")]
        source = plan["taken_over"].get(stage["stage"])
        table.add_row(
            escape(stage["stage"]),
            f"{stage['rows_in']:,.0f}",
            f"{stage['rows_out']:,.0f}",
            *(f"{amount:,.0f}" if stage["model"] else "" for amount in amounts),
            "" if source is None else escape(f"reused from {source}") if source else "new",
        )
    out.print(table)
    table = Table(title="rows", **LOOK)
    for name in ("product", "rows", "95% interval"):
        table.add_column(name, justify="left" if name == "product" else "right")
    for product, (rows, low, high) in plan["products"].items():
        table.add_row(product, f"{rows:,.0f}", f"{low:,.0f} to {high:,.0f}")
    out.print(table)
    for line in [*_by_model(plan), _sum(plan)]:
        out.print(line, markup=False, soft_wrap=True)
    if not plan["current"]:
        out.print(
            "The corpus, the recipe, a prompt, a model or datagen has changed since, so the plan may be "
            "far off. Run a new pilot with --pilot",
            style="yellow",
            soft_wrap=True,
        )


def _by_model(plan: Mapping[str, Any]) -> Iterator[str]:
    for model in dict.fromkeys(stage["model"] for stage in plan["stages"] if stage["model"]):
        stages = [stage for stage in plan["stages"] if stage["model"] == model]
        requests, tokens_in, tokens_out = (
            sum(stage[name] for stage in stages)
            for name in ("requests", "prompt_tokens", "completion_tokens")
        )
        yield f"{model}: {requests:,.0f} requests, {tokens_in:,.0f} tokens in, {tokens_out:,.0f} tokens out"


def _sum(plan: Mapping[str, Any]) -> str:
    total = plan["total"]
    lines = [
        f"{plan['documents']:,} documents, {plan['passages']:,} passages ({plan['sampled']:,} in the basis)",
        f"{total['to_ask']:,.0f} of {total['requests']:,.0f} requests to send",
        f"{total['prompt_tokens']:,.0f} input tokens, {total['completion_tokens']:,.0f} output tokens",
    ]
    lines.append("hours unknown" if total["hours"] is None else f"{total['hours']:.2f} engine hours")
    if (price := plan["price"]) is not None:
        cost = "unknown" if total["cost"] is None else f"{total['cost']:,.2f}"
        terms = f"{price['prompt']:g}/{price['completion']:g} per million tokens, {price['hour']:g} per hour"
        lines.append(f"cost {cost} (at {terms}, as of {price['stated']})")
    return "; ".join(lines)
