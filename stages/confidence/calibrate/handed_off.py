"""
What a promise says of the rows that are handed off.

A promise is about the rows that calibrate saw. Where the stages behind it drop nothing but rows that are
not under it, these are the rows that are handed off. Where they drop others, such as duplicates, right and
wrong ones need not go alike: then the judged rows that are left are a random sample of the rows that are
left, and must show the promise anew. The threshold was chosen from the same verdicts, one of so many, so
the bound holds for each of these at once (Bonferroni).
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datagen.stage import Context
from datagen.stages.confidence.calibrate import evidence, promised
from datagen.stages.confidence.calibrate.promises import STEPS
from datagen.stages.confidence.calibrate.report import SAMPLE
from datagen.stages.confidence.labels.draw import group_of
from datagen.store.parquet import read_part

POPULATIONS = 2  # that a promise may have been about: all rows, or those of an earlier promise


@dataclass(frozen=True)
class Stated:
    """
    What is promised about the rows of a kind or task that are handed off.

    Parameters
    ----------
    group, target, sure
        The kind or task, the least share of right rows, and how surely.
    rows, others
        How many rows are handed off under the promise, and how many beside it.
    judged, right, bound
        Randomly drawn ones of the former that were judged, how many of them are right, and what that shows.
    doubt
        The probability that the promise is broken, given the verdicts.
    release
        The run whose rows were judged.
    why
        Where nothing is promised: the reason. Empty where something is.
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


def stated(tables: Iterable[pa.Table], context: Context) -> list[dict[str, Any]]:
    """
    Say what is promised about the rows that are handed off; nothing where the line does not calibrate.

    Parameters
    ----------
    tables
        The rows, with id, kind, task and, where there are any, confidence and threshold.
    context
        Of the stage that hands them off.
    """
    stage, promises = promised.before(context)
    if not promises:
        return []
    names = list(promises)
    under: dict[str, list[str]] = {name: [] for name in names}
    counts = np.zeros(len(names) + 1, np.int64)
    for table in tables:
        group = group_of(table, names)
        counts += np.bincount(np.where(group < 0, len(names), group), minlength=len(names) + 1)
        if {"confidence", "threshold"} <= {*table.column_names}:
            kept = pc.fill_null(pc.greater_equal(table["confidence"], table["threshold"]), False).to_numpy()
            for number, name in enumerate(names):
                under[name] += table["id"].filter(pa.array(kept & (group == number))).to_pylist()
    sample = read_part(context.run_folder / "stages" / stage / SAMPLE)
    return [
        asdict(_stated(name, promises[name]["promise"], under[name], int(counts[number]), sample, context))
        for number, name in enumerate(names)
    ]


def _stated(
    group: str, promise: dict[str, Any], ids: list[str], rows: int, sample: pa.Table, context: Context
) -> Stated:
    target, sure = promise["target"], promise["sure"]
    if promise["threshold"] is None:
        return Stated(group, target, sure, others=rows, why=promise["why"])
    release = promise["release"] or context.run_folder.name
    if len(ids) == promise["rows"]:
        shown = (promise["above"], promise["right"], promise["bound"], promise["doubt"])
        return Stated(group, target, sure, len(ids), rows - len(ids), *shown, release)
    floor = promise["threshold"]
    mine = pc.and_(pc.equal(sample["group"], group), pc.greater_equal(sample["confidence"], floor))
    if promise["release"]:
        mine = pc.and_(mine, pc.invert(sample["later"]))
    here = pc.or_(pc.is_in(sample["id"], pa.array(ids, pa.string())), pc.equal(sample["id"], ""))
    right = sample["right"].filter(pc.and_(mine, here)).to_numpy()
    error, among = (1 - sure) / (STEPS * POPULATIONS), max(len(ids), len(right))
    bound = evidence.lower_bound(right, among, error)
    if evidence.shows(right, among, target, error):
        doubt = evidence.doubt(int(right.sum()), len(right), target)
        shown = (len(right), int(right.sum()), bound, doubt)
        return Stated(group, target, sure, len(ids), rows - len(ids), *shown, release)
    gone = promise["rows"] - len(ids)
    why = (
        f"of {promise['rows']:,} rows under the promise {gone:,} were dropped after it was made, and the "
        f"{len(right):,} judged ones that are left, {right.sum():,} of them right, show {bound:.0%}; put "
        "calibrate behind all other stages that drop rows"
    )
    return Stated(group, target, sure, others=rows, why=why)
