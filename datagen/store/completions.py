"""
The completions table: every answer that was ever paid for, by the key of its request.

A run's ``completions/`` holds *segments* (`datagen.store.segments`, written once) and, while requests are
out, *journals* (JSON lines, appended as answers come, each by one writer). Nobody writes to a file of
another, so any number of workers may share the folder. A worker that is done with a partition turns its
journal into a segment; journals that a killed one left behind, whose last line may be torn, are settled by
the next run. The one who holds the run's lease merges small segments as they gather. docs/completions.md
says how the table grows.
"""

import hashlib
import logging
import math
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, fields
from itertools import accumulate, pairwise
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
from datagen.store.parquet import UNFINISHED, Damaged, whole_file, write_json
from datagen.store.segments import SCHEMA, Segment, write_segment

FAN = 8  # segments of about one size that are merged into one
FULL_BYTES = 1 << 31  # size of a segment that is merged no more
REPLACED = "replaced"
SPENT = "spent"

USAGE = TypeAdapter(Usage)

log = logging.getLogger(__name__)


class Completions:
    """
    The completions of a run.

    What cannot be read counts as absent, so that it is asked again, and is told in `damage`, by its path.

    Parameters
    ----------
    folder
        ``completions/`` of the run's folder.
    circumstances
        Under which requests are asked. One that was rejected under others counts as absent.
    """

    def __init__(self, folder: Path, circumstances: str = "") -> None:
        self.folder, self._circumstances = folder, circumstances
        self.damage: dict[Path, str] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def inherit(self, earlier: "Completions") -> None:
        """
        Take over what an earlier run has, so that nothing is paid for twice.

        Segments are never changed, so a hard link serves where the file system has them. Journals that
        the earlier run did not come to settle are settled here.
        """
        for segment in earlier.segments():
            for source in (segment.keys_path, segment.path):
                if source.exists():
                    link(source, self.folder / source.name)
        for journal in earlier.journals():
            _, _, unread = self._write(journal)
            if unread:
                log.warning(f"{unread} lines of {journal} cannot be read. What is needed is asked again")

    def segments(self) -> list[Segment]:
        """List the segments."""
        return [Segment(path) for path in self._files("segment-*.parquet")]

    def journals(self) -> list[Path]:
        """List the journals that are not settled yet."""
        return self._files("*.jsonl")

    def _files(self, pattern: str) -> list[Path]:
        """List files; a folder, a pipe or a broken link of that name is nothing of ours."""
        return [path for path in sorted(self.folder.glob(pattern)) if path.is_file()]

    def missing(self, keys: pa.Array | pa.ChunkedArray) -> pa.Array:
        """
        Tell for each key whether no completion has it: the anti-join.

        Reads the rows that it finds, since one that cannot be read must be asked again.
        """
        return self.look_up(keys)[0]

    def look_up(self, keys: pa.Array | pa.ChunkedArray) -> tuple[pa.Array, dict[str, str]]:
        """
        Tell for each key whether it is missing, and of the others which were rejected: key -> message.

        A rejection under other circumstances counts as missing.
        """
        wanted = keys_of(keys)
        tables = [self._standing(table) for table in self._read(wanted)]
        have = [keys_of(table["key"]) for table in tables]
        missing = pa.array(~np.isin(wanted, np.concatenate(have)) if have else np.ones(len(wanted), bool))
        rejected: dict[str, str] = {}
        for table in tables:
            refused = table.filter(_is_error(table))
            rejected |= zip(refused["key"].to_pylist(), refused["error"].to_pylist(), strict=True)
        return missing, rejected

    def find(self, keys: Sequence[str], settled: Sequence[Path] = ()) -> dict[str, Completion]:
        """
        Read the completions with these keys; those that have none are left out.

        `settled` names segments that are known to be there, since a shared file system may list a folder as
        it was a minute ago.
        """
        tables = self._read(keys_of(pa.array(keys, pa.string())), settled)
        return {completion.key: completion for table in tables for completion in _completions(table)}

    def _standing(self, table: pa.Table) -> pa.Table:
        """Leave out rejections under other circumstances."""
        here = pc.equal(table["circumstances"], self._circumstances)
        return table.filter(pc.or_(pc.invert(_is_error(table)), here))

    @property
    def spent(self) -> Usage:
        """What the answers took that came into journals of this folder, and are settled."""
        records = (self.folder / SPENT).glob("*.json")
        return sum(map(self._record, records), start=Usage())

    def _record(self, path: Path) -> Usage:
        try:
            return USAGE.validate_json(path.read_bytes())
        except ValidationError:
            self.damage[path] = f"{path} cannot be read, so what its answers took is not counted"
            return Usage()

    def settle_one(self, journal: Path) -> Path | None:
        """
        Turn a journal that nobody writes to any more into a segment; give the segment's path.

        What its answers took is written down by its name, so that settling it twice counts nothing twice.
        """
        segment, took, unread = self._write(journal)
        if took.completions:
            write_json(asdict(took), self.folder / SPENT / f"{journal.stem}.json")
        if unread:
            self._put_aside([journal], f"{unread} of its lines cannot be read")
        else:
            journal.unlink()
        return segment

    def settle(self, damaged: Iterable[Path] = ()) -> None:
        """
        Tidy up between stages: put aside what is no segment, turn journals into segments, and merge.

        Of segments that are known to be damaged, what can be read is kept. Nobody may be reading. Journals
        that still have a writer, which is one that outlived its run, are left to it. A crash in between
        leaves completions twice, which reading tolerates, and loses none.
        """
        for segment in self.segments():
            try:
                segment.rows()
            except Damaged as error:
                self._put_aside([segment.path, segment.keys_path], f"it cannot be read ({error})")
        for journal in self.journals():
            if not has_writer(journal):
                self.settle_one(journal)
        self.merge(damaged)
        shutil.rmtree(self.folder / REPLACED, ignore_errors=True)
        for said in self.damage.values():
            log.warning(said)

    def merge(self, damaged: Iterable[Path] = ()) -> None:
        """
        Merge small segments, if there are many.

        Others may be reading: what was merged is kept in a folder of its own until all is settled.
        """
        try:
            for path in damaged:
                if path.exists():
                    self._merge([Segment(path)])
            while crowd := _crowd(self.segments()):
                self._merge(crowd)
        except UserError as error:  # it needs room, and can wait
            self.damage[self.folder] = f"segments were not merged: {error}"

    def clear_unfinished(self) -> None:
        """Remove what a killed writer had not finished."""
        for path in [*self.folder.rglob(f"{UNFINISHED}*")]:
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)

    def _read(self, keys: Keys, settled: Sequence[Path] = ()) -> Iterator[pa.Table]:
        """
        Read one row of each of these keys, where there is one.

        An answer comes before any rejection, and a rejection under these circumstances before others.
        """
        keys = np.unique(keys)
        refused = [SCHEMA.empty_table()]
        for table in self._rows(keys, settled):
            answered = table.filter(pc.invert(_is_error(table)))
            refused.append(table.filter(_is_error(table)))
            keys = np.setdiff1d(keys, keys_of(answered["key"]))
            yield answered
        rest = pa.concat_tables(refused)
        if len(rest):
            here = pc.equal(rest["circumstances"], self._circumstances)
            rest = pa.concat_tables([rest.filter(here), rest.filter(pc.invert(here))])
            left, first = np.unique(keys_of(rest["key"]), return_index=True)
            yield rest.take(first[np.isin(left, keys)])

    def _rows(self, keys: Keys, settled: Sequence[Path]) -> Iterator[pa.Table]:
        """Read rows of these keys, file by file, until each has an answer."""
        # Journals first: one that becomes a segment meanwhile is found there, in a list that is made later.
        for journal in self.journals():
            with suppress(FileNotFoundError):
                table, _ = parse_journal(journal.read_bytes(), {*keys.tolist()})
                keys = np.setdiff1d(keys, keys_of(table.filter(pc.invert(_is_error(table)))["key"]))
                yield table
        listed = [segment.path for segment in self.segments()]
        for path in dict.fromkeys([*settled, *listed]):
            if len(keys):
                damage: list[str] = []
                try:
                    table = Segment(path).read(keys, damage)
                except FileNotFoundError:  # merged with others since it was listed
                    table = Segment(path.parent / REPLACED / path.name).read(keys, damage)
                if damage:
                    self.damage[path] = "; ".join(damage)
                keys = np.setdiff1d(keys, keys_of(table.filter(pc.invert(_is_error(table)))["key"]))
                yield table

    def _write(self, journal: Path) -> tuple[Path | None, Usage, int]:
        """
        Write a journal's completions as a segment.

        Returns
        -------
        The segment's path, what the completions took, and how many lines cannot be read.
        """
        data = journal.read_bytes()
        table, unread = parse_journal(data)
        if not len(table):
            return None, Usage(), unread
        # Named by content: settling a journal twice writes the same segment.
        path = self.folder / f"segment-{hashlib.blake2b(data, digest_size=16).hexdigest()}.parquet"
        write_segment(path, [table])
        tokens = (pc.sum(table[f"{kind}_tokens"]).as_py() for kind in ("prompt", "cached", "completion"))
        return path, Usage(len(table), *tokens), unread

    def _merge(self, crowd: Sequence[Segment]) -> None:
        damage: dict[Segment, list[str]] = {segment: [] for segment in crowd}
        name = content_id(*(segment.path.name for segment in crowd))
        with suppress(Damaged):  # when none of them can be read: then there is nothing to write
            write_segment(self.folder / f"segment-{name}.parquet", _answers_first(crowd, damage))
        for segment in crowd:
            if damage[segment]:
                self._put_aside([segment.path, segment.keys_path], "; ".join(damage[segment]))
                continue
            files = [path for path in (segment.path, segment.keys_path) if path.exists()]
            for path in reversed(files):
                link(path, self.folder / REPLACED / path.name)
            for path in files:
                path.unlink()

    def _put_aside(self, paths: Sequence[Path], why: str) -> None:
        aside = self.folder / "corrupt"
        aside.mkdir(exist_ok=True)
        for path in paths:
            with suppress(FileNotFoundError):
                path.replace(aside / path.name)
        self.damage[paths[0]] = f"{paths[0]} was moved to {aside}: {why}. What is needed of it is asked again"


def _is_error(table: pa.Table) -> pa.ChunkedArray:
    return pc.equal(table["finish"], "error")


def _answers_first(crowd: Sequence[Segment], damage: Mapping[Segment, list[str]]) -> Iterator[pa.Table]:
    """Read segments, and once more for their rejections: of two rows of a key, the first is found later."""
    rejections = 0
    for segment in crowd:
        for table in segment.scan(damage[segment]):
            errors = _is_error(table)
            rejections += pc.sum(errors).as_py() or 0
            yield table.filter(pc.invert(errors))
    if rejections:
        for segment in crowd:
            for table in segment.scan([]):
                yield table.filter(_is_error(table))


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


def _crowd(segments: Sequence[Segment]) -> list[Segment]:
    """
    Find segments of about one size that should become one.

    A size is a power of `FAN`. So a row is copied about once for each power below `FULL_BYTES`, and of each
    size fewer than `FAN` stand beside the full ones.
    """
    sizes: dict[int, list[tuple[Segment, int]]] = {}
    for segment in segments:
        if 0 < (size := segment.path.stat().st_size) < FULL_BYTES:
            sizes.setdefault(int(math.log(size, FAN)), []).append((segment, size))
    for _, members in sorted(sizes.items()):
        if len(members) >= FAN:
            before = accumulate((size for _, size in members), initial=0)
            return [segment for (segment, _), size in zip(members, before, strict=False) if size < FULL_BYTES]
    return []


def link(source: Path, target: Path) -> None:
    """Give a file that is never changed a second name, or a copy where the file system has no links."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        target.hardlink_to(source)
    except FileExistsError:
        pass
    except OSError:
        with whole_file(target) as beside:
            shutil.copyfile(source, beside)
