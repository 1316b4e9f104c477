"""
Rows that are handed off only together with others.

`mix` drops them if the others are not in the mixture. Others may still be lost between `mix` and the files: a
stage in between or the check of the hand-off drops them.

* A question of the knowledge test needs a trained text about its passage, and its wrong answers.
* An answer with both passages needs its refusal (`datagen.stages.handoff.contrasts`).
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datagen.rows import Row
from datagen.stage import Partitions
from datagen.stages.handoff import contrasts
from datagen.stages.handoff.handoff.configurations import KNOWLEDGE_TEST
from datagen.store.parquet import read_part, write_table

UNTRAINED = ("tested passage is not trained", "no text about it is handed off")
FEW_CHOICES = ("too few wrong answers", "a question has three, which other rows that are handed off answer")
COLUMNS = ["id", "kind", "split", "answer", "lineage", "knowledge"]
Verdict = tuple[str, str | None]


def withdraw(partitions: Partitions, checked: list[Path]) -> None:
    """
    Give a reason to every valid row whose support is not handed off.

    Parameters
    ----------
    partitions
        All rows.
    checked
        For each partition, the file with the verdicts on its rows: id, reason, detail. It is rewritten.
    """
    withdrawn = _unsupported_questions(partitions, checked)
    pairs = contrasts.read(partitions)
    if len(pairs.answers):
        tables = zip(partitions.columns(["id"]), checked, strict=True)
        flags = [pc.is_in(table["id"], value_set=_valid(path)).to_numpy() for table, path in tables]
        alone, start = pairs.orphaned(np.concatenate([np.zeros(0, bool), *flags])), 0
        for table in partitions.columns(["id"]):
            ids = table["id"].filter(pa.array(alone[start : start + len(table)])).to_pylist()
            withdrawn |= dict.fromkeys(ids, (contrasts.REASON, None))
            start += len(table)
    for path in checked if withdrawn else ():
        _rewrite(path, withdrawn)


def _unsupported_questions(partitions: Partitions, checked: list[Path]) -> dict[str, Verdict]:
    """Return the reasons of the valid questions that the other valid rows do not support."""
    tested: dict[str, Row] = {}
    for rows in _rows(partitions, checked):
        if {"split", "knowledge"} <= {*rows.column_names}:
            of_test = rows.filter(pc.equal(rows["split"], KNOWLEDGE_TEST))
            tested |= {row["id"]: row for row in of_test.to_pylist()}
    if not tested:
        return {}
    places = {name: _place(row["lineage"]) for name, row in tested.items()}
    passages = pa.array(sorted({passage for _, passage in places.values()}), pa.string())
    choices = {text for row in tested.values() for text in row["knowledge"]["choices"]}
    read, answered = set[tuple[str, str]](), set[str]()
    for rows in _rows(partitions, checked):
        trained = rows.filter(pc.equal(rows["split"], "train"))
        texts = trained.filter(pc.equal(trained["kind"], "reading"))
        about = pc.fill_null(pc.struct_field(texts["lineage"].combine_chunks(), "passage_id"), "")
        wanted = texts["lineage"].filter(pc.is_in(about, value_set=passages))
        read |= {_place(lineage) for lineage in wanted.to_pylist()}
        pairs = trained.filter(pc.equal(trained["kind"], "instruction"))
        answered |= choices.intersection(pairs["answer"].to_pylist())
    lost: dict[str, Verdict] = {name: UNTRAINED for name, place in places.items() if place not in read}
    while True:  # a question that is withdrawn leaves its answer to no other
        left = {name: row for name, row in tested.items() if name not in lost}
        known = answered | {row["answer"] for row in left.values()}
        few = {name for name, row in left.items() if not known.issuperset(row["knowledge"]["choices"])}
        if not few:
            return lost
        lost |= dict.fromkeys(few, FEW_CHOICES)


def _rows(partitions: Partitions, checked: list[Path]) -> Iterator[pa.Table]:
    """Yield the valid rows of each partition."""
    for table, path in zip(partitions.columns(COLUMNS), checked, strict=True):
        yield table.filter(pc.is_in(table["id"], value_set=_valid(path)))


def _valid(path: Path) -> pa.Array:
    """Read the ids of the valid rows of a partition."""
    verdict = read_part(path, ["id", "reason"])
    return verdict["id"].filter(pc.is_null(verdict["reason"])).combine_chunks()


def _place(lineage: Row | None) -> tuple[str, str]:
    """Return the ids of a row's document and passage."""
    return (lineage or {}).get("document_id") or "", (lineage or {}).get("passage_id") or ""


def _rewrite(path: Path, withdrawn: dict[str, Verdict]) -> None:
    verdict = read_part(path)
    found = [withdrawn.get(name) for name in verdict["id"].to_pylist()]
    if not any(found):
        return
    for number, name in enumerate(("reason", "detail")):
        new = pa.array([each[number] if each else None for each in found], pa.string())
        place = verdict.schema.get_field_index(name)
        verdict = verdict.set_column(place, name, pc.coalesce(new, verdict[name]))
    write_table(verdict, path)
