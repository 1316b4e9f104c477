"""``datagen explain``: a row and its history, in the terminal or as JSON."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import rich.console
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from datagen.errors import UserError
from datagen.json_types import JsonObject
from datagen.look.edit_state import Edits, EditState
from datagen.look.history import Request, Step, Trail
from datagen.look.trail import Trails
from datagen.run.folder import Run, open_run
from datagen.stages.confidence.labels.file import CONTENT, Label, content_key, labels_in
from datagen.stages.confidence.labels.session import labels_of
from datagen.stages.confidence.labels.terminal import CONTROL

TEXTS = ("question", "answer", "rejected", "text", "evidence")
GIST = 100  # characters of a related row


def newest(outputs: Path) -> Run:
    """
    Open the newest finished run of any recipe.

    Raises
    ------
    UserError
        If there is none.
    """
    links = [path for path in outputs.glob("*/latest") if path.exists()]
    if not links:
        raise UserError(f"{outputs} has no finished run. Give one with --run")
    return max(map(open_run, links), key=lambda run: str(run.manifest.get("started")))


def explain(
    run: Run,
    prefix: str,
    as_json: bool,
    out: rich.console.Console | None = None,
    labels: Path | None = None,
) -> None:
    """
    Print a row, its passage, prompt and raw answer, its scores, its label, and what each stage did with it.

    Parameters
    ----------
    run
        The run.
    prefix
        The row's id, or its first characters.
    as_json
        Print JSON.
    out
        Prints; None: in the terminal.
    labels
        The file of labels; None: ``labels.jsonl`` in the run's folder, if there is one.

    Raises
    ------
    UserError
        If no row, or more than one, has an id that begins with `prefix`, or the labels cannot be read.
    """
    out = out or rich.console.Console(highlight=False)
    trails = Trails(run)
    trail = trails.follow(trails.find_id(prefix))
    requests = trails.requests(trail.requests)
    row = trail.row
    by_key = labels_in([labels]) if labels else labels_of(run.folder / "labels.jsonl")
    label = by_key.get(row["id"]) or by_key.get(content_key(*(row.get(name) for name in CONTENT)), {})
    edit_state = Edits(run).state(row["id"], label, trail.last)
    if as_json:
        details = to_json(trail, requests) | {"verdict": label.get("verdict")}
        state, reason = edit_state or ("", "")
        details |= {"edit": label.get("edit", {}), "edit_state": state, "edit_reason": reason}
        out.print(Text(json.dumps(details, ensure_ascii=False, indent=2)), soft_wrap=True)
        return
    _print(out, trail, requests, label, edit_state)


def _print(
    out: rich.console.Console,
    trail: Trail,
    requests: list[Request],
    label: Label,
    edit_state: EditState | None,
) -> None:
    """Print a row and its history."""
    row = trail.row
    lineage = row.get("lineage") or {}
    out.print(Rule(_text(f"{row['id']} · {row.get('kind') or 'question'}, {row['task']}")))
    if source := lineage.get("source"):
        start, end = lineage.get("start"), lineage.get("end")
        out.print(_text(source if start is None else f"{source}, characters {start} to {end}"))
    last = trail.steps[-1]
    dropped = last.outcome == "dropped"
    why = f": {_why(last)}" if dropped else ""
    out.print(_text(f"{last.outcome} by {last.stage}{why}", "red" if dropped else "green"))
    if "verdict" in label:
        _section(out, "verdict", _text(label["verdict"]))
    if edit_state:
        _section(out, "edit", _text(edit_state.summary))
    _print_texts(out, trail, label.get("edit", {}), edit_state.state if edit_state else "")
    if trail.passage:
        _section(
            out,
            "passage",
            Text.assemble(*((_printable(text), "reverse" if m else "") for text, m in trail.passage)),
        )
    _section(out, "stages", _steps(trail.steps))
    for number, request in enumerate(requests, 1):
        _section(
            out,
            f"request {number} of {len(requests)}: {request.prompt or 'prompt not stored'}",
            _conversation(request),
        )
    if trail.related:
        _section(out, "related rows", _related(trail))


def _print_texts(out: rich.console.Console, trail: Trail, edit: Mapping[str, str], state: str) -> None:
    """Print the texts of a row, each with its former and its new text; `state` is that of the edit."""
    row = trail.row
    for turn in trail.earlier_turns:
        _section(out, f"earlier message, {turn.get('role')}", _text(str(turn.get("content"))))
    for name in TEXTS:
        if row.get(name):
            _section(out, name, _text(row[name]))
        if name in trail.original:
            _section(out, f"{name} before the edit", _text(trail.original[name]))
        if edit.get(name, row.get(name)) != row.get(name):
            _section(out, f"new {name}, {state}", _text(edit[name]))


def to_json(trail: Trail, requests: list[Request]) -> JsonObject:
    """Convert a trail and its requests to plain values for JSON."""
    return {
        "row": trail.row,
        "passage": [{"text": text, "evidence": marked} for text, marked in trail.passage],
        "stages": [asdict(step) for step in trail.steps],
        "requests": [asdict(request) for request in requests],
        "earlier_turns": trail.earlier_turns,
        "original": trail.original,
        "related": [
            dict(zip(("relation", "id", "stage", "text"), other, strict=True)) for other in trail.related
        ],
    }


def _section(out: rich.console.Console, title: str, body: rich.console.RenderableType) -> None:
    out.print(_text(f"\n{title}", "bold"))
    out.print(body)


def _steps(steps: list[Step]) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for step in steps:
        scores = "  ".join(f"{name} {value:.3g}" for name, value in step.scores.items())
        style = {"dropped": "red", "kept": "green", "edited": "yellow"}.get(step.outcome, "")
        table.add_row(_text(step.stage), _text(step.outcome, style), _text(_why(step) or scores))
    return table


def _why(step: Step) -> str:
    return ": ".join(part for part in (step.reason, step.detail) if part)


def _conversation(request: Request) -> Text:
    roles = [(f"{message.get('role')}\n", "dim") for message in request.messages]
    turns = zip(
        roles, (f"{_printable(str(message.get('content')))}\n" for message in request.messages), strict=True
    )
    answer = request.answer or "not stored"
    ending = ("answer", f" from {request.model}, {request.finish}") if request.model else ("answer", "")
    return Text.assemble(
        *(part for turn in turns for part in turn),
        (_printable("".join(ending)) + "\n", "dim"),
        _printable(answer),
    )


def _related(trail: Trail) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for relation, id_, stage, text in trail.related:
        gist = " ".join(text.split())
        short = gist if len(gist) <= GIST else gist[:GIST] + " …"
        table.add_row(relation, id_[:12], _text(stage), _text(short))
    return table


def _text(text: str, style: str = "") -> Text:
    return Text(_printable(text), style)


def _printable(text: str) -> str:
    """Replace control characters."""
    return CONTROL.sub("�", text)
