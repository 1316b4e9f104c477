"""
The rows that a promise covers, recorded for later runs.

A refresh adds unjudged rows. So that they do not invalidate the sample of the existing rows, a run records
which rows its promise covers in ``population.parquet`` next to its table: their draws, which
identify the rows. The next run of the recipe finds the file in the folder of the newest earlier run. The
promise about the old rows remains; new rows are covered once those missing from the sample are judged. If
the folder of an earlier run is deleted, only this record is lost: then all rows count as new, and those
without a verdict count as wrong.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datagen.stage import Context
from datagen.stages.confidence.calibrate.curves import Bools, Floats
from datagen.store.parquet import read_part, write_table

FILE = "population.parquet"  # group, release, draw: one row per row that a promise covers


@dataclass(frozen=True)
class Population:
    """
    The rows of a kind or task that an earlier promise covers.

    Parameters
    ----------
    path, group
        The file, and the kind or task.
    release
        The run that made the promise.
    """

    path: Path
    group: str
    release: str

    def holds(self, drawn: Floats) -> Bools:
        """Return which rows the promise covers, by their draws."""
        draws = self.draws
        place = np.minimum(np.searchsorted(draws, drawn), len(draws) - 1)
        return np.asarray(draws[place] == drawn)

    @property
    def draws(self) -> Floats:
        """Their draws, sorted; at least one."""
        return _draws(self.path, self.group)


@lru_cache(maxsize=8)
def _draws(path: Path, group: str) -> Floats:
    rows = read_part(path)
    return np.sort(rows["draw"].filter(pc.equal(rows["group"], group)).to_numpy())


def before(context: Context) -> dict[str, Population]:
    """Find the rows that the newest earlier run of this recipe promised a precision for, by kind or task."""
    runs = sorted(context.run_folder.parent.glob(f"*/stages/{context.stage}/{FILE}"))
    this_run = context.run_folder.name
    earlier = [path for path in runs if path.parents[2].name < this_run and not path.parents[2].is_symlink()]
    if not earlier:
        return {}
    rows = read_part(earlier[-1], ["group", "release"]).group_by(["group", "release"]).aggregate([])
    return {row["group"]: Population(earlier[-1], row["group"], row["release"]) for row in rows.to_pylist()}


def write(promised: Mapping[str, tuple[str, Floats]], folder: Path) -> None:
    """Record for later runs: kind or task -> the run that made the promise, and the draws of its rows."""
    tables = [
        pa.table({"group": [group] * len(draws), "release": [release] * len(draws), "draw": np.sort(draws)})
        for group, (release, draws) in promised.items()
        if len(draws)
    ]
    if tables:
        write_table(pa.concat_tables(tables), folder / FILE)
