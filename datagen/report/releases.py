"""Print the runs of a recipe."""

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from datagen.json_types import JsonObject
from datagen.report.terminal import LOOK, output

MB = 1e6


def show(name: str, releases: Sequence[JsonObject]) -> None:
    """Print the runs of a recipe, oldest first."""
    table = Table(title=escape(name), padding=0, **LOOK)  # fits into 80 columns
    table.add_column("run", no_wrap=True)
    table.add_column("state", no_wrap=True)
    products = list(releases[0]["rows"]) if releases else []
    for column in [*products, "kept", "MB"]:
        table.add_column(column, justify="right")
    for release in releases:
        kept = "" if release["kept"] is None else f"{release['kept']:.0%}"
        counts = map(release["rows"].get, products)
        rows = ("?" if count is None else f"{count:,}" for count in counts)
        size = f"{release['own_bytes'] / MB:,.1f}"
        state = "[green]latest[/]" if release["latest"] else escape(_state(release["state"]))
        table.add_row(escape(release["run"]), state, *rows, kept, size)
    out = output()
    out.print(table)
    for release in releases:
        state, _, why = release["state"].partition(": ")
        if why:
            out.print(f"{release['run']} {state}: {why}", markup=False, soft_wrap=True)


def _state(state: str) -> str:
    """Shorten a state; a run that was killed still says that it is running, so call it unfinished."""
    name = state.partition(":")[0]
    return "unfinished" if name == "running" else name
