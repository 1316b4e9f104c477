"""The Parquet files of the hand-off: ``<configuration>/<split>/<split>-00000-of-00002.parquet``."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from datagen.store.parquet import UNFINISHED, sync


@dataclass(frozen=True)
class Shard:
    """A finished file, as listed in the manifest; the path is relative to the hand-off."""

    path: str
    rows: int
    bytes: int
    sha256: str


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
        self._open: dict[int, tuple[Path, pq.ParquetWriter, int]] = {}

    def write(self, rows: pa.Table, order: int = 0) -> None:
        """Add rows, at least one, to a step of the order."""
        path, writer, written = self._open.get(order) or self._begin(order, rows.schema)
        writer.write_table(rows)
        written += rows.nbytes
        self._open[order] = (path, writer, written)
        if written >= self._full:
            self._finish(order)

    def close(self) -> list[Shard]:
        """Finish the files, rename them and return their descriptions."""
        for order in list(self._open):
            self._finish(order)
        shards = []
        for number, (_, _, path) in enumerate(sorted(self._paths)):
            name = f"{self._split}-{number:05d}-of-{len(self._paths):05d}.parquet"
            shards.append(describe(path.replace(self._folder / name), self._home))
        sync(self._folder)
        return shards

    def _begin(self, order: int, schema: pa.Schema) -> tuple[Path, pq.ParquetWriter, int]:
        number = len(self._paths)
        path = self._folder / f"{UNFINISHED}{self._split}-{number:05d}"
        self._paths.append((order, number, path))
        return path, pq.ParquetWriter(path, schema, compression="zstd"), 0

    def _finish(self, order: int) -> None:
        path, writer, _ = self._open.pop(order)
        writer.close()
        sync(path)


def describe(path: Path, home: Path) -> Shard:
    """Describe a Parquet file for the manifest."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    rows = pq.read_metadata(path).num_rows
    return Shard(str(path.relative_to(home)), rows, path.stat().st_size, digest)
