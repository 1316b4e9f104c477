"""
All rows of a run in one table: those handed off, and those that stages dropped.

The table is made when a run is opened, in a temporary file, so that memory stays bounded. It holds what
filters ask for; whole rows stay in the run's Parquet files.
"""

import tempfile
from collections.abc import Mapping
from math import isfinite, nan
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa

from datagen.errors import UserError
from datagen.look.load import load
from datagen.run.folder import Run

PAGE = 50  # rows of an answer
NEAR = 5  # rows shown on either side of a threshold
BARS = 40  # of a histogram

VERDICTS = pa.schema([("id", pa.string()), ("verdict", pa.string())])
FROM = "from rows join groups using (number) left join verdicts on rows.rowid = verdicts.place"
SHOWN = "id, kind, task, source, stage, reason, question, left(answer, 300), verdict"

Json = dict[str, Any]


class Filter(NamedTuple):
    """A condition in SQL with its values."""

    sql: str
    values: list[Any]


class Index:
    """
    The rows of a run.

    Parameters
    ----------
    run
        The run. Stages that are complete when it is opened are looked at.

    Raises
    ------
    UserError
        When no stage that gives examples is complete.
    """

    def __init__(self, run: Run) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="datagen-browse-")
        self._database = duckdb.connect(f"{self._folder.name}/rows.duckdb")
        self._database.execute("set temp_directory = ?", [self._folder.name])
        self.scores = load(run, self._database)
        self._database.execute("set enable_external_access = false")
        self.set_verdicts({})

    def close(self) -> None:
        """Delete the table."""
        self._database.close()
        self._folder.cleanup()

    def set_verdicts(self, verdicts: Mapping[str, str]) -> None:
        """Replace the verdicts on rows: id -> right, wrong or skip."""
        cursor = self._database.cursor()
        cursor.register(
            "given", pa.table({"id": list(verdicts), "verdict": list(verdicts.values())}, VERDICTS)
        )
        found = "select rows.rowid as place, verdict from rows join given using (id)"
        cursor.execute(f"create or replace table verdicts as {found}")

    def rows(self, query: Mapping[str, str]) -> Json:
        """
        Filter rows.

        Parameters
        ----------
        query
            Of ``kind``, ``task``, ``stage``, ``reason``, ``source``, ``text``, ``verdict``, ``score`` with
            ``least`` and ``most``, ``order`` and ``page``; one that is left out or empty filters nothing.

        Returns
        -------
        ``total``, ``rows`` of the page, and ``groups``: (kind, task, stage, reason, rows).

        Raises
        ------
        UserError
            When a score is unknown or a number is none.
        """
        where, values = self._filter(query)
        by = self._column(query["score"]) if query.get("score") else "null::double"
        order = {
            "low": "order by score asc nulls last, place",
            "high": "order by score desc nulls last, place",
        }
        offset = PAGE * int(_number(query.get("page") or "0"))
        cursor = self._database.cursor()
        # The text is read once: all that follows is about the places of the rows found.
        hits = f"select rowid as place, number, {by} as score from rows where {where}"
        cursor.execute(f"create or replace temp table hits as {hits}", values)
        counted = "(select number, count(*) as rows from hits group by number)"
        sql = f"select kind, task, stage, reason, rows from {counted} join groups using (number)"
        groups = _lists(cursor.execute(sql))
        page = f"{order.get(query.get('order', ''), '')} limit {PAGE} offset {offset}"
        places = dict(cursor.execute(f"select place, score from hits {page}").fetchall())
        rows = _shown(cursor, list(places))
        shown = [[*row[:-1], places[row[-1]]] for row in rows]
        return {"total": sum(group[-1] for group in groups), "rows": shown, "groups": groups}

    def threshold(self, query: Mapping[str, str]) -> Json:
        """
        Tell what a threshold on a score would keep of the rows handed off.

        Parameters
        ----------
        query
            As of `rows`, with ``score`` and ``value``.

        Returns
        -------
        ``tasks``: (kind, task, rows above, rows below); ``verdicts``: the same of judged rows by verdict;
        ``bars``: (from, rows); ``span``: the smallest and the largest score; ``nearest``: rows on both sides.

        Raises
        ------
        UserError
            When the score is unknown or the value is no number.
        """
        score, value = self._column(query.get("score", "")), _number(query.get("value") or "0")
        chosen = {name: query[name] for name in ("kind", "task") if name in query}
        where, values = self._filter(chosen | {"stage": "handed off"})
        cursor = self._database.cursor()
        hits = (
            f"select rowid as place, number, {score} as score from rows where {score} is not null and {where}"
        )
        cursor.execute(f"create or replace temp table hits as {hits}", values)
        sides = "count(*) filter (score >= $1), count(*) filter (score < $1)"
        tasks = f"select kind, task, {sides} from hits join groups using (number) group by all order by all"
        judged = f"select verdict, {sides} from hits join verdicts using (place) group by all"
        found: Json = {
            "tasks": _lists(cursor.execute(tasks, [value])),
            "verdicts": _lists(cursor.execute(judged, [value])),
            "bars": [],
        }
        [[low, high]] = _lists(cursor.execute("select min(score), max(score) from hits"))
        if low is not None:
            width = (high - low) / BARS or 1.0
            bar = f"least(floor((score - ?) / ?), {BARS - 1})::int"
            counts = dict(
                cursor.execute(f"select {bar} as bar, count(*) from hits group by 1", [low, width]).fetchall()
            )
            found["bars"] = [[low + width * bar, counts.get(bar, 0)] for bar in range(BARS)]
        nearest = {}
        for side, sign, way in (("above", ">=", "asc"), ("below", "<", "desc")):
            near = (
                f"select place, score from hits where score {sign} ? order by score {way}, place limit {NEAR}"
            )
            places = dict(cursor.execute(near, [value]).fetchall())
            nearest[side] = [[*row[:-1], places[row[-1]]] for row in _shown(cursor, list(places))]
        return found | {"nearest": nearest, "span": [low, high]}

    def sources(self) -> list[str]:
        """List the sources with the most rows."""
        sql = (
            "select source from rows where source is not null group by 1 order by count(*) desc, 1 limit 500"
        )
        return [source for (source,) in self._database.cursor().execute(sql).fetchall()]

    def _filter(self, query: Mapping[str, str]) -> Filter:
        conditions: list[str] = ["true"]
        values: list[Any] = []
        of_group, wanted = [], []
        for name in ("kind", "task", "reason"):
            if query.get(name):
                of_group.append(f"{name} = ?")
                wanted.append(query[name])
        if stage := query.get("stage"):
            of_group.append({"handed off": "stage = ''", "dropped": "stage <> ''"}.get(stage, "stage = ?"))
            wanted += [] if stage in ("handed off", "dropped") else [stage]
        if of_group:
            conditions.append(f"number in (select number from groups where {' and '.join(of_group)})")
            values += wanted
        if verdict := query.get("verdict"):
            conditions.append("rowid in (select place from verdicts where verdict = ?)")
            values.append(verdict)
        for name, column in (("source", "lower(source)"), ("text", "search")):
            if query.get(name):
                conditions.append(f"contains({column}, lower(?))")
                values.append(query[name])
        for name, sign in (("least", ">="), ("most", "<=")):
            if query.get(name):
                conditions.append(f"{self._column(query.get('score', ''))} {sign} ?")
                values.append(_number(query[name]))
        return Filter(" and ".join(conditions), values)

    def _column(self, score: str) -> str:
        if score not in self.scores:
            raise UserError(f"there is no score {score!r}")
        return f"s{self.scores.index(score)}"


def _shown(cursor: duckdb.DuckDBPyConnection, places: list[int]) -> list[list[Any]]:
    """Read what a list shows of rows, in the order given; the last value is the place."""
    if not places:
        return []
    listed = ", ".join(map(str, places))  # numbers, which DuckDB looks up without a scan
    rows = _lists(cursor.execute(f"select {SHOWN}, rows.rowid {FROM} where rows.rowid in ({listed})"))
    ranks = {place: rank for rank, place in enumerate(places)}
    return sorted(rows, key=lambda row: ranks[row[-1]])


def _lists(found: duckdb.DuckDBPyConnection) -> list[list[Any]]:
    return [list(row) for row in found.fetchall()]


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = nan
    if not isfinite(number):
        raise UserError(f"{text!r} is no number")
    return number
