"""Print a plan."""

from collections.abc import Iterator

from rich.markup import escape
from rich.table import Table

from datagen.json_types import JsonObject
from datagen.recipe.prices import money
from datagen.report.terminal import LOOK, output


def show(plan: JsonObject) -> None:
    """Print a plan: stages, products with intervals, and cost."""
    out = output()
    table = Table(title=escape(f"{plan['recipe']}: plan based on {plan['basis']}"), **LOOK)
    table.add_column("stage")
    for name in ("in", "out", "requests", "stored", "tokens in", "tokens out", "hours"):
        table.add_column(name, justify="right")
    if plan["currency"]:
        table.add_column(plan["currency"], justify="right")
    table.add_column("reused from", no_wrap=True)
    for stage in plan["stages"]:
        source = plan["taken_over"].get(stage["stage"])
        table.add_row(
            escape(stage["stage"]),
            f"{stage['rows_in']:,.0f}",
            f"{stage['rows_out']:,.0f}",
            *_requests(stage, plan["currency"]),
            "" if source is None else escape(source) or "new",
        )
    out.print(table)
    table = Table(title="rows", **LOOK)
    for name in ("product", "rows", "95% interval"):
        table.add_column(name, justify="left" if name == "product" else "right")
    for product, (rows, low, high) in plan["products"].items():
        table.add_row(product, f"{rows:,.0f}", f"{low:,.0f} to {high:,.0f}")
    out.print(table)
    for line in [*_by_model(plan), _sum(plan), _cost(plan)]:
        out.print(line, markup=False, soft_wrap=True)
    if not plan["current"]:
        out.print(
            "The corpus, the recipe, a prompt, a model or datagen has changed since, so the plan may be "
            "far off. Run a new pilot with --pilot",
            style="yellow",
            soft_wrap=True,
        )


def _requests(stage: JsonObject, currency: str) -> list[str]:
    """Format requests, stored answers, tokens, hours and cost; "" for each in a stage without a model."""
    amounts = [stage[name] for name in ("requests", "stored", "prompt_tokens", "completion_tokens")]
    hours = None if stage["seconds"] is None else stage["seconds"] / 3600
    cells = [*(f"{amount:,.0f}" for amount in amounts), "unknown" if hours is None else f"{hours:.2f}"]
    if currency:
        cells.append("unknown" if stage["cost"] is None else money(stage["cost"]))
    return cells if stage["model"] else [""] * len(cells)


def _by_model(plan: JsonObject) -> Iterator[str]:
    for model in dict.fromkeys(stage["model"] for stage in plan["stages"] if stage["model"]):
        stages = [stage for stage in plan["stages"] if stage["model"] == model]
        requests, tokens_in, tokens_out = (
            sum(stage[name] for stage in stages)
            for name in ("requests", "prompt_tokens", "completion_tokens")
        )
        yield f"{model}: {requests:,.0f} requests, {tokens_in:,.0f} tokens in, {tokens_out:,.0f} tokens out"


def _sum(plan: JsonObject) -> str:
    total = plan["total"]
    lines = [
        f"{plan['documents']:,} documents, {plan['passages']:,} passages ({plan['sampled']:,} in the basis)",
        f"{total['to_ask']:,.0f} of {total['requests']:,.0f} requests to send",
        f"{total['prompt_tokens']:,.0f} input tokens, {total['completion_tokens']:,.0f} output tokens",
    ]
    hours = total["hours"]
    lines.append("hours unknown" if hours is None else f"{hours:.2f} engine hours at the pace of the basis")
    return "; ".join(lines)


def _cost(plan: JsonObject) -> str:
    """Describe the total cost and the prices; name stages whose cost is unknown."""
    if not plan["currency"]:
        return "no cost: the recipe states no `prices`"
    cost = plan["total"]["cost"]
    if cost is not None:
        return f"cost {plan['currency']} {money(cost)} ({plan['terms']})"
    unknown = ", ".join(stage["stage"] for stage in plan["stages"] if stage["cost"] is None)
    return f"cost unknown: no price or no hours for {unknown} ({plan['terms']})"
