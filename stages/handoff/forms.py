"""
Open-book and closed-book forms of a pair.

A row with its passage in the prompt trains extraction; without it, the fact. `mix` decides which pairs lose
their passage and which are handed off in both forms. The second form is created by the hand-off, so that a
pair stays one row of the pipeline's tables: every stage returns each row exactly once.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datagen.schema import LINEAGE, chat, content_id, fractions

BOTH = "both_forms"  # column of `mix`: whether the row is also handed off without its passage


def without_passage(rows: pa.Table, closed: Sequence[bool]) -> pa.Table:
    """Remove the passage from the prompt and context of the rows flagged in `closed`."""
    if not any(closed):
        return rows
    prompts, contexts = rows["prompt"].to_pylist(), rows["context"].to_pylist()
    for place, (question, remove) in enumerate(zip(rows["question"].to_pylist(), closed, strict=True)):
        if remove:
            first = prompts[place][0]
            system = first["content"] if first["role"] == "system" else None
            prompts[place], contexts[place] = chat(question, system=system), None
    return _replaced(_replaced(rows, "prompt", prompts), "context", contexts)


def closed_forms(rows: pa.Table) -> pa.Table:
    """Create closed-book copies of rows, with the open-book row as parent."""
    ids = rows["id"].to_pylist()
    origins: list[dict[str, object] | None] = rows["lineage"].cast(LINEAGE).to_pylist()
    lineage = [(origin or {}) | {"parents": [id_]} for origin, id_ in zip(origins, ids, strict=True)]
    closed = without_passage(rows, [True] * len(rows))
    closed = _replaced(closed, "id", [content_id("closed form", id_) for id_ in ids])
    return _replaced(closed, "lineage", lineage)


def with_closed_forms(rows: pa.Table, seed: str) -> tuple[pa.Table, np.ndarray]:
    """
    Add the closed-book forms of the rows that `mix` has marked.

    Parameters
    ----------
    rows
        A partition; without the column of `mix` nothing is added.
    seed
        Seed of the draw that orders rows, including the added ones.

    Returns
    -------
    rows, places
        All rows, and the place of each original row among them.
    """
    if BOTH not in rows.column_names:
        return rows, np.arange(len(rows))
    marked = rows.filter(pc.fill_null(rows[BOTH], False))
    if not len(marked):
        return rows, np.arange(len(rows))
    added = closed_forms(marked)
    combined = pa.concat_tables([rows, added])
    order = pc.fill_null(combined["order"], 0).to_numpy()
    draws = np.array(fractions(("order", seed), combined["id"].to_pylist()))
    sequence = np.lexsort([draws, order])
    return combined.take(pa.array(sequence)), np.argsort(sequence)[: len(rows)]


def _replaced(rows: pa.Table, name: str, values: Sequence[object]) -> pa.Table:
    number = rows.schema.get_field_index(name)
    return rows.set_column(number, name, pa.array(values, rows.schema.field(number).type))
