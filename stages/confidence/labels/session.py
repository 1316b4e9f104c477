"""``datagen label``: judge rows of a run in the terminal or on a page."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc
import rich.console
import typer

from datagen.errors import UserError
from datagen.json_types import JsonObject
from datagen.rows import Row
from datagen.schema import KINDS
from datagen.stages.confidence import calibrate
from datagen.stages.confidence.labels import draw, file, page, terminal
from datagen.store.parquet import parts, read_part
from datagen.store.record import StageRecord, latest_examples

STAGES = ("calibrate", "score")  # supply the rows: the first that is complete, otherwise the latest tables
SPREAD_BY = ("confidence", "p_true", "logprob")  # the first of these scores stratifies the learning rows


class Run(Protocol):
    """The parts of a run that labelling uses (`datagen.run.folder.Run`)."""

    @property
    def folder(self) -> Path:
        """The run's folder."""

    @property
    def manifest(self) -> JsonObject:
        """Its manifest."""

    def stage_folder(self, name: str) -> Path:
        """The folder of a stage's table."""

    def stage_records(self) -> list[StageRecord]:
        """The records of the complete stages, in the order of the recipe."""


def label(
    run: Run,
    labels: Path | None,
    count: int,
    as_page: Path | None,
    stage: str = "",
    key: Callable[[], str] | None = None,
    out: rich.console.Console | None = None,
) -> None:
    """
    Draw rows of a run and collect verdicts on them.

    Parameters
    ----------
    run
        The run.
    labels
        The label file to extend. None: ``labels.jsonl`` in the run's folder.
    count
        Rows per kind or task that has a promise, including judged ones.
    as_page
        Write a page to this path instead of asking in the terminal.
    stage
        The stage whose table is judged; empty: the first of `STAGES` that the run has, or else its latest
        tables of examples.
    key, out
        Wait for a key, print; None: in the terminal.

    Raises
    ------
    UserError
        When there is no such table, a line of the file is not a label, or there is no terminal to ask in.
    """
    out = out or rich.console.Console(highlight=False)
    path = labels or run.folder / "labels.jsonl"
    rows, unjudged = queue(run, labels_of(path), count, stage)
    if as_page:
        page.write(unjudged, f"{run.manifest['recipe']['name']}, run {run.folder.name}", as_page)
        out.print(f"{len(unjudged)} rows to judge: {as_page}", soft_wrap=True)
        return

    def save(row: Row, verdict: str) -> None:
        with file.changing(path) as by_key:
            file.add(terminal.label_of(row, verdict), by_key)

    done = terminal.judge(unjudged, save, key or _press, out)
    out.print(f"{len(unjudged) - done} of {len(rows)} rows remain to be judged.")
    out.print(f"labels  {path}", soft_wrap=True)


def _press() -> str:
    """Wait for a key in the terminal; the end of the input quits."""
    try:
        return typer.getchar()
    except EOFError:
        return terminal.QUIT
    except OSError as error:
        raise UserError(
            f"there is no terminal to judge in ({error.strerror}). Write a page with --page FILE, or use "
            "datagen browse"
        ) from error


def labels_of(path: Path) -> dict[str, file.Label]:
    """Read a label file by the key of the row; empty if there is no file yet."""
    return file.labels_in([path] if path.exists() else [])


def queue(
    run: Run, labels: Mapping[str, file.Label], count: int, stage: str = ""
) -> tuple[list[Row], list[Row]]:
    """
    Draw the rows to judge.

    Parameters
    ----------
    run
        The run.
    labels
        The existing labels (see `labels_of`).
    count
        Rows per kind or task that has a promise.
    stage
        The stage whose table is judged; empty: the first of `STAGES` that the run has, or else its latest
        tables of examples.

    Returns
    -------
    All drawn rows, and those without a verdict in the order in which to judge them.

    Raises
    ------
    UserError
        When there is no such table.
    """
    stages = [stage] if stage else _stages(run)
    rows = sampled(run, [run.stage_folder(name) for name in stages], count)
    verdicts = file.verdicts_of(pa.Table.from_pylist(rows, COLUMNS), file.verdicts_among(labels))
    unjudged = draw.gaps_first(
        [row["id"] for row, verdict in zip(rows, verdicts, strict=True) if verdict is not None],
        [row for row, verdict in zip(rows, verdicts, strict=True) if verdict is None],
        str(run.manifest["recipe"]["seed"]),
    )
    return rows, unjudged


COLUMNS = pa.schema([(name, pa.string()) for name in page.FIELDS])


def sampled(run: Run, folders: Sequence[Path], count: int) -> list[Row]:
    """
    Return the rows of tables to judge, in order.

    Raises
    ------
    UserError
        When a folder has no table, or one of documents or passages.
    """
    by_folder = [parts(folder) for folder in folders]
    if not all(by_folder):
        missing = folders[by_folder.index([])]
        raise UserError(f"{missing} contains no table: is that stage complete?")
    paths = [path for paths in by_folder for path in paths]
    present = {name for path, *_ in by_folder for name in read_part(path).column_names}
    if "kind" not in present:
        raise UserError(f"{folders[0]} has no rows to judge; name a stage that makes examples")
    score = next((name for name in SPREAD_BY if name in present), "")
    tables = (read_part(path, ["id", "kind", "task", score]) for path in paths)
    ids = draw.sample(tables, _groups(run), count, str(run.manifest["recipe"]["seed"]), score)
    chosen = pa.array(ids, pa.string())
    by_id: dict[str, Row] = {}
    for path in paths:
        rows = read_part(path, columns=COLUMNS.names)
        by_id |= {row["id"]: row for row in rows.filter(pc.is_in(rows["id"], chosen)).to_pylist()}
    return [by_id[name] for name in ids]


def _stages(run: Run) -> list[str]:
    """Return the stages whose tables are judged; every run with examples has one."""
    records = run.stage_records()
    complete = {record["stage"] for record in records}
    for name in STAGES:
        if name in complete:
            return [name]
    latest = latest_examples(records)
    if not latest:
        raise UserError(f"{run.folder} has no rows to judge: no stage that produces examples is complete")
    return [record["stage"] for record in latest]


def _groups(run: Run) -> Sequence[str]:
    """List the kinds and tasks that the recipe has a promise for; without confidence, all kinds."""
    stages = run.manifest["recipe"]["stages"]
    if not any(name in stages for name in STAGES):
        return list(KINDS)
    options = dict(stages.get("calibrate") or {})
    options.pop("use", None)
    return list(calibrate.Options.model_validate(options).promise)
