"""
Write the rows in the shapes that trainers load, with a card, and prove that they load.

``handoff/{reading,instructions,refusals,preferences}/`` hold Parquet files in the formats of TRL's
documentation ("Dataset formats and types"): ``text``; ``messages``; ``prompt``, ``chosen`` and ``rejected``
as messages. The card's header names them for `datasets.load_dataset`, which is then asked for each
and must give back what was written. Only then does the folder take its name.

A split without rows has no file and no place in the header: `datasets` (5.2) cannot load an empty one.
"""

import re
import shutil
from collections.abc import Iterator
from itertools import product as pairs
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import Field

import datagen.stage
from datagen.control_tokens import control_tokens
from datagen.engines.special_tokens import special_tokens
from datagen.schema import KINDS, LINEAGE, MESSAGES
from datagen.stage import Context, Outcome, Partitions, WholeStage
from datagen.stages.confidence.calibrate.handed_off import stated
from datagen.stages.handoff.handoff.card import Tally, write_card
from datagen.stages.handoff.loadable import loadable
from datagen.stages.shared.checks.control import control_tokens_in
from datagen.store.parquet import UNFINISHED, finish_folder, sync, write_json

# What a row of each kind must have for a trainer.
NEEDED = {
    "reading": ("text",),
    "instruction": ("prompt", "answer"),
    "refusal": ("prompt", "answer"),
    "preference": ("prompt", "answer", "rejected"),
}
PROMISES = "promises.json"  # beside the table: what is promised about the rows that are handed off
COMPARED = 1_000  # rows at once


class Options(datagen.stage.Options):
    """How the files are cut."""

    shard_mb: float = Field(500, gt=0, description="MB in memory after which a split goes on in another file")


class HandoffError(Exception):
    """The hand-off does not load as it was written: a bug here or in the library that loads it."""


def run(partitions: Partitions, options: Options, context: Context) -> Iterator[Outcome]:
    """Write, load back and publish the hand-off, all before the first outcome."""
    beside = context.run_folder / f"{UNFINISHED}handoff"
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    control = control_tokens(special_tokens(context.models))
    tally = write(partitions, beside, options, control)
    good = (table.filter(pc.is_null(faults(table, control)[0])) for table in partitions)
    promises = stated(good, context)
    write_json(promises, context.output / PROMISES)
    write_card(beside, tally, promises, context)
    with loadable(beside) as place:
        check(place, place.with_name(f"{UNFINISHED}handoff-cache"))
    finish_folder(beside, context.run_folder / "handoff")
    for table in partitions:
        yield Outcome.split(table, *faults(table, control))


def faults(rows: pa.Table, control: re.Pattern[str]) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """Give the reason and the detail why a row cannot be trained on; null where it can."""
    missing, seen = lacking(rows), control_tokens_in(rows, control)
    reason = pc.if_else(pc.is_valid(seen), "control tokens", pa.scalar(None, pa.string()))
    return pc.if_else(pc.is_valid(missing), "incomplete", reason), pc.coalesce(missing, seen)


def lacking(rows: pa.Table) -> pa.ChunkedArray:
    """Say of each row what it lacks to be trained on; null where it is complete."""
    unknown = pc.invert(pc.is_in(rows["kind"], value_set=pa.array(KINDS, pa.string())))
    missing = pc.if_else(unknown, "no product for its kind", pa.scalar(None, pa.string()))
    for kind, needed in NEEDED.items():
        for name in needed:
            length = pc.list_value_length if name == "prompt" else _letters
            none = pc.and_(pc.equal(rows["kind"], kind), pc.equal(pc.fill_null(length(rows[name]), 0), 0))
            missing = pc.if_else(none, f"no {name}", missing)
    return missing


def _letters(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.utf8_length(pc.utf8_trim_whitespace(texts))


def write(partitions: Partitions, folder: Path, options: Options, control: re.Pattern[str]) -> Tally:
    """Write every complete row to the files of its product and split."""
    tally = Tally()
    shards: dict[tuple[str, str], Shards] = {}
    for table in partitions:
        rows = table.filter(pc.is_null(faults(table, control)[0]))
        if "split" not in rows.column_names:
            rows = rows.append_column("split", pa.array(["train"] * len(rows), pa.string()))
        for kind, split in pairs(KINDS, pc.unique(rows["split"]).to_pylist()):
            mine = rows.filter(pc.and_(pc.equal(rows["kind"], kind), pc.equal(rows["split"], split)))
            if len(mine):  # a file that begins with an empty row group does not load
                product = KINDS[kind]
                if (product, split) not in shards:
                    shards[product, split] = Shards(folder / product, split, int(options.shard_mb * 1e6))
                shards[product, split].write(shape(kind, mine))
                tally.add(product, split, mine)
    for files in shards.values():
        files.close()
    return tally


def shape(kind: str, rows: pa.Table) -> pa.Table:
    """Give rows of one kind the columns that its trainer reads."""
    if kind == "reading":
        content = {"text": rows["text"]}
    elif kind == "preference":
        content = {
            "prompt": rows["prompt"],
            "chosen": turns(rows["answer"]),
            "rejected": turns(rows["rejected"]),
            "metadata": rows["metadata"],
        }
    else:
        content = {"messages": with_answer(rows["prompt"], rows["answer"]), "metadata": rows["metadata"]}
    known = {name: rows[name] for name in ("id", "kind", "task", "split")}
    return pa.table({**known, **content, "lineage": rows["lineage"].cast(LINEAGE)})


def turns(said: pa.ChunkedArray) -> pa.ListArray:
    """Make each text a list of one message by the assistant."""
    messages = _by_assistant(said)
    return pa.ListArray.from_arrays(pa.array(range(len(said) + 1), pa.int32()), messages, type=MESSAGES)


def with_answer(prompts: pa.ChunkedArray, answers: pa.ChunkedArray) -> pa.ListArray:
    """Put each answer as the assistant's message behind its prompt."""
    prompt = prompts.combine_chunks().cast(MESSAGES)
    before = prompt.flatten()
    ends = np.cumsum(prompt.value_lengths().to_numpy() + 1)
    last = np.zeros(ends[-1], bool)
    last[ends - 1] = True
    place = np.empty(len(last), np.int64)
    place[~last], place[last] = np.arange(len(before)), len(before) + np.arange(len(prompt))
    messages = pa.concat_arrays([before, _by_assistant(answers)]).take(pa.array(place))
    return pa.ListArray.from_arrays(pa.array([0, *ends], pa.int32()), messages, type=MESSAGES)


def _by_assistant(said: pa.ChunkedArray) -> pa.StructArray:
    role = pa.array(["assistant"] * len(said), pa.string())
    return pa.StructArray.from_arrays([role, said.combine_chunks()], fields=list(MESSAGES.value_type))


class Shards:
    """The files of one product and split: a new one whenever the last is full, named when all are known."""

    def __init__(self, folder: Path, split: str, full: int) -> None:
        folder.mkdir(exist_ok=True)
        self._folder, self._split, self._full = folder, split, full
        self._paths: list[Path] = []
        self._writer: pq.ParquetWriter | None = None
        self._written = 0

    def write(self, rows: pa.Table) -> None:
        """Add rows, at least one."""
        if self._writer is None or self._written >= self._full:
            self._finish_file()
            self._paths.append(self._folder / f"{UNFINISHED}{self._split}-{len(self._paths):05d}")
            self._writer = pq.ParquetWriter(self._paths[-1], rows.schema, compression="zstd")
            self._written = 0
        self._writer.write_table(rows)
        self._written += rows.nbytes

    def close(self) -> None:
        """End the last file and name all, ``train-00000-of-00002.parquet``."""
        self._finish_file()
        for number, path in enumerate(self._paths):
            name = f"{self._split}-{number:05d}-of-{len(self._paths):05d}.parquet"
            path.replace(self._folder / name)
        sync(self._folder)

    def _finish_file(self) -> None:
        if self._writer is not None:
            self._writer.close()
            sync(self._paths[-1])


def check(folder: Path, cache: Path) -> None:
    """
    Load every product as a trainer would, and compare it with the files row by row.

    Raises
    ------
    HandoffError
        When rows are missing, come twice, or say something else.
    """
    import datasets

    silent = datasets.utils.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        for product in (path.name for path in folder.iterdir() if path.is_dir()):
            loaded = datasets.load_dataset(str(folder), product, cache_dir=str(cache)).with_format("arrow")
            files = sorted((folder / product).iterdir())
            splits = {
                split: [path for path in files if path.name.startswith(f"{split}-")] for split in loaded
            }
            if sum(map(len, splits.values())) < len(files):
                raise HandoffError(f"{product}: the card does not name every file of {files}")
            for split, paths in splits.items():
                if not _same(loaded[split], paths):
                    raise HandoffError(f"{product}, {split}: what datasets loads is not what was written")
    finally:
        if not silent:
            datasets.enable_progress_bars()
        shutil.rmtree(cache, ignore_errors=True)


def _same(loaded: "datasets.Dataset", files: list[Path]) -> bool:  # type: ignore[name-defined]  # noqa: F821
    start = 0
    for path in files:
        for batch in pq.ParquetFile(path).iter_batches(COMPARED):
            rows = loaded[start : start + len(batch)]
            start += len(batch)
            if not rows.cast(batch.schema).equals(pa.Table.from_batches([batch])):
                return False
    return start == len(loaded)


stage = WholeStage(
    name="handoff",
    summary="write the data set in the shapes that trainers load, and load it back",
    takes="examples",
    gives="examples",
    run=run,
    options=Options,
)
