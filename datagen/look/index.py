"""
All rows of a run in one table: those handed off, and those dropped by stages.

The table is built when a run is opened, in a temporary file, so that memory stays bounded. It holds the
columns for filters and lists; full rows are read from the run's Parquet files.
"""

import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from math import isfinite, nan
from typing import Any
from weakref import WeakSet

import duckdb
import pyarrow as pa

from datagen.errors import UserError
from datagen.json_types import JsonObject
from datagen.look.edit_state import APPLIED
from datagen.look.excerpts import add_excerpts
from datagen.look.load import damage_reported, load
from datagen.look.search import Filter, search_for
from datagen.run.folder import Run

PAGE = 50  # rows per page
ROW_GROUP = 8192  # rows
LAST_PAGE = 1e9
NEAR = 5  # rows shown on either side of a threshold
BARS = 40  # bars of a histogram

LABELS = pa.schema([("id", pa.string()), ("verdict", pa.string()), ("edit", pa.string())])
EDITED = "edited"  # a filter: rows with an edit in any state
FROM = "from rows join groups using (number) left join verdicts on rows.rowid = verdicts.place"
JUDGED = "from hits join verdicts using (place) join rows on rows.rowid = place where not rows.edited"
EDIT = f"coalesce(edit, case when edited then '{APPLIED}' end, '')"
SUMMARY = f"id, kind, task, source, stage, reason, question, answer, null, verdict, {EDIT}"


class Index:
    """
    The rows of a run.

    Parameters
    ----------
    run
        The run. Only stages that are complete now are read.

    Raises
    ------
    UserError
        If no stage that produces examples is complete.
    """

    def __init__(self, run: Run) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="datagen-browse-")
        self._database = duckdb.connect()
        self._cursors: WeakSet[duckdb.DuckDBPyConnection] = WeakSet()
        # Small row groups: a listed row is found by its number, which reads its whole row group.
        path = f"{self._folder.name}/rows.duckdb"
        self._database.execute(f"attach '{path}' as run (row_group_size {ROW_GROUP})")
        self._database.execute("use run")
        self._database.execute("set temp_directory = ?", [self._folder.name])
        with damage_reported():
            self._scores = load(run, self._database)
        self._database.execute("set enable_external_access = false")
        self.set_labels({}, {})

    def close(self) -> None:
        """Stop queries that are running, and delete the table."""
        while True:
            try:
                self._database.close()
                break
            except duckdb.ResourceInUseException:
                for cursor in list(self._cursors):
                    cursor.interrupt()
                time.sleep(0.01)
        self._folder.cleanup()

    def set_labels(self, verdicts: Mapping[str, str], edits: Mapping[str, str]) -> None:
        """Replace the verdicts on rows, id -> right, wrong or skip, and the states of their edits."""
        cursor = self.cursor()
        rows = [
            {
                "id": name.encode("utf-8", "replace").decode(),  # an id from a file may be invalid Unicode
                "verdict": verdicts.get(name),
                "edit": edits.get(name),
            }
            for name in dict.fromkeys([*verdicts, *edits])
        ]
        cursor.register("given", pa.Table.from_pylist(rows, LABELS))
        matches = "select rows.rowid as place, verdict, edit from rows join given using (id)"
        cursor.execute(f"create or replace table verdicts as {matches}")

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Open a connection for one request, which can be interrupted."""
        cursor = self._database.cursor()
        self._cursors.add(cursor)
        cursor.execute("use run")
        return cursor

    def rows(self, query: Mapping[str, str], cursor: duckdb.DuckDBPyConnection | None = None) -> JsonObject:
        """
        Filter rows.

        Parameters
        ----------
        query
            Any of ``kind``, ``task``, ``stage``, ``reason``, ``source``, ``text``, ``verdict``, ``edit``,
            ``score`` with ``min`` and ``max``, ``order`` and ``page``. Missing and empty ones do not filter.
        cursor
            Runs the queries; None: a new one.

        Returns
        -------
        ``total``, ``rows`` of the page, and ``groups``: (kind, task, stage, reason, rows). A row is (id,
        kind, task, source, stage, reason, question, answer, excerpt, verdict, edit, score).

        Raises
        ------
        UserError
            If a score is unknown or a value is not a number.
        """
        where, values = self._filter(query)
        score = self._column(query["score"]) if query.get("score") else "null::double"
        order = {
            "low": "order by score asc nulls last, place",
            "high": "order by score desc nulls last, place",
        }
        offset = PAGE * _page(query.get("page") or "0")
        cursor = cursor or self.cursor()
        # The text is scanned once; the other queries use the row numbers of the hits.
        passages, source = "", "rows"
        if search := search_for(query.get("text", "")):
            passages, source = search.passages.sql, f"rows {search.joined}"
            where = f"{where} and {search.rows.sql}"
            values = [*search.passages.values, *values, *search.rows.values]
        hits = f"{passages} select rows.rowid as place, number, {score} as score from {source} where {where}"
        cursor.execute(f"create or replace temp table hits as {hits}", values)
        counts = "(select number, count(*) as rows from hits group by number)"
        sql = f"select kind, task, stage, reason, rows from {counts} join groups using (number)"
        groups = _fetch(cursor.execute(sql))
        page = f"{order.get(query.get('order', ''), '')} limit {PAGE} offset {offset}"
        places = dict(cursor.execute(f"select place, score from hits {page}").fetchall())
        rows = _summaries(cursor, list(places), search.terms if search else ())
        rows_with_score = [[*row[:-1], places[row[-1]]] for row in rows]
        return {"total": sum(group[-1] for group in groups), "rows": rows_with_score, "groups": groups}

    def threshold(
        self, query: Mapping[str, str], cursor: duckdb.DuckDBPyConnection | None = None
    ) -> JsonObject:
        """
        Count the handed-off rows that a threshold on a score would keep.

        Parameters
        ----------
        query
            As for `rows`, with ``score`` and ``value``.
        cursor
            As for `rows`.

        Returns
        -------
        ``tasks``: (kind, task, rows above, rows below); ``verdicts``: (verdict, rows above, rows below),
        without edited rows;
        ``bars``: (start, rows); ``span``: minimum and maximum score; ``nearest``: rows on both sides.

        Raises
        ------
        UserError
            If the score is unknown or the value is not a number.
        """
        score, value = self._column(query.get("score", "")), _number(query.get("value") or "0")
        chosen = {name: query[name] for name in ("kind", "task") if name in query}
        where, values = self._filter(chosen | {"stage": "handed off"})
        cursor = cursor or self.cursor()
        hits = (
            f"select rowid as place, number, {score} as score from rows where {score} is not null and {where}"
        )
        cursor.execute(f"create or replace temp table hits as {hits}", values)
        sides = "count(*) filter (score >= $1), count(*) filter (score < $1)"
        tasks = f"select kind, task, {sides} from hits join groups using (number) group by all order by all"
        # A verdict may be about the text before an edit, which had other scores.
        judged = f"select verdict, {sides} {JUDGED} and verdict is not null group by all"
        result: JsonObject = {
            "tasks": _fetch(cursor.execute(tasks, [value])),
            "verdicts": _fetch(cursor.execute(judged, [value])),
            "bars": [],
        }
        [[low, high]] = _fetch(cursor.execute("select min(score), max(score) from hits"))
        if low is not None:
            width = high / BARS - low / BARS or 1.0  # the difference of large scores is infinite
            bar = f"least(floor((score - ?) / ?), {BARS - 1})::int"
            counts = dict(
                cursor.execute(f"select {bar} as bar, count(*) from hits group by 1", [low, width]).fetchall()
            )
            result["bars"] = [
                [low * (1 - bar / BARS) + high * (bar / BARS), counts.get(bar, 0)] for bar in range(BARS)
            ]
        nearest = {}
        for side, sign, direction in (("above", ">=", "asc"), ("below", "<", "desc")):
            condition = f"where score {sign} ? order by score {direction}, place limit {NEAR}"
            near = f"select place, score from hits {condition}"
            places = dict(cursor.execute(near, [value]).fetchall())
            nearest[side] = [[*row[:-1], places[row[-1]]] for row in _summaries(cursor, list(places))]
        return result | {"nearest": nearest, "span": [low, high]}

    @property
    def scores(self) -> list[str]:
        """The scores that rows have."""
        return list(self._scores)

    @cached_property
    def sources(self) -> list[str]:
        """The sources with the most rows."""
        sql = (
            "select source from rows where source is not null group by 1 order by count(*) desc, 1 limit 500"
        )
        return [source for (source,) in self.cursor().execute(sql).fetchall()]

    def _filter(self, query: Mapping[str, str]) -> Filter:
        conditions: list[str] = ["true"]
        values: list[object] = []
        group_conditions, group_values = [], []
        for name in ("kind", "task", "reason"):
            if query.get(name):
                group_conditions.append(f"{name} = ?")
                group_values.append(query[name])
        if stage := query.get("stage"):
            group_conditions.append(
                {"handed off": "stage = ''", "dropped": "stage <> ''"}.get(stage, "stage = ?")
            )
            group_values += [] if stage in ("handed off", "dropped") else [stage]
        if group_conditions:
            conditions.append(f"number in (select number from groups where {' and '.join(group_conditions)})")
            values += group_values
        if edit := query.get("edit"):
            with_edit = "rows.rowid in (select place from verdicts where edit {})"
            if edit == EDITED:
                conditions.append(f"(edited or {with_edit.format('is not null')})")
            elif edit == APPLIED:
                others = with_edit.format("<> ?")
                conditions.append(f"(edited and not {others} or {with_edit.format('= ?')})")
                values += [APPLIED, APPLIED]
            else:
                conditions.append(with_edit.format("= ?"))
                values.append(edit)
        if verdict := query.get("verdict"):
            conditions.append("rows.rowid in (select place from verdicts where verdict = ?)")
            values.append(verdict)
        if query.get("source"):
            conditions.append("contains(lower(source), lower(?))")
            values.append(query["source"])
        for name, sign in (("min", ">="), ("max", "<=")):
            if query.get(name):
                conditions.append(f"{self._column(query.get('score', ''))} {sign} ?")
                values.append(_number(query[name]))
        return Filter(" and ".join(conditions), values)

    def _column(self, score: str) -> str:
        if score not in self._scores:
            raise UserError(f"there is no score {score!r}")
        return self._scores[score]


def _summaries(
    cursor: duckdb.DuckDBPyConnection, places: list[int], terms: Sequence[str] = ()
) -> list[list[Any]]:
    """Read the list entries of rows, in the given order; the last value is the row number."""
    if not places:
        return []
    numbers = ", ".join(map(str, places))  # numbers, which DuckDB looks up without a scan
    rows = _fetch(cursor.execute(f"select {SUMMARY}, rows.rowid {FROM} where rows.rowid in ({numbers})"))
    add_excerpts(cursor, rows, terms)
    ranks = {place: rank for rank, place in enumerate(places)}
    return sorted(rows, key=lambda row: ranks[row[-1]])


def _fetch(result: duckdb.DuckDBPyConnection) -> list[list[Any]]:
    return [list(row) for row in result.fetchall()]


def _page(text: str) -> int:
    page = _number(text)
    if not 0 <= page < LAST_PAGE:
        raise UserError(f"there is no page {text}")
    return int(page)


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = nan
    if not isfinite(number):
        raise UserError(f"{text!r} is not a number")
    return number
