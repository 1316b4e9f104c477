"""
Rows to look at: some that were handed off beside some that were dropped, with their evidence marked.

Ids are hashes of content, so the rows with the smallest ids are a random sample that does not depend on the
order of partitions.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from datagen.report.evidence import Spans, excerpt, spans
from datagen.run.folder import Run
from datagen.schema import KINDS
from datagen.store.parquet import parts, read_part

OF_KIND = 4  # rows of each kind, kept and dropped
OF_REASON = 3  # rows of each reason for dropping
AROUND = 260  # characters of the passage on either side of the evidence
LONGEST = 900  # characters of any other text
SAID = ("question", "answer", "rejected", "text")
NAME = "id or source"
SHOWN = ("kind", "task", "context", "evidence", "lineage", "reason", "detail", *SAID)


@dataclass(frozen=True)
class Sample:
    """
    A row as the report shows it.

    Parameters
    ----------
    row
        Id, kind, task, reason and detail; empty where there is none.
    said
        (name, text) of what it says.
    passage
        An excerpt of its passage, with its evidence marked.
    stage
        The stage that dropped it; empty for a row that was handed off.
    """

    row: dict[str, str]
    said: list[tuple[str, str]]
    passage: Spans
    stage: str


def side_by_side(run: Run) -> dict[str, tuple[list[Sample], list[Sample]]]:
    """Draw rows of each kind that were handed off, and rows that were dropped after they had been written."""
    records = [record for record in run.stage_records() if record["gives"] == "examples"]
    folders = [run.stage_folder(record["stage"]) for record in records]
    dropped = [path for folder in folders for path in parts(folder / "dropped")]
    kept = parts(folders[-1]) if folders else []
    passages = _Passages(run)
    drawn = [_drawn(paths, "kind", OF_KIND, written=True) for paths in (kept, dropped)]
    shown = [{kind: passages.shown(rows) for kind, rows in half.items()} for half in drawn]
    return {
        kind: (shown[0].get(kind, []), shown[1].get(kind, []))
        for kind in sorted(KINDS, key=lambda kind: kind == "reading")  # the longest last
        if any(kind in half for half in shown)
    }


def by_reason(run: Run, record: dict[str, Any]) -> dict[str, list[Sample]]:
    """Draw rows of each reason that a stage dropped rows for, the most frequent reason first."""
    drawn = _drawn(parts(run.stage_folder(record["stage"]) / "dropped"), "reason", OF_REASON)
    passages = _Passages(run)
    return {reason: passages.shown(drawn.get(reason, [])) for reason in record["dropped"]}


def _drawn(
    paths: Iterable[Path], group: str, most: int, written: bool = False
) -> dict[str, list[dict[str, Any]]]:
    """
    Find the rows with the smallest ids of each value of a column; a file that was not read has its source.

    Parameters
    ----------
    paths
        Partitions. Only those that hold such a row are read in full.
    group
        The column.
    most
        Rows of each value.
    written
        Whether rows without answer and text are left out.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for path in paths:
        table = _named(path, [group, *(("answer", "text") if written else ())])
        if written:
            table = table.filter(pc.or_(pc.is_valid(table["answer"]), pc.is_valid(table["text"])))
        wanted = []
        for value in pc.unique(table[group]).drop_null().to_pylist():
            ids = table[NAME].filter(pc.equal(table[group], value)).sort()[:most].to_pylist()
            had = found.setdefault(value, [])
            wanted += [name for name in ids if len(had) < most or name < had[-1][NAME]]
        if not wanted:
            continue
        rows = _named(path, SHOWN)
        stage = path.parent.parent.name if path.parent.name == "dropped" else ""
        for row in rows.filter(pc.is_in(rows[NAME], pa.array(wanted))).to_pylist():
            found[row[group]].append(row | {"dropped by": stage})
        found = {value: _first(of_value, most) for value, of_value in found.items()}
    return found


def _named(path: Path, columns: Sequence[str]) -> pa.Table:
    """Read columns of a partition, and name each row by its id, else by its source."""
    table = read_part(path, ["id", "source", *columns])
    names = [table[name] for name in ("id", "source") if name in table.column_names]
    return table.append_column(NAME, pc.coalesce(*names, pa.scalar("")))


def _first(rows: list[dict[str, Any]], most: int) -> list[dict[str, Any]]:
    """Order rows by name; of those with the same name, which several stages may have dropped, one counts."""
    return sorted({row[NAME]: row for row in rows}.values(), key=lambda row: str(row[NAME]))[:most]


class _Passages:
    """The passages of a run, found by id where a row does not hold its own."""

    def __init__(self, run: Run) -> None:
        made = [r for r in run.stage_records() if r["gives"] == "passages" != r["takes"]]
        self._paths = [path for record in made for path in parts(run.stage_folder(record["stage"]))]

    def shown(self, rows: Sequence[dict[str, Any]]) -> list[Sample]:
        """Prepare rows for the page."""
        texts = self._texts(
            {(row.get("lineage") or {}).get("passage_id") for row in rows if not row.get("context")}
        )
        return [self._sample(row, texts) for row in rows]

    def _texts(self, ids: set[str | None]) -> dict[str, str]:
        wanted = pa.array(sorted(name for name in ids if name), pa.string())
        found: dict[str, str] = {}
        for path in self._paths if len(wanted) else ():
            table = read_part(path, ["id", "text"])
            found |= {
                row["id"]: row["text"] for row in table.filter(pc.is_in(table["id"], wanted)).to_pylist()
            }
        return found

    def _sample(self, row: dict[str, Any], texts: dict[str, str]) -> Sample:
        passage = row.get("context") or texts.get((row.get("lineage") or {}).get("passage_id") or "", "")
        if row.get("text"):  # a document, a passage or a reading text is its own passage
            passage = ""
        said = [(name, _short(row[name])) for name in SAID if row.get(name)]
        names = ("kind", "task", "reason", "detail")
        return Sample(
            {"id": row[NAME]} | {name: _short(row.get(name) or "") for name in names},
            said,
            excerpt(spans(passage, row.get("evidence")), AROUND) if passage else [],
            row["dropped by"],
        )


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[:LONGEST] + " …"
