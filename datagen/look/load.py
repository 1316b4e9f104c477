"""Copy the columns for filters from a run's Parquet files into DuckDB."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa

from datagen.errors import UserError
from datagen.look.search import fold
from datagen.report.scores import BOOKKEEPING
from datagen.run.folder import Run
from datagen.schema import ORIGINAL
from datagen.store.parquet import REPAIR, count_rows, fields_of, parts
from datagen.store.record import latest_examples

GIST = 300  # characters of an answer, a text or a passage in a list
SEARCHED = ("question", "answer", "rejected", "text", "lineage.title")  # and the passage
APART = 30  # a separator of texts that no phrase contains: it is not white space in DuckDB
CONTEXT_KEY = "case when context is not null then 'context ' || hash(context) end"
# Errors of DuckDB with another cause than a damaged file, for which it raises any other.
OTHERS = (
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.InterruptException,
    duckdb.OutOfMemoryException,
    duckdb.ParserException,
)
HANDED_OFF = ""  # stage of a row that no stage dropped


def load(run: Run, database: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """
    Create the tables ``rows``, ``groups`` and ``passages``.

    Rows are those of the latest tables of examples, and those dropped by the stages that give examples. A
    group is a combination of kind, task, dropping stage and reason; a row stores the number of its group.
    Many rows share a passage, so a row stores its number too, and a search reads each passage once.

    Returns
    -------
    score -> column of ``rows``, for the scores that a row has.

    Raises
    ------
    UserError
        If no stage that produces examples is complete.
    """
    records = [record for record in run.stage_records() if record["gives"] == "examples"]
    if not records:
        raise UserError(f"{run.folder} has no rows yet: no stage that produces examples is complete")
    tables = [(HANDED_OFF, run.stage_folder(record["stage"])) for record in latest_examples(records)]
    tables += [(record["stage"], run.stage_folder(record["stage"]) / "dropped") for record in records]
    files = [(stage, paths) for stage, folder in tables if (paths := non_empty(parts(folder)))]
    scores = list(dict.fromkeys(name for _, paths in files for name in _scores(paths)))
    texts = ("id", "source", "detail", "question", "answer", "search")
    columns = [
        *(f"{name} varchar" for name in texts),
        "passage bigint",
        "edited boolean",
        *(f"s{place} double" for place in range(len(scores))),
    ]
    database.execute(f"create table rows (number integer, {', '.join(columns)})")
    parts_of_group = ", ".join(f"{name} varchar" for name in ("kind", "task", "stage", "reason"))
    database.execute(f"create table groups (number integer, {parts_of_group})")
    _load_passages(run, database)
    for stage, paths in files:
        _load_contexts(database, paths)
        _load(database, stage, paths, scores)
    return _with_values(database, scores)


def _with_values(database: duckdb.DuckDBPyConnection, scores: list[str]) -> dict[str, str]:
    """Map the scores that a row has to their columns."""
    columns = {name: f"s{place}" for place, name in enumerate(scores)}
    found = [f"bool_or({column} is not null)" for column in columns.values()]
    values = database.execute(f"select {', '.join(['true', *found])} from rows").fetchall()[0][1:]
    return {name: column for (name, column), has in zip(columns.items(), values, strict=True) if has}


def _load_passages(run: Run, database: duckdb.DuckDBPyConnection) -> None:
    """Copy the passages of the stages that make them, by id."""
    database.execute("create table passages (name varchar, start varchar, search varchar)")
    for record in run.stage_records():
        if record["gives"] == "passages" != record["takes"] and (
            files := non_empty(parts(run.stage_folder(record["stage"])))
        ):
            text = "any_value(text)"
            read = f"select id, left({text}, {GIST}), {fold(text)} from read_parquet(?)"
            new = "where id not in (select name from passages) group by id"  # as two stages cut it alike
            database.execute(f"insert into passages {read} {new}", [files])


def _load_contexts(database: duckdb.DuckDBPyConnection, files: list[str]) -> None:
    """Copy the passages that rows contain, by their hashes."""
    contexts = f"select distinct {CONTEXT_KEY} as name, context from read_parquet(?, union_by_name = true)"
    shown = f"name, left(context, {GIST}), {fold('context')}"
    new = f"select {shown} from ({contexts}) where context is not null"
    database.execute(f"insert into passages {new} and name not in (select name from passages)", [files])


def _load(database: duckdb.DuckDBPyConnection, stage: str, files: list[str], scores: list[str]) -> None:
    """Copy the rows that a stage dropped, or those handed off."""
    available = set(_scores(files))
    reason, detail = ("null", "null") if stage == HANDED_OFF else ("found.reason", "detail")
    read = "from read_parquet(?, union_by_name = true) as found"
    distinct = f"select distinct kind, task, ? as stage, {reason} as reason {read}"
    new = f"{distinct} except select kind, task, stage, reason from groups"
    numbered = f"select (select count(*) from groups) + row_number() over (), * from ({new})"
    database.execute(f"insert into groups {numbered}", [stage, files])
    question, gist = f"left(question, {GIST})", f"left(coalesce(answer, text), {GIST})"
    search = fold(f"concat_ws(chr({APART}), {', '.join(SEARCHED)})")
    source = "translate(lineage.source, chr(10) || chr(13), '  ')"  # as a field of the page shows it
    values = ["groups.number", "id", source, detail, question, gist, search, "passages.rowid"]
    values.append(f"{ORIGINAL} is not null" if _has(files, ORIGINAL) else "false")
    values += [_finite(name) if name in available else "null" for name in scores]
    same = [
        f"{value} is not distinct from groups.{name}"
        for name, value in (("kind", "found.kind"), ("task", "found.task"), ("reason", reason))
    ]
    of_group = " and ".join(["groups.stage = ?", *same])
    passage = f"passages.name = coalesce({CONTEXT_KEY}, lineage.passage_id)"
    joined = f"{read} join groups on {of_group} left join passages on {passage}"
    database.execute(f"insert into rows select {', '.join(values)} {joined}", [files, stage])


def _has(files: list[str], column: str) -> bool:
    return column in fields_of(Path(files[0])).names


def non_empty(paths: Sequence[Path]) -> list[str]:
    """
    List the Parquet files that have rows.

    Raises
    ------
    UserError
        If one is missing or corrupt.
    """
    return [str(path) for path in paths if count_rows(path)]


@contextmanager
def damage_reported() -> Iterator[None]:
    """Raise `UserError` for files that DuckDB cannot read: their footers may be intact and their rows not."""
    try:
        yield
    except OTHERS:
        raise
    except duckdb.Error as error:
        message = str(error).strip().splitlines()[0]
        raise UserError(f"a table of the run cannot be read ({message}). {REPAIR}") from error


def _scores(files: list[str]) -> list[str]:
    """List the score columns of a table; all its parts have the same columns."""
    fields = fields_of(Path(files[0]))
    return [f.name for f in fields if pa.types.is_floating(f.type) and f.name not in BOOKKEEPING]


def _finite(name: str) -> str:
    column = 'found."' + name.replace('"', '""') + '"'
    return f"case when isfinite({column}) then {column} end"
