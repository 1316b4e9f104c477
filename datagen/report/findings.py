"""Findings of a check: the item, the result, whether it is all right, and the fix."""

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
        The item checked, and the result.
    ok
        Whether it is all right; None for information.
    fix
        What to do if it is not.
    """

    what: str
    found: str
    ok: bool | None = None
    fix: str = ""


def in_order(findings: Iterable[Finding]) -> bool:
    """Check that no finding is a problem."""
    return all(finding.ok is not False for finding in findings)


def show(title: str, findings: Iterable[Finding]) -> None:
    """Print findings as a table."""
    table = Table(title=escape(title), title_justify="left", show_header=False)
    for finding in findings:
        fix = f"\n[yellow]{escape(finding.fix)}[/]" if finding.fix and finding.ok is False else ""
        table.add_row(MARKS[finding.ok], escape(finding.what), escape(finding.found) + fix)
    rich.console.Console(highlight=False).print(table)


def as_json(findings: Iterable[Finding]) -> dict[str, Any]:
    """Convert findings to plain values for JSON, with a summary."""
    listed = list(findings)
    return {"ok": in_order(listed), "findings": [asdict(finding) for finding in listed]}
