"""
The promise about the rows that are handed off.

A promise covers the rows that calibrate read. If later stages drop only rows below its threshold, these are
the rows that are handed off. If they drop others, such as duplicates, right and wrong rows may be dropped at
different rates. Then the remaining judged rows are a random sample of the remaining rows, and must show the
promised precision again. The threshold is one of several candidates chosen from the same verdicts, so the
bound must hold for all of them at once (Bonferroni).
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datagen.json_types import JsonObject
from datagen.stage import Context
from datagen.stages.confidence.calibrate import evidence, promised
from datagen.stages.confidence.calibrate.promises import STEPS
from datagen.stages.confidence.calibrate.report import SAMPLE
from datagen.stages.confidence.labels.draw import group_of
from datagen.store.parquet import read_part

POPULATIONS = 2  # that a promise can cover: all rows, or those of an earlier promise


@dataclass(frozen=True)
class Stated:
    """
    The promise about the rows of a kind or task that are handed off.

    Parameters
    ----------
    group, target, sure
        The kind or task, the minimum share of right rows, and the probability that it holds.
    rows, others
        Number of rows handed off that the promise covers, and of the other rows.
    judged, right, bound
        Number of covered rows that were drawn at random and judged, number of right ones, and the precision
        that they show.
    doubt
        The probability that the promise is broken, given the verdicts.
    release
        The run whose rows were judged.
    why
        Reason why nothing is promised; empty if something is.
    """

    group: str
    target: float
    sure: float
    rows: int = 0
    others: int = 0
    judged: int = 0
    right: int = 0
    bound: float = 0.0
    doubt: float | None = None
    release: str = ""
    why: str = ""


def stated(tables: Iterable[pa.Table], context: Context) -> list[JsonObject]:
    """
    State the promises about the rows that are handed off.

    There are none where the pipeline does not calibrate, nor about kinds and tasks that never had a row.

    Parameters
    ----------
    tables
        The rows, with id, kind, task and, if present, confidence and threshold.
    context
        Context of the stage that hands them off.
    """
    stage, promises = promised.before(context)
    if not promises:
        return []
    names = list(promises)
    covered: dict[str, list[str]] = {name: [] for name in names}
    counts = np.zeros(len(names) + 1, np.int64)
    for table in tables:
        group = group_of(table, names)
        counts += np.bincount(np.where(group < 0, len(names), group), minlength=len(names) + 1)
        if {"confidence", "threshold"} <= {*table.column_names}:
            kept = pc.fill_null(pc.greater_equal(table["confidence"], table["threshold"]), False).to_numpy()
            for number, name in enumerate(names):
                covered[name] += table["id"].filter(pa.array(kept & (group == number))).to_pylist()
    sample = read_part(context.run_folder / "stages" / stage / SAMPLE)
    return [
        asdict(_stated(name, promises[name]["promise"], covered[name], int(counts[number]), sample, context))
        for number, name in enumerate(names)
        if promises[name]["rows"]
    ]


def _stated(
    group: str, promise: JsonObject, ids: list[str], rows: int, sample: pa.Table, context: Context
) -> Stated:
    target, sure = promise["target"], promise["sure"]
    if promise["threshold"] is None:
        return Stated(group, target, sure, others=rows, why=promise["why"])
    release = promise["release"] or context.run_folder.name
    if len(ids) == promise["rows"]:
        shown = (promise["above"], promise["right"], promise["bound"], promise["doubt"])
        return Stated(group, target, sure, len(ids), rows - len(ids), *shown, release)
    floor = promise["threshold"]
    covered_sample = pc.and_(pc.equal(sample["group"], group), pc.greater_equal(sample["confidence"], floor))
    if promise["release"]:
        covered_sample = pc.and_(covered_sample, pc.invert(sample["later"]))
    handed_off = pc.or_(pc.is_in(sample["id"], pa.array(ids, pa.string())), pc.equal(sample["id"], ""))
    right = sample["right"].filter(pc.and_(covered_sample, handed_off)).to_numpy()
    error, population = (1 - sure) / (STEPS * POPULATIONS), max(len(ids), len(right))
    bound = evidence.lower_bound(right, population, error)
    if evidence.shows(right, population, target, error):
        doubt = evidence.doubt(int(right.sum()), len(right), target)
        shown = (len(right), int(right.sum()), bound, doubt)
        return Stated(group, target, sure, len(ids), rows - len(ids), *shown, release)
    dropped = promise["rows"] - len(ids)
    why = (
        f"later stages dropped {dropped:,} of the {promise['rows']:,} rows that the promise covers; the "
        f"{len(right):,} judged rows that remain, {right.sum():,} of them right, show only {bound:.0%}. Move "
        "calibrate after all other stages that drop rows"
    )
    return Stated(group, target, sure, others=rows, why=why)
