"""
The completions table: every answer that was ever paid for, by the key of its request.

A run's ``completions/`` holds *segments* (Parquet, sorted by key, written once) and, while requests are
out, *journals* (JSON lines, appended as answers come). An answer is in the operating system's hands
the moment it arrives, so a killed process loses none; journals are flushed to the disk twice a second,
so a power cut loses at most that. `settle` turns journals into a segment, also those that a killed run
left behind, whose last line may be torn.
"""

import json
import os
import time
from collections.abc import Iterable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from datagen.records import content_id
from datagen.request import Completion
from datagen.tables import UNFINISHED, sync, write_table

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
    ]
)

FLUSH_SECONDS = 0.5


class Journal:
    """
    Appends completions to a file of its own; many journals may stand in one folder.

    Parameters
    ----------
    folder
        The run's ``completions/``.
    name
        Tells this journal from others; a restarted writer with the same name appends to a new file.
    """

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{name}-{os.getpid()}-{time.time_ns()}.jsonl"
        self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND)
        self._flushed = time.monotonic()

    def append(self, completion: Completion) -> None:
        """Write a completion. When this returns, killing the process does not lose it."""
        line = json.dumps(asdict(completion), ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"
        os.write(self._file, line)
        if time.monotonic() - self._flushed > FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Bring what was written to the disk."""
        os.fsync(self._file)
        self._flushed = time.monotonic()

    def close(self) -> None:
        """Flush and close."""
        self.flush()
        os.close(self._file)


class Completions:
    """
    The completions of a run.

    Parameters
    ----------
    folder
        ``completions/`` of the run's folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def inherit(self, earlier: Iterable["Completions"]) -> int:
        """
        Take over the segments of earlier runs, so that nothing is paid for twice.

        Segments are never changed, so a hard link serves where the file system has them. Returns how
        many came over.
        """
        taken = 0
        for other in earlier:
            for segment in other.segments():
                here = self.folder / segment.name
                if not here.exists():
                    _link(segment, here)
                    taken += 1
        return taken

    def segments(self) -> list[Path]:
        """List the committed segments."""
        return sorted(self.folder.glob("segment-*.parquet"))

    def journals(self) -> list[Path]:
        """List the journals that are not settled yet."""
        return sorted(self.folder.glob("*.jsonl"))

    def settle(self) -> int:
        """
        Turn all journals into one segment and remove them. Returns how many completions they held.

        No journal of the folder may be open. A crash between the two steps leaves completions twice,
        which reading tolerates.
        """
        journals = self.journals()
        rows = [row for path in journals for row in read_journal(path)]
        if rows:
            table = _unique(pa.Table.from_pylist(rows, schema=SCHEMA).sort_by("key"))
            # Named by content: settling the same journals twice writes the same segment.
            name = content_id(*table["key"].to_pylist())
            write_table(table, self.folder / f"segment-{name}.parquet")
        for path in journals:
            path.unlink()
        sync(self.folder)
        return len(rows)

    def missing(self, keys: pa.Array | pa.ChunkedArray) -> pa.Array:
        """Tell for each key whether no completion has it: the anti-join. Reads the key column only."""
        wanted = pa.chunked_array([keys]) if isinstance(keys, pa.Array) else keys
        known: list[pa.Array] = []
        for segment in self.segments():
            column = pq.read_table(segment, columns=["key"], partitioning=None)["key"]
            known.append(column.filter(pc.is_in(column, value_set=wanted)).combine_chunks())
        for journal in self.journals():
            known.append(pa.array([row["key"] for row in read_journal(journal)], pa.string()))
        have = pa.chunked_array(known, pa.string()).combine_chunks() if known else pa.array([], pa.string())
        return pc.invert(pc.is_in(wanted, value_set=have)).combine_chunks()

    def find(self, keys: list[str]) -> dict[str, Completion]:
        """Read the completions with these keys; only row groups that may hold one are read."""
        found: dict[str, Completion] = {}
        if segments := self.segments():
            wanted = pc.field("key").isin(pa.array(keys, pa.string()))
            table = ds.dataset(segments, schema=SCHEMA, format="parquet").to_table(filter=wanted)
            for row in table.to_pylist():
                found[row["key"]] = _completion(row)
        wanted_keys = set(keys)
        for journal in self.journals():
            for row in read_journal(journal):
                if row["key"] in wanted_keys:
                    found[row["key"]] = _completion(row)
        return found

    def clear_unfinished(self) -> None:
        """Remove what a killed writer had not finished."""
        for path in self.folder.glob(f"{UNFINISHED}*"):
            path.unlink()


def read_journal(path: Path) -> list[dict[str, Any]]:
    """Read a journal. A torn last line, left by a crash of the machine, is passed over."""
    rows = []
    for line in path.read_bytes().split(b"\n"):
        if not line:
            continue
        try:
            rows.append(json.loads(line.decode("utf-8", "surrogatepass")))
        except ValueError:
            continue  # its request has no completion, so it is asked again
    return rows


def _completion(row: dict[str, Any]) -> Completion:
    values = {field.name: row[field.name] for field in fields(Completion)}
    return Completion(**values | {name: tuple(values[name] or ()) for name in ("logprobs", "choices")})


def _unique(table: pa.Table) -> pa.Table:
    """Keep one row a key of a table that is sorted by key."""
    keys = table["key"].combine_chunks()
    if len(keys) < 2:
        return table
    first = pc.not_equal(keys[1:], keys[:-1])
    return table.filter(pa.concat_arrays([pa.array([True]), first]))


def _link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError:
        beside = target.with_name(f"{UNFINISHED}{target.name}")
        beside.write_bytes(source.read_bytes())
        sync(beside)
        beside.replace(target)
