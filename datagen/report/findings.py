"""Findings of a check: the item, the result, whether it is all right, and the fix."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import rich.console
from rich.markup import escape

from datagen.json_types import JsonObject

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
    """Print each finding on one line of any length, so that a log can be searched."""
    out = rich.console.Console(highlight=False)
    out.print(f"[bold]{escape(title)}[/]", soft_wrap=True)
    listed = list(findings)
    width = max((len(finding.what) for finding in listed), default=0)
    for finding in listed:
        fix = f" [yellow]({escape(finding.fix)})[/]" if finding.fix and finding.ok is False else ""
        mark = MARKS[finding.ok] or " "
        out.print(f"{mark} {escape(f'{finding.what:{width}}')}  {escape(finding.found)}{fix}", soft_wrap=True)


def as_json(findings: Iterable[Finding]) -> JsonObject:
    """Convert findings to plain values for JSON, with a summary."""
    listed = list(findings)
    return {"ok": in_order(listed), "findings": [asdict(finding) for finding in listed]}
