"""
One row of a run: what it says, its passage, the requests behind it, and what became of it at each stage.

Stages that refine rows keep their ids, so the trail of a row is where its id stands; rows that were made from
it name it as a parent. DuckDB reads only the columns that a question needs.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pyarrow.compute as pc
import pyarrow.parquet as pq

from datagen.errors import UserError
from datagen.report.evidence import Spans, spans
from datagen.request import Completion
from datagen.run.folder import Run
from datagen.schema import EXAMPLES
from datagen.store.parquet import parts, read_part

RELATED = 12  # rows of each stage that are shown
RELATIONS = ("made from", "repeats", "made into", "of the same passage")
MATCHES = 5  # ids that are shown where a prefix is not enough
ASKED = ("requests", "follow_ups")  # folders of a stage
# Tables with rows that can be explained, each with the SQL of what a row says.
SAID = "coalesce(question, left(text, 200), answer, '')"
ROWS = {"examples": SAID, "probes": SAID, "seeds": SAID, "questions": "question"}

Row = dict[str, Any]


@dataclass(frozen=True)
class Step:
    """
    What a stage did with the row.

    Parameters
    ----------
    stage
        Its name.
    outcome
        ``made``, ``kept`` or ``dropped``.
    reason, detail
        Of a dropped row.
    scores
        What the stage measured: the numbers that the row did not have before.
    """

    stage: str
    outcome: str
    reason: str = ""
    detail: str = ""
    scores: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """A request behind a row, and its raw answer; both empty where they are not stored."""

    key: str
    prompt: str
    messages: list[dict[str, str]]
    answer: str
    finish: str
    model: str


@dataclass(frozen=True)
class Trail:
    """
    A row with all that led to it.

    Parameters
    ----------
    row
        As the last stage left it.
    passage
        The passage it is about, with its evidence marked.
    steps
        Stages in their order.
    related
        (relation, id, stage, what it says).
    """

    row: Row
    passage: Spans
    steps: list[Step]
    related: list[tuple[str, str, str, str]]

    @property
    def requests(self) -> list[str]:
        """The keys of the requests that the row cost."""
        return list((self.row.get("lineage") or {}).get("requests") or [])


class Trails:
    """
    The rows of a run, to be followed through its stages.

    Parameters
    ----------
    run
        The run. Stages that are complete when it is opened are looked at.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._tables = list(_tables(run))
        self._made = [table for table in self._tables if table.makes]  # a row appears first where it is made
        self._connection = duckdb.connect()

    def find_id(self, prefix: str) -> str:
        """
        Complete the beginning of an id.

        Raises
        ------
        UserError
            When no row or more than one has it.
        """
        found: dict[str, None] = {}
        sql = "select distinct id from read_parquet(?) where starts_with(id, ?) limit ?"
        for files in (files for table in self._made for files in (table.kept, table.dropped)):
            found |= dict.fromkeys(name for (name,) in self._query(sql, files, prefix, MATCHES + 1))
        if not found:
            raise UserError(
                f"no row of {self._run.folder} has an id that begins with {prefix!r}. The report shows ids"
            )
        if len(found) > 1 and prefix not in found:
            shown = ", ".join(list(found)[:MATCHES])
            raise UserError(f"several rows have an id that begins with {prefix!r}: {shown}. Write more of it")
        return prefix if prefix in found else next(iter(found))

    def follow(self, name: str) -> Trail:
        """
        Follow a row through the stages.

        Raises
        ------
        UserError
            When no stage has it.
        """
        steps: list[Step] = []
        last: Row = {}
        known: set[str] = set()
        for table in self._tables:
            for files, dropped in ((table.kept, False), (table.dropped, True)):
                for row in self._rows(files, name)[:1]:
                    scores = {key: value for key, value in row.items() if _is_score(key, value)}
                    new = {key: value for key, value in scores.items() if key not in known}
                    known |= new.keys()
                    outcome = "dropped" if dropped else "kept" if last else "made"
                    why = (row.get("reason") or "", row.get("detail") or "") if dropped else ("", "")
                    steps.append(Step(table.stage, outcome, *why, new))
                    last = row
        if not last:
            raise UserError(f"no row of {self._run.folder} has the id {name}")
        passage = last.get("context") or self._passage((last.get("lineage") or {}).get("passage_id"))
        marked = spans(passage, last.get("evidence")) if passage else []
        return Trail(last, marked, steps, self._related(last))

    def requests(self, keys: Sequence[str]) -> list[Request]:
        """Read requests and their raw answers, in the order of the keys."""
        answers = self._run.completions.find(keys) if keys else {}
        asked: dict[str, tuple[str, str]] = {}
        sql = "select key, prompt, body from read_parquet(?) where list_contains(?, key)"
        folders = [
            self._run.stage_folder(name) / kind for name in self._run.manifest["stages"] for kind in ASKED
        ]
        for folder in folders if keys else ():
            files = _filled(parts(folder))
            asked |= {key: (prompt, body) for key, prompt, body in self._query(sql, files, list(keys))}
        return [_request(key, *asked.get(key, ("", "{}")), answers.get(key)) for key in keys]

    def _related(self, row: Row) -> list[tuple[str, str, str, str]]:
        """Find a row's parents, rows that it repeats, rows made from it, and rows of the same passage."""
        lineage = row.get("lineage") or {}
        detail = str(row.get("detail") or "")
        twin = detail[3:].partition(":")[0] if detail.startswith("of ") else ""
        sql = """
            select case when list_contains(?, id) then 'made from'
                        when id = ? then 'repeats'
                        when list_contains(lineage.parents, ?) then 'made into'
                        when lineage.passage_id = ? then 'of the same passage' end as relation,
                   id, {said}
            from read_parquet(?) where relation is not null and id <> ? limit ?"""
        values = (list(lineage.get("parents") or []), twin, row["id"], lineage.get("passage_id") or "")
        found: dict[str, tuple[str, str, str, str]] = {}
        for table in self._made:
            query = sql.replace("{said}", table.said)
            for relation, name, text in self._query(
                query, table.kept, *values, row["id"], RELATED, files_at=4
            ):
                found.setdefault(name, (relation, name, table.stage, text))
        return sorted(found.values(), key=lambda other: RELATIONS.index(other[0]))

    def _rows(self, files: list[str], name: str) -> list[Row]:
        sql = "select distinct filename from read_parquet(?, filename = true) where id = ?"
        tables = [read_part(Path(file)) for (file,) in self._query(sql, files, name)]
        return [row for table in tables for row in table.filter(pc.equal(table["id"], name)).to_pylist()]

    def _passage(self, name: str | None) -> str:
        for record in self._run.stage_records() if name else ():
            if record["gives"] == "passages" != record["takes"]:
                files = _filled(parts(self._run.stage_folder(record["stage"])))
                for (text,) in self._query("select text from read_parquet(?) where id = ?", files, name):
                    return str(text)
        return ""

    def _query(self, sql: str, files: list[str], *values: Any, files_at: int = 0) -> list[tuple[Any, ...]]:
        """Ask files; `files_at` is the place of the files among the values."""
        if not files:
            return []
        every = [*values[:files_at], files, *values[files_at:]]
        found: list[tuple[Any, ...]] = self._connection.cursor().execute(sql, every).fetchall()
        return found


class _Table(NamedTuple):
    """The files of a stage's table that have rows."""

    stage: str
    makes: bool
    said: str  # SQL of what a row says
    kept: list[str]
    dropped: list[str]


def _tables(run: Run) -> Iterator[_Table]:
    for record in run.stage_records():
        if record["gives"] in ROWS:
            folder = run.stage_folder(record["stage"])
            files = (_filled(parts(folder)), _filled(parts(folder / "dropped")))
            yield _Table(record["stage"], record["takes"] != record["gives"], ROWS[record["gives"]], *files)


def _filled(paths: Sequence[Path]) -> list[str]:
    return [str(path) for path in paths if pq.read_metadata(path).num_rows]


def _request(key: str, prompt: str, body: str, answer: Completion | None) -> Request:
    messages = json.loads(body).get("messages", [])
    text, finish, model = (answer.text, answer.finish, answer.model) if answer else ("", "", "")
    return Request(key, prompt, messages, text, finish, model)


def _is_score(name: str, value: Any) -> bool:
    own = name in EXAMPLES.names and name != "logprob"
    return isinstance(value, float) and not own
