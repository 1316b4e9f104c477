"""
The completions table: every completion of a run, by the key of its request.

A run's ``completions/`` holds *segments* (`datagen.store.segments`, written once) and, while requests are in
flight, *journals* (JSON lines, appended as completions arrive). Every file has one writer, so any number of
workers may share the folder. A worker that has finished a partition turns its journal into a segment. The
next run does the same with journals of killed workers, whose last line may be incomplete. The holder of the
run's lease merges small segments. See docs/completions.md.
"""

import hashlib
import logging
import re
import shutil
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, fields
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import TypeAdapter, ValidationError

from datagen.errors import UserError
from datagen.request import Completion, Usage
from datagen.schema import content_id
from datagen.store.journal import has_writer, parse_journal
from datagen.store.key_index import Keys, keys_of
from datagen.store.merging import answers_first, is_error, mergeable
from datagen.store.parquet import UNFINISHED, Damaged, link, write_json
from datagen.store.segments import SCHEMA, Segment, write_segment

REPLACED = "replaced"
SPENT = "spent"

USAGE = TypeAdapter(Usage)

log = logging.getLogger(__name__)


class Completions:
    """
    The completions of a run.

    Unreadable completions count as missing, so that their requests are retried; `damage` reports them by
    path.

    Parameters
    ----------
    folder
        ``completions/`` in the run's folder.
    circumstances
        Current circumstances of requests. A rejection under other circumstances counts as missing.
    """

    def __init__(self, folder: Path, circumstances: str = "") -> None:
        self.folder, self._circumstances = folder, circumstances
        self.damage: dict[Path, str] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def inherit(self, earlier: "Completions") -> None:
        """
        Reuse the completions of an earlier run.

        Segments are immutable, so they are hard-linked if the file system supports it. The earlier run's
        remaining journals are written here as segments.
        """
        for segment in earlier.segments():
            for source in (segment.keys_path, segment.path):
                if source.exists():
                    link(source, self.folder / source.name)
        for journal in earlier.journals():
            _, _, unread = self._write(journal)
            if unread:
                log.warning(f"{unread} lines of {journal} cannot be read. Their requests are sent again")

    def segments(self) -> list[Segment]:
        """List the segments."""
        return [Segment(path) for path in self._files("segment-*.parquet")]

    def journals(self) -> list[Path]:
        """List the journals that are not yet segments."""
        return self._files("*.jsonl")

    def _files(self, pattern: str) -> list[Path]:
        return [path for path in sorted(self.folder.glob(pattern)) if _is_ours(path)]

    def missing(self, keys: pa.Array | pa.ChunkedArray) -> pa.Array:
        """
        Return for each key whether it has no completion (the anti-join).

        Reads the rows, because unreadable ones count as missing.
        """
        return self.look_up(keys)[0]

    def look_up(self, keys: pa.Array | pa.ChunkedArray) -> tuple[pa.Array, dict[str, str]]:
        """
        Return for each key whether it is missing, and the rejections among the others: key -> message.

        A rejection under other circumstances counts as missing.
        """
        wanted = keys_of(keys)
        tables = [self._current(table) for table in self._read(wanted)]
        present = [keys_of(table["key"]) for table in tables]
        missing = pa.array(
            ~np.isin(wanted, np.concatenate(present)) if present else np.ones(len(wanted), bool)
        )
        rejected: dict[str, str] = {}
        for table in tables:
            rejections = table.filter(is_error(table))
            rejected |= zip(rejections["key"].to_pylist(), rejections["error"].to_pylist(), strict=True)
        return missing, rejected

    def find(self, keys: Sequence[str], settled: Sequence[Path] = ()) -> dict[str, Completion]:
        """
        Read the completions with these keys; missing ones are omitted.

        `settled` names segments that are known to exist, because a shared file system may return an outdated
        folder listing.
        """
        tables = self._read(keys_of(pa.array(keys, pa.string())), settled)
        return {completion.key: completion for table in tables for completion in _completions(table)}

    def _current(self, table: pa.Table) -> pa.Table:
        """Remove rejections under other circumstances."""
        current = pc.equal(table["circumstances"], self._circumstances)
        return table.filter(pc.or_(pc.invert(is_error(table)), current))

    @property
    def spent(self) -> Usage:
        """Usage of all completions that were journalled in this folder and settled."""
        return sum(map(self._record, (self.folder / SPENT).glob("*.json")), start=Usage())

    def spent_by(self, stage: str) -> Usage:
        """Usage of a stage's completions that were journalled in this folder and settled."""
        records = (path for path in (self.folder / SPENT).glob("*.json") if _is_of(path, stage))
        return sum(map(self._record, records), start=Usage())

    def _record(self, path: Path) -> Usage:
        try:
            return USAGE.validate_json(path.read_bytes())
        except ValidationError:
            self.damage[path] = f"{path} cannot be read, so the usage of its completions is not counted"
            return Usage()

    def settle_one(self, journal: Path) -> Path | None:
        """
        Turn a journal without a writer into a segment; return the segment's path.

        Its usage is recorded under the journal's name, so that settling it twice does not count it twice.
        """
        segment, usage, unread = self._write(journal)
        if usage.completions:
            write_json(asdict(usage), self.folder / SPENT / f"{journal.stem}.json")
        if unread:
            self._quarantine([journal], f"{unread} of its lines cannot be read")
        else:
            journal.unlink()
        return segment

    def settle_stage(self, stage: str) -> None:
        """Turn the journals of a stage, whose writers have ended, into segments. Others may be reading."""
        for journal in self.journals():
            if _is_of(journal, stage) and not has_writer(journal):
                self.settle_one(journal)

    def settle(self, damaged: Iterable[Path] = ()) -> None:
        """
        Tidy up between stages: move invalid segments away, turn journals into segments, and merge.

        The readable rows of `damaged` segments are kept. Must not run while others read. Journals that still
        have a writer (one that outlived its run) are skipped. A crash in between can leave duplicates, which
        reading tolerates, but loses nothing.
        """
        for segment in self.segments():
            try:
                segment.rows()
            except Damaged as error:
                self._quarantine([segment.path, segment.keys_path], f"it cannot be read ({error})")
        for journal in self.journals():
            if not has_writer(journal):
                self.settle_one(journal)
        self.merge(damaged)
        shutil.rmtree(self.folder / REPLACED, ignore_errors=True)
        for message in self.damage.values():
            log.warning(message)

    def merge(self, damaged: Iterable[Path] = ()) -> None:
        """
        Merge small segments, if there are many.

        Others may be reading: merged segments are kept in a separate folder until `settle`.
        """
        try:
            for path in damaged:
                if path.exists():
                    self._merge([Segment(path)])
            while small := mergeable(self.segments()):
                self._merge(small)
        except UserError as error:  # the disk is full; merging can wait
            self.damage[self.folder] = f"segments were not merged: {error}"

    def clear_unfinished(self) -> None:
        """Remove unfinished files of killed writers."""
        for path in [*self.folder.rglob(f"{UNFINISHED}*")]:
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)

    def _read(self, keys: Keys, settled: Sequence[Path] = ()) -> Iterator[pa.Table]:
        """
        Read at most one row for each of these keys.

        Answers take precedence over rejections, and rejections under the current circumstances over others.
        """
        keys = np.unique(keys)
        rejected = [SCHEMA.empty_table()]
        for table in self._rows(keys, settled):
            answered = table.filter(pc.invert(is_error(table)))
            rejected.append(table.filter(is_error(table)))
            keys = np.setdiff1d(keys, keys_of(answered["key"]))
            yield answered
        rejections = pa.concat_tables(rejected)
        if len(rejections):
            current = pc.equal(rejections["circumstances"], self._circumstances)
            rejections = pa.concat_tables([rejections.filter(current), rejections.filter(pc.invert(current))])
            unique, first = np.unique(keys_of(rejections["key"]), return_index=True)
            yield rejections.take(first[np.isin(unique, keys)])

    def _rows(self, keys: Keys, settled: Sequence[Path]) -> Iterator[pa.Table]:
        """Read rows of these keys, file by file, until each has an answer."""
        # Journals first: one that becomes a segment in the meantime is in the segments, listed afterwards.
        for journal in self.journals():
            with suppress(FileNotFoundError):
                table, _ = parse_journal(journal.read_bytes(), {*keys.tolist()})
                keys = np.setdiff1d(keys, keys_of(table.filter(pc.invert(is_error(table)))["key"]))
                yield table
        paths = [segment.path for segment in self.segments()]
        for path in dict.fromkeys([*settled, *paths]):
            if len(keys):
                damage: list[str] = []
                try:
                    table = Segment(path).read(keys, damage)
                except FileNotFoundError:  # merged after it was listed
                    table = Segment(path.parent / REPLACED / path.name).read(keys, damage)
                if damage:
                    self.damage[path] = "; ".join(damage)
                keys = np.setdiff1d(keys, keys_of(table.filter(pc.invert(is_error(table)))["key"]))
                yield table

    def _write(self, journal: Path) -> tuple[Path | None, Usage, int]:
        """
        Write a journal's completions as a segment.

        Returns
        -------
        The segment's path, the usage of its completions, and the number of unreadable lines.
        """
        data = journal.read_bytes()
        table, unread = parse_journal(data)
        if not len(table):
            return None, Usage(), unread
        # The name is a content hash, so settling a journal twice writes the same segment.
        path = self.folder / f"segment-{hashlib.blake2b(data, digest_size=16).hexdigest()}.parquet"
        write_segment(path, [table])
        tokens = (pc.sum(table[f"{kind}_tokens"]).as_py() for kind in ("prompt", "cached", "completion"))
        return path, Usage(len(table), *tokens), unread

    def _merge(self, segments: Sequence[Segment]) -> None:
        damage: dict[Segment, list[str]] = {segment: [] for segment in segments}
        name = content_id(*(segment.path.name for segment in segments))
        with suppress(Damaged):  # raised if no row is readable; then there is nothing to write
            write_segment(self.folder / f"segment-{name}.parquet", answers_first(segments, damage))
        for segment in segments:
            if damage[segment]:
                self._quarantine([segment.path, segment.keys_path], "; ".join(damage[segment]))
                continue
            files = [path for path in (segment.path, segment.keys_path) if path.exists()]
            for path in reversed(files):
                link(path, self.folder / REPLACED / path.name)
            for path in files:
                path.unlink()

    def _quarantine(self, paths: Sequence[Path], why: str) -> None:
        corrupt = self.folder / "corrupt"
        corrupt.mkdir(exist_ok=True)
        for path in paths:
            with suppress(FileNotFoundError):
                path.replace(corrupt / path.name)
        self.damage[paths[0]] = f"{paths[0]} was moved to {corrupt}: {why}. Lost requests are sent again"


def _is_of(path: Path, stage: str) -> bool:
    """Check by its name whether a journal, or its record of usage, belongs to a stage."""
    return re.fullmatch(rf"{re.escape(stage)}-part-\d+-\d+-\d+", path.stem) is not None


def _is_ours(path: Path) -> bool:
    """Exclude folders, pipes and broken links; include a file that was moved since it was listed."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return True
    return path.is_file() if stat.S_ISLNK(mode) else stat.S_ISREG(mode)


def _completions(table: pa.Table) -> Iterator[Completion]:
    columns = []
    for field in fields(Completion):
        column = table[field.name].combine_chunks()
        if pa.types.is_list(column.type):
            values = column.values.to_numpy(zero_copy_only=False).tolist()
            columns.append([tuple(values[start:end]) for start, end in pairwise(column.offsets.to_pylist())])
        else:
            columns.append(column.to_pylist())
    return map(Completion, *columns)
