"""
Coverage of the documents by handed-off rows: documents with rows, and positions of the rows in them.

Memory holds the id, length and row count of each document; the rest is read one partition at a time.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from datagen.report import charts
from datagen.report.rows import final_parts, final_stage
from datagen.run.folder import Run
from datagen.store.parquet import parts, read_part

TENTHS = 10
EDGES = np.array([0, 1, 2, 3, 5, 9, 17, 33, 65, 129, 257, 513, np.inf])
NAMES = ("0", "1", "2", "3–4", "5–8", "9–16", "17–32", "33–64", "65–128", "129–256", "257–512", "513+")
LISTED = 10  # listed documents without a row


@dataclass(frozen=True)
class Coverage:
    """
    Documents and their rows.

    Parameters
    ----------
    documents, covered
        Number of documents, and of those with a row.
    missing
        (source, title, characters) of the longest documents without a row.
    drawn
        Charts: rows per document; positions of rows in their documents.
    """

    documents: int
    covered: int
    missing: list[tuple[str, str, int]]
    drawn: list[charts.Chart]


def coverage(run: Run) -> Coverage | None:
    """Measure the coverage of a run; None if it has no documents or no examples."""
    sources = [r for r in run.stage_records() if r["gives"] == "documents" and not r["takes"]]
    if not sources or final_stage(run) is None:
        return None
    paths = [path for record in sources for path in parts(run.stage_folder(record["stage"]))]
    ids, lengths = [], []
    for path in paths:
        table = read_part(path, ["id", "text"])
        ids.append(table["id"].combine_chunks())
        lengths.append(pc.fill_null(pc.utf8_length(table["text"]), 0).combine_chunks().to_numpy())
    if not any(map(len, ids)):
        return None
    document_ids, length = pa.concat_arrays(ids), np.concatenate(lengths)
    rows, tenths = np.zeros(len(document_ids), np.int64), np.zeros(TENTHS, np.int64)
    for path in final_parts(run):
        lineage = read_part(path, ["lineage"])["lineage"].combine_chunks()
        places = pc.index_in(pc.struct_field(lineage, "document_id"), value_set=document_ids)
        start = pc.struct_field(lineage, "start")
        located = pc.and_(pc.is_valid(places), pc.is_valid(start))
        document, offset = (column.filter(located).to_numpy() for column in (places, start))
        np.add.at(rows, pc.drop_null(places).to_numpy(), 1)
        position = offset / np.maximum(length[document], 1)
        tenths += np.bincount(np.clip(position * TENTHS, 0, TENTHS - 1).astype(int), minlength=TENTHS)
    counts = np.histogram(rows, EDGES)[0]
    used_bins = int(np.flatnonzero(counts)[-1]) + 1
    drawn = [
        charts.columns(
            "Rows per document",
            "Documents by the number of their rows in the hand-off",
            [{"rows": name, "documents": int(n)} for name, n in zip(NAMES[:used_bins], counts, strict=False)],
            "rows",
            "documents",
        )
    ]
    if tenths.any():
        values = [
            {"part of the document, %": f"{10 * n}–{10 * n + 10}", "rows": int(c)}
            for n, c in enumerate(tenths)
        ]
        caption = "Position in the document at which the passage of a row begins"
        drawn.append(charts.columns("Position", caption, values, "part of the document, %", "rows"))
    return Coverage(len(rows), int((rows > 0).sum()), _missing(paths, document_ids, length, rows), drawn)


def _missing(
    paths: list[Path], document_ids: pa.Array, length: npt.NDArray[np.int64], rows: npt.NDArray[np.int64]
) -> list[tuple[str, str, int]]:
    """List the longest documents without a row."""
    uncovered = np.flatnonzero(rows == 0)
    longest = uncovered[np.argsort(-length[uncovered], kind="stable")[:LISTED]]
    wanted = document_ids.take(pa.array(longest))
    details: dict[str, tuple[str, str]] = {}
    for path in paths if len(wanted) else ():
        table = read_part(path, ["id", "source", "title"])
        for row in table.filter(pc.is_in(table["id"], value_set=wanted)).to_pylist():
            details[row["id"]] = (row["source"] or "", row["title"] or "")
    longest_documents = zip(wanted.to_pylist(), length[longest].tolist(), strict=True)
    return [(*details[name], int(characters)) for name, characters in longest_documents]
