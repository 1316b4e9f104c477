"""
Sketch files: the keys, scores, bands and word hashes of the rows of a partition, and its vocabulary.

A sketch file is an Arrow file. It is mapped into memory only while it is read, so that a step reads just the
columns and rows that it needs, and no process holds the files of all partitions. A release keeps these files
as its index (`datagen.stages.filter.dedup.releases`).

`datagen.stages.shared.similarity.sketching` writes them.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datagen.stages.shared.similarity.alike import Lists, Texts
from datagen.stages.shared.similarity.ngrams import Hashes, Numbers

Column: TypeAlias = npt.NDArray[Any]  # of the type of a stored column

FIELDS = ("question", "context", "rejected", "text", "answer")  # the fields that are compared

Mask = npt.NDArray[np.bool_]
Reader = Callable[[Sequence[str] | None], pa.Table]


def write(table: pa.Table, path: Path) -> None:
    """Write an Arrow file atomically."""
    temporary = path.with_name(f"{path.name}-{os.getpid()}")
    with pa.OSFile(str(temporary), "wb") as sink, pa.ipc.new_file(sink, table.schema) as file:
        file.write_table(table.combine_chunks())
    temporary.replace(path)


def vocabulary_of(path: Path) -> Path:
    """Return the file with the words of a sketch file, sorted by their hashes."""
    return path.with_suffix(".words")


class Sketches:
    """
    The sketches of all partitions, as one table with consecutive row numbers.

    Parameters
    ----------
    paths
        The sketch files, in order.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self.starts = np.cumsum([0, *map(len, self._tables())])

    def __len__(self) -> int:
        return int(self.starts[-1])

    def parts(self, *names: str) -> Iterator[tuple[int, list[Column]]]:
        """Yield some columns of each partition that has them, with its first row number."""
        for start, table in zip(self.starts, self._tables(), strict=False):
            if {*names} <= {*table.column_names}:
                yield int(start), [_values(table[name]) for name in names]

    def column(self, name: str) -> Iterator[tuple[int, pa.Array]]:
        """Yield a stored column of each partition, with its first row number."""
        for start, table in zip(self.starts, self._tables(), strict=False):
            yield int(start), whole(table[name])

    def take(self, name: str, rows: Numbers) -> Column:
        """Read a column of some rows, in any order."""
        order = np.argsort(rows)
        chunks = [_values(chunk) for chunk in self._chunks(name, rows[order])]
        if not chunks:
            return _values(next(self._tables())[name].slice(0, 0))
        values: Column = np.concatenate(chunks)
        result = np.empty_like(values)
        result[order] = values
        return result

    def texts(self, field: str, rows: Numbers) -> Texts:
        """Read a field of some rows, which are in ascending order, as hashes."""
        words, names, openers = (
            self._lists(f"{part} {field}", rows) for part in ("words", "names", "openers")
        )
        telling, strict = (self.take(f"{part} {field}", rows) for part in ("telling", "strict"))
        return Texts(words, names, openers, telling, strict)

    def words(self, field: str, rows: Numbers) -> Lists:
        """Read the word hashes of a field of some rows, which are in ascending order."""
        return self._lists(f"words {field}", rows)

    def spelled(self, hashes: Hashes) -> list[str]:
        """Look up words by their hashes; "" for unknown ones."""
        result = np.full(len(hashes), "", object)
        missing = np.arange(len(hashes))
        for path in map(vocabulary_of, self._paths):
            if not len(missing):
                break
            known = _mapped(path)
            if not len(known):
                continue
            values = _values(known["hash"])
            at = np.searchsorted(values, hashes[missing]).clip(max=len(values) - 1)
            found = values[at] == hashes[missing]
            result[missing[found]] = whole(known["word"]).take(pa.array(at[found])).to_pylist()
            missing = missing[~found]
        return list(result)

    def _lists(self, name: str, rows: Numbers) -> Lists:
        lists = list(self._chunks(name, rows))
        return Lists(
            np.concatenate([np.empty(0, np.uint64), *(_values(part.flatten()) for part in lists)]),
            np.concatenate(
                [np.empty(0, np.int64), *(_values(part.value_lengths()).astype(np.int64) for part in lists)]
            ),
        )

    def _chunks(self, name: str, rows: Numbers) -> Iterator[pa.Array]:
        cuts = np.searchsorted(rows, self.starts)
        for number in np.flatnonzero(cuts[1:] > cuts[:-1]):
            selected = rows[cuts[number] : cuts[number + 1]] - self.starts[number]
            yield whole(_mapped(self._paths[number])[name]).take(pa.array(selected))

    def _tables(self) -> Iterator[pa.Table]:
        return map(_mapped, self._paths)


def _mapped(path: Path) -> pa.Table:
    """Map a file into memory, until the last reference to the table and its columns is gone."""
    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()


def whole(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Return a column as one array."""
    if isinstance(column, pa.Array):
        return column
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _values(column: pa.ChunkedArray | pa.Array) -> Column:
    result: Column = whole(column).to_numpy(zero_copy_only=False)
    return result
