"""
All rows of a run in one table: those handed off, and those that stages dropped.

The table is made when a run is opened, in a temporary file, so that memory stays bounded. It holds what
filters ask for; whole rows stay in the run's Parquet files.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from datagen.errors import UserError
from datagen.report.scores import BOOKKEEPING
from datagen.run.folder import Run
from datagen.store.parquet import parts

PAGE = 50  # rows of an answer
NEAR = 5  # rows shown on either side of a threshold
BARS = 40  # of a histogram
GIST = 1000  # characters of an answer or a text that are searched
HANDED_OFF = ""  # the stage of a row that none dropped

VERDICTS = pa.schema([("id", pa.string()), ("verdict", pa.string())])
FROM = "from rows left join verdicts using (id)"
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
        records = [record for record in run.stage_records() if record["gives"] == "examples"]
        if not records:
            raise UserError(f"{run.folder} has no rows yet: no stage that makes examples is complete")
        last = records[-1]["stage"]
        tables = [(HANDED_OFF, run.stage_folder(last))]
        tables += [(record["stage"], run.stage_folder(record["stage"]) / "dropped") for record in records]
        self._folder = tempfile.TemporaryDirectory(prefix="datagen-browse-")
        self._database = duckdb.connect(f"{self._folder.name}/rows.duckdb")
        self._database.execute("set temp_directory = ?", [self._folder.name])
        files = {stage: _filled(parts(folder)) for stage, folder in tables}
        self.scores = list(dict.fromkeys(name for paths in files.values() for name in _scores(paths)))
        self._create()
        for stage, paths in files.items():
            self._load(stage, paths)
        self._database.execute("set enable_external_access = false")

    def close(self) -> None:
        """Delete the table."""
        self._database.close()
        self._folder.cleanup()

    def set_verdicts(self, verdicts: Mapping[str, str]) -> None:
        """Replace the verdicts on rows: id -> right, wrong or skip."""
        table = pa.table({"id": list(verdicts), "verdict": list(verdicts.values())}, VERDICTS)
        cursor = self._database.cursor()
        cursor.register("given", table)
        cursor.execute("create or replace table verdicts as select * from given")

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
        groups = self._ask(
            f"select kind, task, stage, reason, count(*) {FROM} where {where} group by all", values
        )
        score = query.get("score")
        column = self._column(score) if score else "null"
        order = {"low": f"{column} asc nulls last, id", "high": f"{column} desc nulls last, id"}.get(
            query.get("order", ""), "id"
        )
        offset = PAGE * int(_number(query.get("page") or "0"))
        rows = self._ask(
            f"select {SHOWN}, {column} {FROM} where {where} order by {order} limit {PAGE} offset {offset}",
            values,
        )
        return {"total": sum(group[-1] for group in groups), "rows": rows, "groups": groups}

    def threshold(self, query: Mapping[str, str]) -> Json:
        """
        Tell what a threshold on a score would keep of the rows handed off.

        Parameters
        ----------
        query
            As of `rows`, with ``score`` and ``value``.

        Returns
        -------
        ``tasks``: (kind, task, rows above, rows below); ``verdicts``: (verdict, above, below); ``bars``:
        (from, rows); ``span``: the smallest and the largest score; ``nearest``: rows above and below.

        Raises
        ------
        UserError
            When the score is unknown or the value is no number.
        """
        score, value = self._column(query.get("score", "")), _number(query.get("value") or "0")
        where, values = self._filter({name: query[name] for name in ("kind", "task") if name in query})
        base = f"{FROM} where stage = '' and {score} is not null and {where}"
        sides = f"count(*) filter ({score} >= ?), count(*) filter ({score} < ?)"
        groups = {
            name: self._ask(f"select {by}, {sides} {base} group by all order by 1", [value, value, *values])
            for name, by in (("tasks", "kind, task"), ("verdicts", "coalesce(verdict, '')"))
        }
        [[low, high]] = self._ask(f"select min({score}), max({score}) {base}", values)
        bars: list[list[Any]] = []
        if low is not None:
            width = (high - low) / BARS or 1.0
            sql = (
                f"select least(floor(({score} - ?) / ?), {BARS - 1})::int as bar, count(*) {base} group by 1"
            )
            counts = dict(self._ask(sql, [low, width, *values]))
            bars = [[low + width * bar, counts.get(bar, 0)] for bar in range(BARS)]
        near = {}
        for side, sign, way in (("above", ">=", "asc"), ("below", "<", "desc")):
            order = f"order by {score} {way}, id limit {NEAR}"
            near[side] = self._ask(
                f"select {SHOWN}, {score} {base} and {score} {sign} ? {order}", [*values, value]
            )
        return {**groups, "bars": bars, "nearest": near, "span": [low, high]}

    def sources(self) -> list[str]:
        """List the sources with the most rows."""
        sql = (
            "select source from rows where source is not null group by 1 order by count(*) desc, 1 limit 500"
        )
        return [source for (source,) in self._ask(sql, [])]

    def _create(self) -> None:
        texts = ("id", "kind", "task", "source", "stage", "reason", "detail", "question", "answer", "search")
        columns = [*(f"{name} varchar" for name in texts), *(f"s{n} double" for n in range(len(self.scores)))]
        self._database.execute(f"create table rows ({', '.join(columns)})")
        self.set_verdicts({})

    def _load(self, stage: str, files: list[str]) -> None:
        if not files:
            return
        known = set(_scores(files))
        scores = [_finite(name) if name in known else "null" for name in self.scores]
        why = "null, null" if stage == HANDED_OFF else "reason, detail"
        said = f"left(coalesce(answer, text), {GIST})"
        values = [
            *("id", "kind", "task", "lineage.source", "?", why, "question", said),
            *(f"lower(concat_ws(' ', question, {said}, lineage.title))", *scores),
        ]
        sql = f"insert into rows select {', '.join(values)} from read_parquet(?, union_by_name = true)"
        self._database.execute(sql, [stage, files])

    def _filter(self, query: Mapping[str, str]) -> Filter:
        conditions: list[str] = ["true"]
        values: list[Any] = []
        for name in ("kind", "task", "reason", "verdict"):
            if query.get(name):
                conditions.append(f"{name} = ?")
                values.append(query[name])
        if stage := query.get("stage"):
            conditions.append({"handed off": "stage = ''", "dropped": "stage <> ''"}.get(stage, "stage = ?"))
            values += [] if stage in ("handed off", "dropped") else [stage]
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

    def _ask(self, sql: str, values: list[Any]) -> list[list[Any]]:
        return [list(row) for row in self._database.cursor().execute(sql, values).fetchall()]


def _filled(paths: list[Path]) -> list[str]:
    return [str(path) for path in paths if pq.read_metadata(path).num_rows]


def _scores(files: list[str]) -> list[str]:
    """Name the numbers of a table. Parts of a stage have the same columns."""
    fields = pq.read_schema(files[0]) if files else []
    return [f.name for f in fields if pa.types.is_floating(f.type) and f.name not in BOOKKEEPING]


def _finite(name: str) -> str:
    column = '"' + name.replace('"', '""') + '"'
    return f"case when isfinite({column}) then {column} end"


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UserError(f"{text!r} is no number") from None
