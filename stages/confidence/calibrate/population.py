"""
The rows that something was promised about, kept for later runs.

A refresh brings rows that nobody was asked about. So that they do not end the sample of the rows before
them, a run writes down which rows its promise was about: their draws, by which a row is recognised, in
``population.parquet`` beside its table. The next run of the recipe finds the file in the folder of the
newest run before it. What is promised there about the old rows stays promised; the new ones are under the
promise once the rows that the sample lacks of them are judged. A run whose folder has gone takes nothing
with it but this: then all rows are new ones together, and those without a verdict count as wrong.
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

FILE = "population.parquet"  # group, release, draw: a row for each row that a promise is about


@dataclass(frozen=True)
class Population:
    """
    The rows of a kind or task that an earlier run promised something about.

    Parameters
    ----------
    path, group
        The file, and the kind or task.
    release
        The run that first promised it.
    """

    path: Path
    group: str
    release: str

    def holds(self, drawn: Floats) -> Bools:
        """Tell which rows are among them, by their draws."""
        known = self.draws
        place = np.minimum(np.searchsorted(known, drawn), len(known) - 1)
        result: Bools = known[place] == drawn
        return result

    @property
    def draws(self) -> Floats:
        """Their draws in order; at least one."""
        return _draws(self.path, self.group)


@lru_cache(maxsize=8)
def _draws(path: Path, group: str) -> Floats:
    rows = read_part(path)
    mine = rows["draw"].filter(pc.equal(rows["group"], group))
    return np.sort(mine.to_numpy())


def before(context: Context) -> dict[str, Population]:
    """Find which rows the newest earlier run of this recipe promised something about, by kind or task."""
    runs = sorted(context.run_folder.parent.glob(f"*/stages/{context.stage}/{FILE}"))
    mine = context.run_folder.name
    earlier = [path for path in runs if path.parents[2].name < mine and not path.parents[2].is_symlink()]
    if not earlier:
        return {}
    rows = read_part(earlier[-1], ["group", "release"]).group_by(["group", "release"]).aggregate([])
    return {row["group"]: Population(earlier[-1], row["group"], row["release"]) for row in rows.to_pylist()}


def write(promised: Mapping[str, tuple[str, Floats]], folder: Path) -> None:
    """Write for later runs: kind or task -> the run that first promised it, and the draws of its rows."""
    tables = [
        pa.table({"group": [group] * len(draws), "release": [release] * len(draws), "draw": np.sort(draws)})
        for group, (release, draws) in promised.items()
        if len(draws)
    ]
    if tables:
        write_table(pa.concat_tables(tables), folder / FILE)
