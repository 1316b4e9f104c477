"""
Segments: immutable files of completions.

A segment is two files. ``segment-<name>.parquet`` holds completions in order of arrival, so that those of one
partition are adjacent. ``segment-<name>.keys`` maps keys to rows (`datagen.store.key_index`); it is derived
from the first file and rebuilt if it is damaged or lost.

Pages have checksums; unreadable rows are reported and count as missing.
"""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from datagen.store.key_index import Keys, Rows, find_keys, keys_of, write_keys
from datagen.store.parquet import Damaged, damage_named, whole_file

SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("text", pa.string()),
        ("finish", pa.string()),
        ("model", pa.string()),
        ("revision", pa.string()),
        ("prompt_tokens", pa.int64()),
        ("cached_tokens", pa.int64()),
        ("completion_tokens", pa.int64()),
        ("logprobs", pa.list_(pa.float32())),
        ("choices", pa.list_(pa.float64())),
        ("error", pa.string()),
        ("reasoning", pa.string()),
        ("circumstances", pa.string()),
    ]
)
ADDED = ("reasoning", "circumstances")  # columns missing in segments of earlier versions
EARLIER = pa.schema([field for field in SCHEMA if field.name not in ADDED])

log = logging.getLogger(__name__)

GROUP = 1024  # rows per row group, the unit of reading


def write_segment(path: Path, tables: Iterable[pa.Table]) -> None:
    """
    Write a segment from tables of the schema, holding about one of them in memory at a time.

    Raises
    ------
    Damaged
        If all tables are empty.
    """
    with whole_file(path) as unfinished:
        with pq.ParquetWriter(
            unfinished,
            SCHEMA,
            compression="zstd",
            use_dictionary=["finish", "model", "revision", "error", "circumstances"],
            write_statistics=False,  # useless for hashes
            write_page_checksum=True,
        ) as writer:
            rows = 0
            for table in _regroup(tables):
                writer.write_table(table, row_group_size=GROUP)
                rows += len(table)
        if not rows:
            raise Damaged("it has no rows")
        Segment(unfinished).index(path.with_suffix(".keys"), [])  # must exist before the segment


@dataclass(frozen=True)
class Segment:
    """A segment, by the path of its Parquet file."""

    path: Path

    @property
    def keys_path(self) -> Path:
        """Path of its key index."""
        return self.path.with_suffix(".keys")

    def rows(self) -> int:
        """
        Count its rows.

        Raises
        ------
        Damaged
            If the file is unreadable or does not hold completions.
        """
        with self._open() as file:
            return int(file.metadata.num_rows)

    def read(self, keys: Keys, damage: list[str]) -> pa.Table:
        """Read the existing rows with these keys; append descriptions of unreadable rows to `damage`."""
        tables = [SCHEMA.empty_table()]
        try:
            places = self._places(keys, damage)
            if len(places):
                with self._open() as file:
                    size = file.metadata.row_group(0).num_rows  # of every group except the last
                    groups, first = np.unique(places // size, return_index=True)
                    for group, within in zip(groups.tolist(), np.split(places, first[1:]), strict=True):
                        for table in self._group(file, group, damage):
                            with damage_named():
                                rows = table.take(within - group * size)
                            if not np.isin(keys_of(rows["key"]), keys).all():
                                raise Damaged("its rows do not match its key index")
                            tables.append(rows)
        except Damaged as error:
            damage.append(f"{self.path} cannot be read: {error}")
        return pa.concat_tables(tables)

    def scan(self, damage: list[str]) -> Iterator[pa.Table]:
        """Read all rows, one row group at a time; append descriptions of unreadable rows to `damage`."""
        try:
            with self._open() as file:
                for group in range(file.num_row_groups):
                    yield from self._group(file, group, damage)
        except Damaged as error:
            damage.append(f"{self.path} cannot be read: {error}")

    def _places(self, keys: Keys, damage: list[str]) -> Rows:
        try:
            return find_keys(self.keys_path, keys)
        except (Damaged, FileNotFoundError) as error:
            self.index(self.keys_path, damage)
            if isinstance(error, Damaged):  # a missing one may simply not have been copied
                log.warning(f"{self.keys_path} was rebuilt from its segment: {error}")
            return find_keys(self.keys_path, keys)

    def index(self, target: Path, damage: list[str]) -> None:
        """Write the key index from the column of keys."""
        with self._open() as file:
            write_keys(target, self._keys(file, damage))

    def _keys(self, file: pq.ParquetFile, damage: list[str]) -> Iterator[tuple[Keys, Rows]]:
        at = 0
        for group in range(file.num_row_groups):
            for table in self._group(file, group, damage, ["key"]):
                yield keys_of(table["key"]), np.arange(at, at + len(table), dtype=np.uint32)
            at += file.metadata.row_group(group).num_rows

    @contextmanager
    def _open(self) -> Iterator[pq.ParquetFile]:
        with damage_named():
            opened = pq.ParquetFile(self.path, page_checksum_verification=True)
        with opened as file:
            if file.schema_arrow not in (SCHEMA, EARLIER):
                raise Damaged("it does not hold completions")
            yield file

    def _group(
        self, file: pq.ParquetFile, group: int, damage: list[str], columns: list[str] | None = None
    ) -> Iterator[pa.Table]:
        """Read a row group; yields nothing if it is unreadable."""
        try:
            with damage_named():
                table = file.read_row_group(group, columns, use_threads=False)
                table.validate(full=True)
                if columns is None:
                    table = complete(table)
        except Damaged as error:
            rows = file.metadata.row_group(group).num_rows
            damage.append(f"{rows} rows of {self.path} (row group {group}) cannot be read: {error}")
        else:
            yield table


def complete(table: pa.Table) -> pa.Table:
    """Add the columns that completions of an earlier version lack, with empty values."""
    for name in SCHEMA.names[len(table.column_names) :]:
        table = table.append_column(name, pa.array([""] * len(table), pa.string()))
    return table


def _regroup(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Regroup tables of any size into row groups of equal size."""
    rest = SCHEMA.empty_table()
    for table in tables:
        rest = pa.concat_tables([rest, table])
        complete = len(rest) - len(rest) % GROUP
        if complete:
            yield rest.slice(0, complete)
            rest = rest.slice(complete).combine_chunks()
    if len(rest):
        yield rest
