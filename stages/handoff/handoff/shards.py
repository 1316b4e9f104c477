"""The Parquet files of the hand-off: ``<configuration>/<split>/<split>-00000-of-00002.parquet``."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from datagen.store.parquet import UNFINISHED, sync

ROW_GROUP = 4_000_000  # bytes in memory; a reader decodes a row group as a whole, and small ones take longer


@dataclass(frozen=True)
class Shard:
    """A finished file, as listed in the manifest; the path is relative to the hand-off."""

    path: str
    rows: int
    bytes: int
    sha256: str


@dataclass
class _Unfinished:
    """A file that is being written, and the rows of its next row group."""

    path: Path
    writer: pq.ParquetWriter
    written: int = 0
    waiting: list[pa.Table] = field(default_factory=list)

    def add(self, rows: pa.Table) -> None:
        self.waiting.append(rows)
        self.written += rows.nbytes
        if sum(table.nbytes for table in self.waiting) >= ROW_GROUP:
            self._write_group()

    def close(self) -> None:
        self._write_group()
        self.writer.close()
        sync(self.path)

    def _write_group(self) -> None:
        if self.waiting:
            rows = pa.concat_tables(self.waiting)
            self.writer.write_table(rows, row_group_size=len(rows))
            self.waiting.clear()


class Shards:
    """
    The files of one configuration and split, which get their names when their number is known.

    Rows belong to steps in the order of training (0, 1, ...), which may arrive in any order. Files are
    numbered by step, so that reading them in order of name gives the order of training.
    """

    def __init__(self, folder: Path, configuration: str, split: str, full: int) -> None:
        self._home, self._split, self._full = folder, split, full
        self._folder = folder / configuration / split
        self._folder.mkdir(parents=True, exist_ok=True)
        self._paths: list[tuple[int, int, Path]] = []
        self._open: dict[int, _Unfinished] = {}

    def write(self, rows: pa.Table, order: int = 0) -> None:
        """Add rows, at least one, to a step of the order."""
        if order not in self._open:
            self._open[order] = self._begin(order, rows.schema)
        self._open[order].add(rows)
        if self._open[order].written >= self._full:
            self._open.pop(order).close()

    def close(self) -> list[Shard]:
        """Finish the files, rename them and return their descriptions."""
        for unfinished in self._open.values():
            unfinished.close()
        self._open.clear()
        shards = []
        for number, (_, _, path) in enumerate(sorted(self._paths)):
            name = f"{self._split}-{number:05d}-of-{len(self._paths):05d}.parquet"
            shards.append(describe(path.replace(self._folder / name), self._home))
        sync(self._folder)
        return shards

    def _begin(self, order: int, schema: pa.Schema) -> _Unfinished:
        number = len(self._paths)
        path = self._folder / f"{UNFINISHED}{self._split}-{number:05d}"
        self._paths.append((order, number, path))
        return _Unfinished(path, pq.ParquetWriter(path, schema, compression="zstd"))


def describe(path: Path, home: Path) -> Shard:
    """Describe a Parquet file for the manifest."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    rows = pq.read_metadata(path).num_rows
    return Shard(str(path.relative_to(home)), rows, path.stat().st_size, digest)
