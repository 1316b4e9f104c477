"""``datagen label``: the rows of a run that want a verdict, in the terminal or as a page."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import rich.console
import typer

from datagen.errors import UserError
from datagen.stages.confidence import calibrate
from datagen.stages.confidence.labels import draw, file, page, terminal
from datagen.store.parquet import parts, read_part

STAGES = ("calibrate", "score")  # whose table is looked at: the first of these that the run has
SPREAD_BY = ("confidence", "p_true", "logprob")  # the score by which rows to learn from are spread


class Run(Protocol):
    """What is needed of a run (`datagen.run.folder.Run`)."""

    @property
    def folder(self) -> Path:
        """The run's folder."""

    @property
    def manifest(self) -> Mapping[str, Any]:
        """Its manifest."""

    def stage_folder(self, name: str) -> Path:
        """Where a stage's table is."""

    def stage_record(self, name: str) -> Mapping[str, Any] | None:
        """What a stage's ``stage.json`` says; None while the stage is not complete."""


def label(
    run: Run,
    labels: Path | None,
    most: int,
    as_page: Path | None,
    stage: str = "",
    key: Callable[[], str] = typer.getchar,
    out: rich.console.Console | None = None,
) -> None:
    """
    Draw rows of a run and have them judged.

    Parameters
    ----------
    run
        The run.
    labels
        The file of labels, which is gone on with. None: ``labels.jsonl`` in the run's folder.
    most
        Rows of each kind or task that has a promise, those included that have been judged.
    as_page
        Write a page there instead of asking in the terminal.
    stage
        Whose table; where it is empty, the first of `STAGES` that the run has.
    key, out
        Waits for a key; prints.

    Raises
    ------
    UserError
        When there is no such table, or a line of the file is no label.
    """
    out = out or rich.console.Console(highlight=False)
    path = labels or run.folder / "labels.jsonl"
    known = labels_of(path)
    rows, left = queue(run, known, most, stage)
    if as_page:
        page.write(left, f"{run.manifest['recipe']['name']}, run {run.folder.name}", as_page)
        out.print(f"{len(left)} rows to judge: {as_page}", soft_wrap=True)
        return

    def save(row: Mapping[str, Any], verdict: str) -> None:
        known[row["id"]] = terminal.label_of(row, verdict)
        file.write(known.values(), path)

    done = terminal.judge(left, save, key, out)
    out.print(f"{len(left) - done} of {len(rows)} rows are left to judge.")
    out.print(f"labels  {path}", soft_wrap=True)


def labels_of(path: Path) -> dict[str, file.Label]:
    """Read the labels of a file by the key of their row; none where there is no file yet."""
    return {file.key(label): label for label in (file.read(path) if path.exists() else [])}


def queue(
    run: Run, known: Mapping[str, file.Label], most: int, stage: str = ""
) -> tuple[list[dict[str, Any]], list[Mapping[str, Any]]]:
    """
    Draw the rows to judge.

    Parameters
    ----------
    run
        The run.
    known
        The labels that there are (see `labels_of`).
    most
        Rows of each kind or task that has a promise.
    stage
        Whose table; where it is empty, the first of `STAGES` that the run has.

    Returns
    -------
    All rows that are drawn, and those without a verdict in the order in which to judge them.

    Raises
    ------
    UserError
        When there is no such table.
    """
    rows = wanted(run, run.stage_folder(stage or _stage(run)), most)
    given = {key: label["verdict"] for key, label in known.items()}
    verdicts = file.verdicts_of(pa.Table.from_pylist(rows, COLUMNS), given)
    left = draw.gaps_first(
        [row["id"] for row, verdict in zip(rows, verdicts, strict=True) if verdict is not None],
        [row for row, verdict in zip(rows, verdicts, strict=True) if verdict is None],
        str(run.manifest["recipe"]["seed"]),
    )
    return rows, left


COLUMNS = pa.schema([(name, pa.string()) for name in page.FIELDS])


def wanted(run: Run, table: Path, most: int) -> list[dict[str, Any]]:
    """List the rows of a table that are to be judged, in their order."""
    paths = parts(table)
    if not paths:
        raise UserError(f"{table} holds no table: is that stage complete?")
    present = read_part(paths[0]).column_names
    score = next((name for name in SPREAD_BY if name in present), "")
    tables = (read_part(path, ["id", "kind", "task", score]) for path in paths)
    ids = draw.sample(tables, _groups(run), most, str(run.manifest["recipe"]["seed"]), score)
    chosen = pa.array(ids, pa.string())
    found: dict[str, dict[str, Any]] = {}
    for path in paths:
        rows = read_part(path, columns=COLUMNS.names)
        found |= {row["id"]: row for row in rows.filter(pc.is_in(rows["id"], chosen)).to_pylist()}
    return [found[name] for name in ids]


def _stage(run: Run) -> str:
    for name in STAGES:
        if run.stage_record(name):
            return name
    raise UserError(f"{run.folder} has no table of {' or '.join(STAGES)}; name one with --stage")


def _groups(run: Run) -> Sequence[str]:
    """The kinds and tasks that the run's recipe promises something for."""
    given = dict(run.manifest["recipe"]["stages"].get("calibrate") or {})
    given.pop("use", None)
    return list(calibrate.Options.model_validate(given).promise)
