"""Print a preview: each prompt side by side with the raw answer, the verdict and the row."""

from collections import Counter
from collections.abc import Iterable

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from datagen.run.preview import Look


def show(looks: Iterable[Look], console: Console | None = None) -> None:
    """Print each request with its outcome as it arrives, then the number of kept rows per task."""
    out = console or Console(highlight=False)
    counts, kept = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for look in looks:
        request = look.answer.request
        name = (look.stage, request.task)
        counts[name] += 1
        kept[name] += look.verdict == "kept"
        table = Table(box=box.SQUARE, expand=True, show_lines=True, title_justify="left")
        table.add_column(f"{escape(look.stage)}: {escape(request.task)}", ratio=1)
        table.add_column(escape(_verdict(look)), ratio=1, style="green" if look.verdict == "kept" else "")
        table.add_row(escape(_prompt(look)), escape(_outcome(look)))
        out.print(table)
    summary = Table(title="kept rows by task", title_justify="left")
    for heading in ("stage", "task"):
        summary.add_column(heading)
    for heading in ("requests", "kept"):
        summary.add_column(heading, justify="right")
    for stage, task in sorted(counts):
        if kept[stage, task] or task != "round_trip":
            summary.add_row(stage, task, str(counts[stage, task]), str(kept[stage, task]))
    out.print(summary)


def _verdict(look: Look) -> str:
    if look.verdict in ("", "kept"):
        return look.verdict or "confirms another answer"
    return f"dropped: {look.verdict}"


def _prompt(look: Look) -> str:
    return "\n\n".join(f"{turn['role']}:\n{turn['content']}" for turn in look.answer.request.messages)


def _outcome(look: Look) -> str:
    completion = look.answer.completion
    parts = [f"answer ({completion.finish}):\n{completion.text or completion.error}"]
    if look.detail:
        parts.append(f"detail:\n{look.detail}")
    if look.row:
        fields = "\n".join(f"{name}: {value}" for name, value in look.row.items() if name != "prompt")
        parts.append(f"row:\n{fields}")
    return "\n\n".join(parts)
