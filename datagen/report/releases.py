"""The table of a recipe's runs."""

from collections.abc import Mapping, Sequence
from typing import Any

import rich.console
from rich import box
from rich.markup import escape
from rich.table import Table

MB = 1e6


def show(name: str, releases: Sequence[Mapping[str, Any]]) -> None:
    """Print the runs of a recipe, the oldest first."""
    table = Table(title=escape(name), title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("run")
    table.add_column("state")
    products = list(releases[0]["rows"]) if releases else []
    for column in [*products, "kept", "own MB"]:
        table.add_column(column, justify="right")
    for release in releases:
        kept = "" if release["kept"] is None else f"{release['kept']:.0%}"
        rows = (f"{release['rows'][product]:,}" for product in products)
        mark = " [green](latest)[/]" if release["latest"] else ""
        size = f"{release['own_bytes'] / MB:,.1f}"
        table.add_row(escape(release["run"]) + mark, escape(release["state"]), *rows, kept, size)
    rich.console.Console(highlight=False).print(table)
