"""What the handed-off rows are: tasks, and lengths of the trained text."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from datagen.report import bins, charts
from datagen.run.folder import Run
from datagen.schema import KINDS
from datagen.store.parquet import parts, read_part

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
    order: dict[str, int] = {kind: place for place, kind in enumerate(KINDS) if kind in lengths}
    colours = {kind: charts.COLOURS[place] for kind, place in order.items()}
    of_tasks = [
        {"task": task, "rows": count, "kind": kind}
        for (kind, task), count in sorted(tasks.items(), key=lambda item: (order[item[0][0]], -item[1]))
    ]
    total = sum(lengths.values(), NONE)
    used = np.flatnonzero(total)
    shown = range(int(used[0]), int(used[-1]) + 1)
    labels = bins.names(DOUBLED)
    of_lengths = [
        {"characters": labels[place], "rows": int(lengths[kind][place]), "kind": kind}
        for kind in colours
        for place in shown
    ]
    return [
        charts.bars("Tasks", "Rows handed off by task", of_tasks, "task", "rows", "kind", colours),
        charts.columns(
            "Lengths",
            "Characters of the answer or reading text; each bar is named by where it begins",
            of_lengths,
            "characters",
            "rows",
            "kind",
            colours,
        ),
    ]


def last_examples(run: Run) -> list[dict[str, object]]:
    """List the record of the last stage that gives examples; empty without one."""
    return [record for record in run.stage_records() if record["gives"] == "examples"][-1:]


def _rows(run: Run) -> Iterator[tuple[str, npt.NDArray[np.str_], bins.Floats]]:
    """Read kind, tasks and lengths of the rows of each kind in each part."""
    for record in last_examples(run):
        for path in parts(run.stage_folder(str(record["stage"]))):
            table = read_part(path, ["kind", "task", "text", "answer"])
            trained = pc.fill_null(pc.utf8_length(pc.coalesce(table["text"], table["answer"])), 0)
            for kind in KINDS:
                mine = pc.equal(table["kind"], kind)
                task = pc.fill_null(table["task"].filter(mine), "").to_numpy().astype(str)
                if len(task):
                    yield kind, task, trained.filter(mine).cast(pa.float64()).to_numpy()
