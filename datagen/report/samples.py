"""
Samples of handed-off and dropped rows, with their evidence marked.

Ids are hashes of content, so the rows with the smallest ids are a random sample that does not depend on the
order of partitions.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from datagen.report.evidence import Spans, excerpt, spans
from datagen.rows import Row
from datagen.run.folder import Run
from datagen.schema import KINDS
from datagen.store.parquet import parts, read_part
from datagen.store.record import StageRecord

OF_KIND = 4  # rows per kind, both kept and dropped
OF_REASON = 3  # rows per drop reason
AROUND = 260  # characters of the passage on either side of the evidence
LONGEST = 900  # characters of any other text
TEXTS = ("question", "answer", "rejected", "text")
NAME = "id or source"
SHOWN = ("kind", "task", "context", "evidence", "lineage", "reason", "detail", *TEXTS)


@dataclass(frozen=True)
class Sample:
    """
    A row in the report.

    Parameters
    ----------
    row
        Id, kind, task, reason and detail; empty if missing.
    texts
        (name, text) of its fields.
    passage
        An excerpt of its passage, with its evidence marked.
    stage
        The stage that dropped it; empty for a handed-off row.
    """

    row: dict[str, str]
    texts: list[tuple[str, str]]
    passage: Spans
    stage: str


def side_by_side(run: Run) -> dict[str, tuple[list[Sample], list[Sample]]]:
    """Sample handed-off rows of each kind, and rows dropped after generation."""
    records = [record for record in run.stage_records() if record["gives"] == "examples"]
    folders = [run.stage_folder(record["stage"]) for record in records]
    dropped = [path for folder in folders for path in parts(folder / "dropped")]
    kept = parts(folders[-1]) if folders else []
    passages = _Passages(run)
    sampled = [_drawn(paths, "kind", OF_KIND, only_written=True) for paths in (kept, dropped)]
    prepared = [{kind: passages.shown(rows) for kind, rows in half.items()} for half in sampled]
    return {
        kind: (prepared[0].get(kind, []), prepared[1].get(kind, []))
        for kind in sorted(KINDS, key=lambda kind: kind == "reading")  # the longest texts last
        if any(kind in half for half in prepared)
    }


def by_reason(run: Run, record: StageRecord) -> dict[str, list[Sample]]:
    """Sample rows of each drop reason of a stage, most frequent reason first."""
    sampled = _drawn(parts(run.stage_folder(record["stage"]) / "dropped"), "reason", OF_REASON)
    passages = _Passages(run)
    return {reason: passages.shown(sampled.get(reason, [])) for reason in record["dropped"]}


def _drawn(
    paths: Iterable[Path], group: str, maximum: int, only_written: bool = False
) -> dict[str, list[Row]]:
    """
    Find the rows with the smallest ids of each value of a column; a file that was not read has its source.

    Parameters
    ----------
    paths
        Partitions. Only those that contain such a row are read in full.
    group
        The column.
    maximum
        Rows per value.
    only_written
        Whether to exclude rows without answer and text.
    """
    sampled: dict[str, list[Row]] = {}
    for path in paths:
        table = _named(path, [group, *(("answer", "text") if only_written else ())])
        if only_written:
            table = table.filter(pc.or_(pc.is_valid(table["answer"]), pc.is_valid(table["text"])))
        wanted = []
        for value in pc.unique(table[group]).drop_null().to_pylist():
            names = table[NAME].filter(pc.equal(table[group], value)).sort()[:maximum].to_pylist()
            current = sampled.setdefault(value, [])
            wanted += [name for name in names if len(current) < maximum or name < current[-1][NAME]]
        if not wanted:
            continue
        rows = _named(path, SHOWN)
        stage = path.parent.parent.name if path.parent.name == "dropped" else ""
        for row in rows.filter(pc.is_in(rows[NAME], pa.array(wanted))).to_pylist():
            sampled[row[group]].append({**row, "dropped by": stage})
        sampled = {value: _first(of_value, maximum) for value, of_value in sampled.items()}
    return sampled


def _named(path: Path, columns: Sequence[str]) -> pa.Table:
    """Read columns of a partition, and name each row by its id, else by its source."""
    table = read_part(path, ["id", "source", *columns])
    names = [table[name] for name in ("id", "source") if name in table.column_names]
    return table.append_column(NAME, pc.coalesce(*names, pa.scalar("")))


def _first(rows: list[Row], maximum: int) -> list[Row]:
    """Return the first rows by name; rows with the same name, dropped by several stages, count once."""
    return sorted({row[NAME]: row for row in rows}.values(), key=lambda row: str(row[NAME]))[:maximum]


class _Passages:
    """The passages of a run, for rows that do not contain theirs."""

    def __init__(self, run: Run) -> None:
        made = [r for r in run.stage_records() if r["gives"] == "passages" != r["takes"]]
        self._paths = [path for record in made for path in parts(run.stage_folder(record["stage"]))]

    def shown(self, rows: Sequence[Row]) -> list[Sample]:
        """Prepare rows for the page."""
        passages = self._texts(
            {(row.get("lineage") or {}).get("passage_id") for row in rows if not row.get("context")}
        )
        return [self._sample(row, passages) for row in rows]

    def _texts(self, ids: set[str | None]) -> dict[str, str]:
        wanted = pa.array(sorted(name for name in ids if name), pa.string())
        texts: dict[str, str] = {}
        for path in self._paths if len(wanted) else ():
            table = read_part(path, ["id", "text"])
            texts |= {
                row["id"]: row["text"] for row in table.filter(pc.is_in(table["id"], wanted)).to_pylist()
            }
        return texts

    def _sample(self, row: Row, passages: dict[str, str]) -> Sample:
        passage = row.get("context") or passages.get((row.get("lineage") or {}).get("passage_id") or "", "")
        if row.get("text"):  # a document, a passage or a reading text is its own passage
            passage = ""
        fields = [(name, _short(row[name])) for name in TEXTS if row.get(name)]
        names = ("kind", "task", "reason", "detail")
        return Sample(
            {"id": row[NAME]} | {name: _short(row.get(name) or "") for name in names},
            fields,
            excerpt(spans(passage, row.get("evidence")), AROUND) if passage else [],
            row["dropped by"],
        )


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[:LONGEST] + " …"
