"""Findings: what was looked at, what was seen, whether it is in order and how to put it in order."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import rich.console
from rich.markup import escape
from rich.table import Table

MARKS = {True: "[green]✓[/]", False: "[red]✗[/]", None: ""}


@dataclass(frozen=True)
class Finding:
    """
    One line of a diagnosis.

    Parameters
    ----------
    what, found
        What was looked at, and what was seen.
    ok
        Whether it is in order; None for information.
    fix
        What to do when it is not.
    """

    what: str
    found: str
    ok: bool | None = None
    fix: str = ""


def in_order(findings: Iterable[Finding]) -> bool:
    """Tell whether nothing is wrong."""
    return all(finding.ok is not False for finding in findings)


def show(title: str, findings: Iterable[Finding]) -> None:
    """Print findings as a table."""
    table = Table(title=escape(title), title_justify="left", show_header=False)
    for finding in findings:
        fix = f"\n[yellow]{escape(finding.fix)}[/]" if finding.fix and finding.ok is False else ""
        table.add_row(MARKS[finding.ok], escape(finding.what), escape(finding.found) + fix)
    rich.console.Console(highlight=False).print(table)


def as_json(findings: Iterable[Finding]) -> dict[str, Any]:
    """Write findings as plain values: whether all is in order, and each of them."""
    listed = list(findings)
    return {"ok": in_order(listed), "findings": [asdict(finding) for finding in listed]}
