"""
Which partitions a stage reads together.

A stage that reads several tables would write as many partitions as all of them have, and a later stage that
reads several of such tables a multiple of these: two partitions of documents became 71 in an example with
all families. Partitions at the same position of several tables stem from the same documents. A stage
therefore reads them as one *unit*, and writes one partition, as long as the unit is small: at most
`cluster.partition_mb`, or `SMALL_UNIT`.

The size of a partition is that of the source partitions from which it stems, counted once for each table on
the way. Its real size is unknown until it is written, but a resumed run must form the same units: requests
that depend on the other rows of a partition would otherwise be sent again.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from datagen.recipe.model import Recipe
from datagen.recipe.wiring import wire
from datagen.stage import SourceStage
from datagen.store.parquet import parts

Unit: TypeAlias = tuple[Path, ...]  # partitions of different tables, in the order of the tables

# Kinds of tables that many stages make. Tables of other kinds are few, and their rows may have equal ids.
JOINED = ("examples", "candidates")

# Bytes of documents that a unit may hold even if `cluster.partition_mb` is less: a stage's time for a unit of
# ten rows is hardly less than for one of a hundred.
SMALL_UNIT = 1e6


class Units:
    """
    Forms the units of a run's stages.

    Parameters
    ----------
    recipe
        The recipe.
    run_folder
        The folder of the run, in which all source stages before the stages asked about are complete.
    """

    def __init__(self, recipe: Recipe, run_folder: Path) -> None:
        line = recipe.line()
        self._stages = {name: stage for name, stage, _ in line}
        self._reads = wire([(name, stage.takes, stage.gives) for name, stage, _ in line])
        self._folder = run_folder / "stages"
        self._limit = max(recipe.cluster.partition_mb * 1e6, SMALL_UNIT)
        self._sizes: dict[str, list[float]] = {}

    def of(self, name: str, tables: Sequence[Sequence[Path]]) -> list[Unit]:
        """
        Form the units of a stage.

        Parameters
        ----------
        name
            The stage.
        tables
            The partitions of each table that it reads, written or not.
        """
        sizes = [self._of_table(read) for read in self._reads[name]]
        for table, size in zip(tables, sizes, strict=True):
            if len(table) != len(size):  # made by another version: stays apart
                size[:] = [math.inf] * len(table)
        return [tuple(tables[table][at] for table, at in unit) for unit in self._join(name, sizes)]

    def _join(self, name: str, sizes: Sequence[Sequence[float]]) -> list[list[tuple[int, int]]]:
        """List the units as pairs of table and position; `sizes` are those of each table's partitions."""
        if self._stages[name].takes not in JOINED:
            return [[(table, at)] for table, column in enumerate(sizes) for at in range(len(column))]
        units = []
        for at in range(max(map(len, sizes), default=0)):
            room = -1.0  # the first one always begins a unit
            for table, column in enumerate(sizes):
                if at >= len(column):
                    continue
                if column[at] > room:
                    units.append([(table, at)])
                    room = self._limit
                else:
                    units[-1].append((table, at))
                room -= column[at]
        return units

    def _of_table(self, name: str) -> list[float]:
        """Return the sizes of a table's partitions in bytes."""
        if name not in self._sizes:
            if isinstance(self._stages[name], SourceStage):
                sizes = [_bytes(path) for path in parts(self._folder / name)]
            else:
                read = [self._of_table(other) for other in self._reads[name]]
                sizes = [sum(read[table][at] for table, at in unit) for unit in self._join(name, read)]
            self._sizes[name] = sizes
        return list(self._sizes[name])


def _bytes(path: Path) -> float:
    """Return the uncompressed size of a partition; infinite if it is damaged, which its reader reports."""
    try:
        metadata = pq.read_metadata(path)
    except (OSError, pa.ArrowException):
        return math.inf
    return float(sum(metadata.row_group(at).total_byte_size for at in range(metadata.num_row_groups)))
