"""
Segments: completions on disk, written once and never changed.

A segment is two files. ``segment-<name>.parquet`` holds completions in the order in which they came, so that
what one partition asked for stands together and is read together. ``segment-<name>.keys`` says where each key
stands (`datagen.store.key_index`); it is made from the first, and made again when it is damaged or lost.

Disks fail: pages carry checksums, and a row that cannot be read is told and counts as absent.
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
ADDED = ("reasoning", "circumstances")  # columns that segments of earlier versions do not have
EARLIER = pa.schema([field for field in SCHEMA if field.name not in ADDED])

log = logging.getLogger(__name__)

GROUP = 1024  # rows that are read to get one of them


def write_segment(path: Path, tables: Iterable[pa.Table]) -> None:
    """
    Write a segment from tables of the schema, holding little more than one of them at a time.

    Raises
    ------
    Damaged
        When the tables have no row between them.
    """
    with whole_file(path) as beside:
        with pq.ParquetWriter(
            beside,
            SCHEMA,
            compression="zstd",
            use_dictionary=["finish", "model", "revision", "error", "circumstances"],
            write_statistics=False,  # of hashes they tell nothing
            write_page_checksum=True,
        ) as writer:
            rows = 0
            for table in _regroup(tables):
                writer.write_table(table, row_group_size=GROUP)
                rows += len(table)
        if not rows:
            raise Damaged("there is no row in it")
        Segment(beside).index(path.with_suffix(".keys"), [])  # there before the segment is


@dataclass(frozen=True)
class Segment:
    """A segment, by the path of its Parquet file."""

    path: Path

    @property
    def keys_path(self) -> Path:
        """Where the places of its keys are written."""
        return self.path.with_suffix(".keys")

    def rows(self) -> int:
        """
        Count its rows.

        Raises
        ------
        Damaged
            When the file cannot be read, or holds something else.
        """
        with self._open() as file:
            result: int = file.metadata.num_rows
            return result

    def read(self, keys: Keys, damage: list[str]) -> pa.Table:
        """Read the rows with these keys, of those that are there. What cannot be read is told to `damage`."""
        tables = [SCHEMA.empty_table()]
        try:
            places = self._places(keys, damage)
            if len(places):
                with self._open() as file:
                    size = file.metadata.row_group(0).num_rows  # of each but the last
                    groups, first = np.unique(places // size, return_index=True)
                    for group, here in zip(groups.tolist(), np.split(places, first[1:]), strict=True):
                        for table in self._group(file, group, damage):
                            with damage_named():
                                rows = table.take(here - group * size)
                            if not np.isin(keys_of(rows["key"]), keys).all():
                                raise Damaged("its rows are not where they were")
                            tables.append(rows)
        except Damaged as error:
            damage.append(f"{self.path} cannot be read: {error}")
        return pa.concat_tables(tables)

    def scan(self, damage: list[str]) -> Iterator[pa.Table]:
        """Read everything, a row group at a time. What cannot be read is told to `damage`."""
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
            if isinstance(error, Damaged):  # a lost one may just not have been brought along
                log.warning(f"{self.keys_path} was made again from its segment: {error}")
            return find_keys(self.keys_path, keys)

    def index(self, target: Path, damage: list[str]) -> None:
        """Make a file of keys from the column of keys."""
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
        """Read a row group; nothing where it cannot be read."""
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
    """Give a table of an earlier version's completions the columns that it does not have, empty."""
    for name in SCHEMA.names[len(table.column_names) :]:
        table = table.append_column(name, pa.array([""] * len(table), pa.string()))
    return table


def _regroup(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Cut tables of any size into row groups of one size."""
    rest = SCHEMA.empty_table()
    for table in tables:
        rest = pa.concat_tables([rest, table])
        whole = len(rest) - len(rest) % GROUP
        if whole:
            yield rest.slice(0, whole)
            rest = rest.slice(whole).combine_chunks()
    if len(rest):
        yield rest
