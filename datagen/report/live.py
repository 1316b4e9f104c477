"""The live view of a run: a progress bar or a line for each stage at work, and the funnel of each product."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import rich.console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from datagen.request import Usage
from datagen.schema import KINDS


class Bars(Progress):
    """Progress bars with a line below them."""

    footer = ""

    def get_renderables(self) -> Iterator[rich.console.RenderableType]:
        """Yield the bars and the line."""
        yield from super().get_renderables()
        if self.footer:
            yield Text(self.footer)


def bars(out: rich.console.Console) -> Bars:
    """Create the bars, which are shown only on a terminal."""
    return Bars(
        SpinnerColumn(),
        TextColumn("{task.description:14}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[kept]}"),
        TextColumn("{task.fields[rate]}"),
        TextColumn("{task.fields[occupied]}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
        console=out,
        transient=True,
        disable=not out.is_terminal,
    )


def funnel_line(stages: Mapping[str, tuple[Mapping[str, int], Mapping[str, int]]]) -> str:
    """
    Describe the funnel of each product so far: rows remaining of those generated.

    A product of which nothing was dropped has no share: its examples may not have been judged yet.

    Parameters
    ----------
    stages
        Stage -> product -> examples that it made, or that it dropped from earlier ones.
    """
    made, left = Counter[str](), Counter[str]()
    for made_here, lost_here in list(stages.values()):
        made.update(made_here)
        left.update(made_here)
        left.subtract(lost_here)
    products = [name for name in KINDS.values() if made[name]]
    shares = (
        f"{name} {left[name]:,} of {made[name]:,} ({left[name] / made[name]:.0%})"
        if left[name] < made[name]
        else f"{name} {made[name]:,} (none dropped yet)"
        for name in products
    )
    return f"kept so far: {', '.join(shares)}" if products else ""


@dataclass
class StageProgress:
    """Progress of a stage."""

    name: str
    partitions: int
    bar: TaskID
    done: int = 0
    kept: int = 0
    dropped: int = 0
    under_way: float = 0.0  # share of requests answered, summed over the partitions that are not complete
    usage: Usage = field(default_factory=Usage)
    began: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Elapsed time."""
        return max(time.monotonic() - self.began, 0.1)

    @property
    def pace(self) -> float:
        """Completion tokens per second."""
        return self.usage.completion_tokens / self.seconds

    @property
    def left(self) -> timedelta | None:
        """Estimated remaining time, at the pace so far; None before the first answer or partition."""
        progress = min(self.done + self.under_way, self.partitions)
        remaining = self.seconds * (self.partitions - progress) / progress if progress else None
        return None if remaining is None else timedelta(seconds=round(remaining))

    def line(self, occupied: float | None) -> str:
        """Describe the progress: partitions, kept share, tokens per second, use of the engines, time left."""
        parts = [f"{self.name}: {self.done:,} of {self.partitions:,} partitions done"]
        if rows := self.kept + self.dropped:
            parts.append(f"{self.kept / rows:.0%} kept")
        if self.usage.completions:
            parts += [f"{self.usage.completions:,} answers", f"{self.pace:,.0f} tokens/s"]
            parts += [f"engines {occupied:.0%} busy"] if occupied is not None else []
        started = f"started {timedelta(seconds=round(self.seconds))} ago"
        parts.append(started if self.left is None else f"{self.left} left")
        return ", ".join(parts)
