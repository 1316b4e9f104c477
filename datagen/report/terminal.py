"""Where text output is printed, and the look of its tables."""

from typing import Literal, TypedDict

import rich.console
from rich import box

WIDTH = 118  # of tables without a terminal


class Look(TypedDict):
    """Options of a table."""

    title_justify: Literal["left"]
    title_style: str
    box: box.Box
    pad_edge: bool


LOOK = Look(title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)


def output(to_stderr: bool = False) -> rich.console.Console:
    """Open stdout or stderr: as wide as the terminal, or `WIDTH` without one."""
    out = rich.console.Console(highlight=False, stderr=to_stderr)
    if not out.is_terminal:
        out.width = WIDTH
    return out
