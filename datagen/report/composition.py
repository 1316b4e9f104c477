"""Composition of the handed-off rows: tasks, and lengths of the trained text."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from datagen.report import bins, charts
from datagen.report.rows import final_parts
from datagen.run.folder import Run
from datagen.schema import KINDS
from datagen.store.parquet import read_part

DOUBLED = np.concatenate([[0.0], 2.0 ** np.arange(4, 25)])  # characters
NONE = np.zeros(len(DOUBLED) - 1, np.int64)


def mix_charts(run: Run) -> list[charts.Chart]:
    """Draw the rows of each task and the lengths of the trained text, by kind."""
    tasks: Counter[tuple[str, str]] = Counter()
    lengths: dict[str, npt.NDArray[np.int64]] = {}
    for kind, task, length in _rows(run):
        for name, count in zip(*np.unique(task, return_counts=True), strict=True):
            tasks[kind, str(name)] += int(count)
        lengths[kind] = lengths.get(kind, NONE) + bins.count(length, DOUBLED)
    if not tasks:
        return []
    ranks: dict[str, int] = {kind: rank for rank, kind in enumerate(KINDS) if kind in lengths}
    colours = {kind: charts.COLOURS[rank] for kind, rank in ranks.items()}
    task_values = [
        {"task": task, "rows": count, "kind": kind}
        for (kind, task), count in sorted(tasks.items(), key=lambda item: (ranks[item[0][0]], -item[1]))
    ]
    total = sum(lengths.values(), NONE)
    non_empty = np.flatnonzero(total)
    bin_range = range(int(non_empty[0]), int(non_empty[-1]) + 1)
    labels = bins.names(DOUBLED)
    length_values = [
        {"characters": labels[rank], "rows": int(lengths[kind][rank]), "kind": kind}
        for kind in colours
        for rank in bin_range
    ]
    return [
        charts.bars("Tasks", "Rows handed off by task", task_values, "task", "rows", "kind", colours),
        charts.columns(
            "Lengths",
            "Characters of the answer or reading text; bars are labelled with their lower edge",
            length_values,
            "characters",
            "rows",
            "kind",
            colours,
        ),
    ]


def _rows(run: Run) -> Iterator[tuple[str, npt.NDArray[np.str_], bins.Floats]]:
    """Yield kind, tasks and lengths of the rows of each kind in each partition."""
    for path in final_parts(run):
        table = read_part(path, ["kind", "task", "text", "answer"])
        lengths = pc.fill_null(pc.utf8_length(pc.coalesce(table["text"], table["answer"])), 0)
        for kind in KINDS:
            of_kind = pc.equal(table["kind"], kind)
            tasks = pc.fill_null(table["task"].filter(of_kind), "").to_numpy().astype(str)
            if len(tasks):
                yield kind, tasks, lengths.filter(of_kind).cast(pa.float64()).to_numpy()
