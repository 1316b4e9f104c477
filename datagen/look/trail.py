"""
The history of a row: its passage, its requests, and the outcome of each stage.

Stages that refine rows keep their ids, so a row is traced by its id; rows derived from it list it as a
parent. DuckDB reads only the columns that a query needs.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from datagen.errors import UserError
from datagen.json_types import JsonObject
from datagen.look.history import LastRow, Request, Step, Trail, is_score, reason_fixed
from datagen.look.load import damage_reported, non_empty
from datagen.report.evidence import spans
from datagen.request import Completion
from datagen.run.folder import Run
from datagen.schema import ORIGINAL
from datagen.stages.confidence.labels.edits import is_unicode
from datagen.store.parquet import parts, read_part
from datagen.store.rounds import request_files

RELATED = 12  # related rows shown per stage
RELATIONS = ("made from", "repeats", "made into", "of the same passage")
MATCHES = 5  # ids shown for an ambiguous prefix
# Tables with rows that can be explained, each with the SQL of the text that is shown of a row.
SHOWN = "coalesce(question, left(text, 200), answer, '')"
ROWS = {"examples": SHOWN, "probes": SHOWN, "seeds": SHOWN, "questions": "question"}


class Trails:
    """
    Traces rows of a run through its stages.

    Parameters
    ----------
    run
        The run. Only stages that are complete now are read.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._tables = list(_tables(run))
        self._origins = [
            table for table in self._tables if table.makes
        ]  # a row first appears in one of these
        self._connection = duckdb.connect()

    def find_id(self, prefix: str) -> str:
        """
        Complete the beginning of an id.

        Raises
        ------
        UserError
            If no row, or more than one, matches.
        """
        ids: dict[str, None] = {}
        sql = "select distinct id from read_parquet(?) where starts_with(id, ?) limit ?"
        origins = self._origins if is_unicode(prefix) else []
        for files in (files for table in origins for files in (table.kept, table.dropped)):
            ids |= dict.fromkeys(name for (name,) in self._query(sql, files, prefix, MATCHES + 1))
        if not ids:
            raise UserError(
                f"no row of {self._run.folder} has an id that begins with {prefix!r}. The report shows ids"
            )
        if len(ids) > 1 and prefix not in ids:
            shown = ", ".join(list(ids)[:MATCHES])
            raise UserError(
                f"several rows have an id that begins with {prefix!r}: {shown}. Give more characters"
            )
        return prefix if prefix in ids else next(iter(ids))

    def follow(self, name: str) -> Trail:
        """
        Follow a row through the stages.

        Raises
        ------
        UserError
            If no stage has the row.
        """
        steps: list[Step] = []
        last: JsonObject = {}
        seen_scores: set[str] = set()
        for table in self._tables:
            for files, dropped in ((table.kept, False), (table.dropped, True)):
                for row in self._rows(files, name)[:1]:
                    outcome = "dropped" if dropped else _outcome(row, last)
                    if outcome == "edited":  # the scores so far are those of the former text
                        seen_scores.clear()
                    scores = {key: value for key, value in row.items() if is_score(key, value)}
                    new = {key: value for key, value in scores.items() if key not in seen_scores}
                    seen_scores |= new.keys()
                    why = (row.get("reason") or "", row.get("detail") or "") if dropped else ("", "")
                    steps.append(Step(table.stage, outcome, *why, new))
                    last = row
        if not last:
            raise UserError(f"no row of {self._run.folder} has the id {name}")
        passage = last.get("context") or self._passage((last.get("lineage") or {}).get("passage_id"))
        marked = spans(passage, last.get("evidence")) if passage else []
        return Trail(last, marked, steps, self._related(last))

    def last_rows(self, names: Iterable[str]) -> dict[str, LastRow]:
        """Read rows as after the last stages that they reached, by id; without those that no stage has."""
        wanted = pa.array(sorted(filter(is_unicode, names)), pa.string())
        sql = "select distinct filename from read_parquet(?, filename = true) where id in (select unnest(?))"
        rows: dict[str, LastRow] = {}
        for table in self._tables if len(wanted) else ():
            for files, dropped in ((table.kept, False), (table.dropped, True)):
                for (file,) in self._query(sql, files, wanted.to_pylist()):
                    part = read_part(Path(file))
                    for row in part.filter(pc.is_in(part["id"], wanted)).to_pylist():
                        earlier = rows.get(row["id"])
                        why_fixed = earlier.why_fixed if earlier else reason_fixed(row, table.stage, dropped)
                        rows[row["id"]] = LastRow(row, why_fixed)
        return rows

    def requests(self, keys: Sequence[str]) -> list[Request]:
        """Read requests and their raw answers, in the order of the keys."""
        answers = self._run.completions.find(keys) if keys else {}
        stored: dict[str, tuple[str, str]] = {}
        sql = "select key, prompt, body from read_parquet(?) where list_contains(?, key)"
        for name in self._run.manifest["stages"] if keys else ():
            files = non_empty(request_files(self._run.stage_folder(name)))
            stored |= {key: (prompt, body) for key, prompt, body in self._query(sql, files, list(keys))}
        return [_request(key, *stored.get(key, ("", "{}")), answers.get(key)) for key in keys]

    def _related(self, row: JsonObject) -> list[tuple[str, str, str, str]]:
        """Find a row's parents, the row that it repeats, rows derived from it, and rows of its passage."""
        lineage = row.get("lineage") or {}
        detail = str(row.get("detail") or "")
        twin = detail[3:].partition(":")[0] if detail.startswith("of ") else ""
        sql = """
            select case when list_contains(?, id) then 'made from'
                        when id = ? then 'repeats'
                        when list_contains(lineage.parents, ?) then 'made into'
                        when lineage.passage_id = ? then 'of the same passage' end as relation,
                   id, {shown}
            from read_parquet(?) where relation is not null and id <> ? limit ?"""
        values = (list(lineage.get("parents") or []), twin, row["id"], lineage.get("passage_id") or "")
        related: dict[str, tuple[str, str, str, str]] = {}
        for table in self._origins:
            query, values_of = sql.replace("{shown}", table.shown), (*values, row["id"], RELATED)
            for relation, name, text in self._query(query, table.kept, *values_of, files_at=4):
                related.setdefault(name, (relation, name, table.stage, text))
        return sorted(related.values(), key=lambda other: RELATIONS.index(other[0]))

    def _rows(self, files: list[str], name: str) -> list[JsonObject]:
        sql = "select distinct filename from read_parquet(?, filename = true) where id = ?"
        tables = [read_part(Path(file)) for (file,) in self._query(sql, files, name)]
        return [row for table in tables for row in table.filter(pc.equal(table["id"], name)).to_pylist()]

    def _passage(self, name: str | None) -> str:
        for record in self._run.stage_records() if name else ():
            if record["gives"] == "passages" != record["takes"]:
                files = non_empty(parts(self._run.stage_folder(record["stage"])))
                for (text,) in self._query("select text from read_parquet(?) where id = ?", files, name):
                    return str(text)
        return ""

    def _query(self, sql: str, files: list[str], *values: object, files_at: int = 0) -> list[tuple[Any, ...]]:
        """Query files; `files_at` is the position of the files among the parameters."""
        if not files:
            return []
        parameters = [*values[:files_at], files, *values[files_at:]]
        with damage_reported():
            return list(self._connection.cursor().execute(sql, parameters).fetchall())


class _Table(NamedTuple):
    """The files of a stage's table that have rows."""

    stage: str
    makes: bool
    shown: str  # SQL of the text that is shown of a row
    kept: list[str]
    dropped: list[str]


def _tables(run: Run) -> Iterator[_Table]:
    for record in run.stage_records():
        if record["gives"] in ROWS:
            folder = run.stage_folder(record["stage"])
            files = (non_empty(parts(folder)), non_empty(parts(folder / "dropped")))
            yield _Table(record["stage"], record["takes"] != record["gives"], ROWS[record["gives"]], *files)


def _outcome(row: JsonObject, before: JsonObject) -> str:
    if not before:
        return "made"
    return "kept" if row.get(ORIGINAL) == before.get(ORIGINAL) else "edited"


def _request(key: str, prompt: str, body: str, answer: Completion | None) -> Request:
    messages = json.loads(body).get("messages", [])
    text, finish, model = (answer.text, answer.finish, answer.model) if answer else ("", "", "")
    return Request(key, prompt, messages, text, finish, model)
