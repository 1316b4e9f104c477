"""Terminal output of a run: progress, one line per stage, and tables at the end."""

import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.markup import escape
from rich.table import Table

from datagen.report import planned, promises
from datagen.report.changes import LIST, headline, read_summary
from datagen.report.files import files_by_ending
from datagen.report.languages import warnings
from datagen.report.live import StageProgress, bars, funnel_line
from datagen.report.rows import knowledge_test_rows, products
from datagen.report.terminal import LOOK, output
from datagen.request import Usage
from datagen.run.folder import Run
from datagen.store.record import StageRecord

REASONS_SHOWN = 6
REPORT_SECONDS = 60.0  # interval of progress lines without a terminal


class Console:
    """A watcher that prints the progress of a run."""

    def __init__(self, to_stderr: bool = False) -> None:
        self._out = output(to_stderr)
        self._progress = bars(self._out)
        self._stages: dict[str, StageProgress] = {}  # those in progress
        self._funnel: dict[str, tuple[Mapping[str, int], Mapping[str, int]]] = {}  # stage -> made, lost
        self._occupied: float | None = None
        self._ended = threading.Event()
        self._reporter = threading.Thread(target=self._report_regularly, name="progress", daemon=True)

    def __enter__(self) -> Self:
        self._progress.start()
        if not self._out.is_terminal:
            self._reporter.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._progress.stop()

    def _report_regularly(self) -> None:
        """Print a line per stage, and one about the products, if no progress bar can be shown."""
        while not self._ended.wait(REPORT_SECONDS):
            if lines := [stage.line(self._occupied) for stage in list(self._stages.values())]:
                for line in filter(None, [*lines, funnel_line(self._funnel)]):
                    self._out.print(line, markup=False, soft_wrap=True)

    def joined(self, dashboard: str) -> None:
        """Print the address of the cluster's dashboard, if it has one."""
        if dashboard:
            self._out.print(f"Dask dashboard: {dashboard}", markup=False, soft_wrap=True)

    def begin(self, stage: str, partitions: int) -> None:
        """Show a progress bar for the stage."""
        bar = self._progress.add_task(stage, total=partitions, rate="", kept="", occupied="", left="")
        self._stages[stage] = StageProgress(stage, partitions, bar)

    def advance(self, stage: str, partitions: int, usage: Usage, under_way: float) -> None:
        """Update the progress bar, with the rate of generation."""
        if (progress := self._stages.get(stage)) is None:  # a late message about a stage that has ended
            return
        progress.done, progress.usage, progress.under_way = partitions, usage, under_way
        text = ""
        if usage.completions:
            text = f"{usage.completions:,} answers, {usage.completion_tokens:,} tokens, "
            text += f"{progress.pace:,.0f} tokens/s"
            text += f", {usage.cached_share:.0%} of prompts cached" if usage.cached_tokens else ""
        left = f"{progress.left} left" if progress.left else ""
        self._progress.update(progress.bar, completed=partitions, rate=text, left=left)

    def judged(self, stage: str, kept: int, dropped: int) -> None:
        """Record the rows kept so far, and show their share."""
        if progress := self._stages.get(stage):
            progress.kept, progress.dropped = kept, dropped
            share = f"{kept / (kept + dropped):.0%} kept" if kept + dropped else ""
            self._progress.update(progress.bar, kept=share)

    def funnel(self, stage: str, made: Mapping[str, int], lost: Mapping[str, int]) -> None:
        """Show the rows of each product so far."""
        self._funnel[stage] = (made, lost)
        self._progress.footer = funnel_line(self._funnel)

    def occupied(self, share: float) -> None:
        """Show how busy the engines are, at every stage that uses them."""
        self._occupied = share
        for stage in list(self._stages.values()):
            if stage.usage.completions:
                self._progress.update(stage.bar, occupied=f"engines {share:.0%} busy")

    def end(self, record: StageRecord, resumed: bool) -> None:
        """Remove the stage's progress bar and print its result."""
        if ended := self._stages.pop(record["stage"], None):
            self._progress.remove_task(ended.bar)
        self.funnel(record["stage"], record.get("made", {}), record.get("lost", {}))
        self._out.print(_line(record, resumed))
        for message in [*record.get("damage", []), *record.get("notices", [])]:
            self._out.print(f"[yellow]{escape(message)}[/]", soft_wrap=True)

    def summarize(self, run: Run) -> None:
        """Print tables of stages, files and products, notices, and the paths of the results."""
        self._out.print(stage_table(run))
        for record in run.stage_records():
            if endings := files_by_ending(record.get("figures", {})):
                self._out.print(ending_table(endings))
        self._out.print(product_table(run))
        for record in run.stage_records():
            for notice in record.get("notices", []):
                self._out.print(f"[yellow]{record['stage']}: {escape(notice)}[/]", soft_wrap=True)
        for line in promises.lines(run):
            self._out.print(f"promised  {line}", markup=False, soft_wrap=True)
        for warning in warnings(run):
            self._out.print(warning, style="yellow", markup=False, soft_wrap=True)
        if changes := read_summary(run.folder):
            self._out.print(headline(changes), markup=False, soft_wrap=True)
        if outcome := planned.read_outcome(run.folder):
            for line in planned.lines(outcome):
                self._out.print(line, markup=False, soft_wrap=True)
        for name, path in (("hand-off", "handoff"), ("report", "report.html"), ("changes", LIST)):
            if (run.folder / path).exists():
                self._out.print(f"{name:9} {run.folder / path}", markup=False, soft_wrap=True)


def _line(record: StageRecord, resumed: bool) -> str:
    text = f"[bold]{escape(record['stage']):14}[/] {record['rows_in']:>7,} → {record['rows_out']:>7,}"
    if dropped := sum(record["dropped"].values()):
        text += f"  {dropped:,} dropped"
    if requests := record.get("requests"):
        text += f"  {requests['completions']:,} new answers, {requests['reused']:,} reused"
    if source := record.get("taken_over"):
        return f"{text}  [dim]unchanged since {escape(source)}[/]"
    return text + ("  [dim](done before)[/]" if resumed else f"  [dim]{record['seconds']:.1f} s[/]")


def stage_table(run: Run) -> Table:
    """
    Tabulate rows in, out and dropped with reasons, new and reused answers, tokens and seconds.

    Tokens are completion tokens; cached is the share of prompt tokens from the prefix cache.
    """
    table = Table(title=escape(f"{run.manifest['recipe']['name']}, run {run.folder.name}"), **LOOK)
    table.add_column("stage")
    for name in ("in", "out", "dropped"):
        table.add_column(name, justify="right")
    table.add_column("why", ratio=1)
    for name in ("answers", "reused", "tokens", "cached", "seconds"):
        table.add_column(name, justify="right")
    for record in run.stage_records():
        requests = record.get("requests")
        table.add_row(
            escape(record["stage"]),
            f"{record['rows_in']:,}",
            f"{record['rows_out']:,}",
            f"{sum(record['dropped'].values()):,}",
            escape(reasons(record["dropped"])),
            f"{requests['completions']:,}" if requests else "",
            f"{requests['reused']:,}" if requests else "",
            f"{requests['completion_tokens']:,}" if requests else "",
            _cached_share(requests) if requests else "",
            f"{record['seconds']:.1f}",
        )
    return table


def ending_table(endings: Mapping[str, tuple[int, Mapping[str, int]]]) -> Table:
    """Tabulate the corpus's files, read and not read, by extension."""
    table = Table(title="files", **LOOK)
    table.add_column("ending")
    table.add_column("read", justify="right")
    table.add_column("not read", justify="right")
    table.add_column("why", ratio=1)
    for ending, (read, dropped) in endings.items():
        why = escape(reasons(dict(dropped)))
        table.add_row(escape(ending), f"{read:,}", f"{sum(dropped.values()):,}", why)
    return table


def _cached_share(requests: dict[str, int]) -> str:
    """Format the share of a stage's prompt tokens that came from the prefix cache."""
    prompt_tokens = requests["prompt_tokens"]
    return f"{requests['cached_tokens'] / prompt_tokens:.0%}" if prompt_tokens else ""


def reasons(dropped: dict[str, int]) -> str:
    """Format the most frequent reasons with their counts."""
    shown = [f"{count:,} {reason}" for reason, count in list(dropped.items())[:REASONS_SHOWN]]
    if (rest := len(dropped) - REASONS_SHOWN) > 0:
        shown.append(f"{rest} more reasons")
    return ", ".join(shown)


def product_table(run: Run) -> Table:
    """Tabulate the rows of the hand-off by product and split."""
    table = Table(title="hand-off", **LOOK)
    table.add_column("product")
    table.add_column("split")
    table.add_column("rows", justify="right")
    for product, splits in products(run).items():
        for split, rows in splits.items() or {"": 0}.items():
            table.add_row(product, split, f"{rows:,}")
    if rows := knowledge_test_rows(run):
        table.add_row("knowledge test", "", f"{rows:,}")
    return table


def show_measures(report: Mapping[str, Mapping[str, Mapping[str, float | None]]]) -> None:
    """Print measures of models: set -> model -> measure -> share, None if nothing was counted."""
    out = output()
    for name, models in report.items():
        table = Table(title=escape(name), **LOOK)
        table.add_column("")
        for model in models:
            table.add_column(escape(model), justify="right")
        for measure in next(iter(models.values())):
            values = (measures[measure] for measures in models.values())
            table.add_row(measure, *("-" if value is None else f"{value:.3f}" for value in values))
        out.print(table)
