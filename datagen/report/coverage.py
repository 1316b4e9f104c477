"""
How well the handed-off rows cover the documents: which documents have rows, and from where in them rows come.

Memory holds the id and the length of each document, and a count; all else is one partition at a time.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datagen.report import charts
from datagen.report.composition import last_examples
from datagen.run.folder import Run
from datagen.store.parquet import parts, read_part

TENTHS = 10
EDGES = np.array([0, 1, 2, 3, 5, 9, 17, 33, 65, 129, 257, 513, np.inf])
NAMES = ("0", "1", "2", "3–4", "5–8", "9–16", "17–32", "33–64", "65–128", "129–256", "257–512", "513+")
LISTED = 10  # documents without a row that are named


@dataclass(frozen=True)
class Coverage:
    """
    Documents and their rows.

    Parameters
    ----------
    documents, covered
        How many there are, and how many have a row.
    missing
        (source, title, characters) of the longest documents without a row.
    drawn
        Charts: rows a document; where in their document rows begin.
    """

    documents: int
    covered: int
    missing: list[tuple[str, str, int]]
    drawn: list[charts.Chart]


def coverage(run: Run) -> Coverage | None:
    """Measure the coverage of a run; None where no stage reads documents or none gives examples."""
    sources = [r for r in run.stage_records() if r["gives"] == "documents" and not r["takes"]]
    last = last_examples(run)
    if not sources or not last:
        return None
    paths = [path for record in sources for path in parts(run.stage_folder(record["stage"]))]
    ids, lengths = [], []
    for path in paths:
        table = read_part(path, ["id", "text"])
        ids.append(table["id"].combine_chunks())
        lengths.append(pc.fill_null(pc.utf8_length(table["text"]), 0).combine_chunks().to_numpy())
    if not any(map(len, ids)):
        return None
    every, length = pa.concat_arrays(ids), np.concatenate(lengths)
    rows, tenths = np.zeros(len(every), np.int64), np.zeros(TENTHS, np.int64)
    for path in parts(run.stage_folder(str(last[0]["stage"]))):
        lineage = read_part(path, ["lineage"])["lineage"].combine_chunks()
        places = pc.index_in(pc.struct_field(lineage, "document_id"), value_set=every)
        start = pc.struct_field(lineage, "start")
        both = pc.and_(pc.is_valid(places), pc.is_valid(start))
        place, at = (column.filter(both).to_numpy() for column in (places, start))
        np.add.at(rows, pc.drop_null(places).to_numpy(), 1)
        share = at / np.maximum(length[place], 1)
        tenths += np.bincount(np.clip(share * TENTHS, 0, TENTHS - 1).astype(int), minlength=TENTHS)
    counts = np.histogram(rows, EDGES)[0]
    used = int(np.flatnonzero(counts)[-1]) + 1
    drawn = [
        charts.columns(
            "Rows per document",
            "Documents by how many rows were handed off from them",
            [{"rows": name, "documents": int(n)} for name, n in zip(NAMES[:used], counts, strict=False)],
            "rows",
            "documents",
        )
    ]
    if tenths.any():
        values = [
            {"part of the document, %": f"{10 * n}–{10 * n + 10}", "rows": int(c)}
            for n, c in enumerate(tenths)
        ]
        caption = "Where in its document the passage of a row begins"
        drawn.append(charts.columns("Position", caption, values, "part of the document, %", "rows"))
    return Coverage(len(rows), int((rows > 0).sum()), _missing(paths, every, length, rows), drawn)


def _missing(paths: list[Any], every: pa.Array, length: Any, rows: Any) -> list[tuple[str, str, int]]:
    """Name the longest documents without a row."""
    bare = np.flatnonzero(rows == 0)
    longest = bare[np.argsort(-length[bare], kind="stable")[:LISTED]]
    wanted = every.take(pa.array(longest))
    named: dict[str, tuple[str, str]] = {}
    for path in paths if len(wanted) else ():
        table = read_part(path, ["id", "source", "title"])
        for row in table.filter(pc.is_in(table["id"], value_set=wanted)).to_pylist():
            named[row["id"]] = (row["source"] or "", row["title"] or "")
    order = zip(wanted.to_pylist(), length[longest].tolist(), strict=True)
    return [(*named[name], int(characters)) for name, characters in order]
