"""Copy what filters ask for from a run's Parquet files into DuckDB."""

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from datagen.errors import UserError
from datagen.report.scores import BOOKKEEPING
from datagen.run.folder import Run
from datagen.store.parquet import parts

GIST = 300  # characters of an answer or a text that are searched
HANDED_OFF = ""  # the stage of a row that none dropped


def load(run: Run, database: duckdb.DuckDBPyConnection) -> list[str]:
    """
    Make the tables ``rows`` and ``groups``.

    Rows are those of the last stage that gives examples, and those that any of these stages dropped. A group
    is a kind, a task, the stage that dropped the row, and the reason: there are few; a row holds the number.

    Returns
    -------
    The names of the scores: that of the column ``s0``, that of ``s1``, and so on.

    Raises
    ------
    UserError
        When no stage that gives examples is complete.
    """
    records = [record for record in run.stage_records() if record["gives"] == "examples"]
    if not records:
        raise UserError(f"{run.folder} has no rows yet: no stage that makes examples is complete")
    tables = [(HANDED_OFF, run.stage_folder(records[-1]["stage"]))]
    tables += [(record["stage"], run.stage_folder(record["stage"]) / "dropped") for record in records]
    files = {stage: _filled(parts(folder)) for stage, folder in tables}
    scores = list(dict.fromkeys(name for paths in files.values() for name in _scores(paths)))
    texts = ("id", "source", "detail", "question", "answer", "search")
    columns = [*(f"{name} varchar" for name in texts), *(f"s{place} double" for place in range(len(scores)))]
    database.execute(f"create table rows (number integer, {', '.join(columns)})")
    parts_of_group = ", ".join(f"{name} varchar" for name in ("kind", "task", "stage", "reason"))
    database.execute(f"create table groups (number integer, {parts_of_group})")
    for stage, paths in files.items():
        if paths:
            _load(database, stage, paths, scores)
    return scores


def _load(database: duckdb.DuckDBPyConnection, stage: str, files: list[str], scores: list[str]) -> None:
    """Copy the rows of a stage: those that it dropped, or those handed off."""
    known = set(_scores(files))
    why, detail = ("null", "null") if stage == HANDED_OFF else ("found.reason", "detail")
    read = "from read_parquet(?, union_by_name = true) as found"
    distinct = f"select distinct kind, task, ? as stage, {why} as reason {read}"
    numbered = f"select (select count(*) from groups) + row_number() over (), * from ({distinct})"
    database.execute(f"insert into groups {numbered}", [stage, files])
    gist = f"left(coalesce(answer, text), {GIST})"
    search = f"lower(concat_ws(' ', question, {gist}, lineage.title))"
    values = ["groups.number", "id", "lineage.source", detail, "question", gist, search]
    values += [_finite(name) if name in known else "null" for name in scores]
    same = [
        f"{value} is not distinct from groups.{name}"
        for name, value in (("kind", "found.kind"), ("task", "found.task"), ("reason", why))
    ]
    of_group = " and ".join(["groups.stage = ?", *same])
    database.execute(
        f"insert into rows select {', '.join(values)} {read} join groups on {of_group}", [files, stage]
    )


def _filled(paths: list[Path]) -> list[str]:
    return [str(path) for path in paths if pq.read_metadata(path).num_rows]


def _scores(files: list[str]) -> list[str]:
    """Name the numbers of a table. Parts of a stage have the same columns."""
    fields = pq.read_schema(files[0]) if files else []
    return [f.name for f in fields if pa.types.is_floating(f.type) and f.name not in BOOKKEEPING]


def _finite(name: str) -> str:
    column = 'found."' + name.replace('"', '""') + '"'
    return f"case when isfinite({column}) then {column} end"
