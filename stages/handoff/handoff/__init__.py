"""
Write the rows in the shapes that trainers load, with a card and files to train with.

Each row is checked first (`datagen.stages.handoff.row_check`). Each configuration (`.configurations`) is
then a folder of Parquet files, with a folder for each split. The card's header names them for
`datasets.load_dataset`, which is asked for each and must give back what was written. Only then does the
folder take its name.

A split without rows has no file and no place in the header: `datasets` (5.2) cannot load an empty one.
"""

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from datagen.stage import Context, Outcome, Partitions, WholeStage
from datagen.stages.confidence.calibrate.handed_off import stated
from datagen.stages.handoff.forms import with_closed_forms
from datagen.stages.handoff.handoff import exports, hub, knowledge_test, trainers
from datagen.stages.handoff.handoff.card import write_card
from datagen.stages.handoff.handoff.configurations import of_split
from datagen.stages.handoff.handoff.load_check import check_load
from datagen.stages.handoff.handoff.manifest import write_manifest
from datagen.stages.handoff.handoff.options import Options
from datagen.stages.handoff.handoff.shards import Shard, Shards
from datagen.stages.handoff.handoff.tally import Tally, rows_with
from datagen.stages.handoff.loadable import loadable
from datagen.stages.handoff.row_check import check
from datagen.stages.handoff.tokenizer import Ruler, ruler
from datagen.store.parquet import UNFINISHED, finish_folder, read_part, write_json, write_table

PROMISES = "promises.json"  # beside the table: what is promised about the rows that are handed off


def run(partitions: Partitions, options: Options, context: Context) -> Iterator[Outcome]:
    """Check, write, load back and publish the hand-off, all before the first outcome."""
    measure = ruler(options.tokenizer, options.max_tokens, context)
    numbered = list(enumerate(partitions.readers))
    checked = context.each(partial(_check, measure, context.scratch, str(context.seed)), numbered)
    beside = context.run_folder / f"{UNFINISHED}handoff"
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    tally, shards = write(partitions, checked, beside, int(options.shard_mb * 1e6), str(context.seed))
    promises = stated(_good(partitions, checked, str(context.seed)), context)
    write_json(promises, context.output / PROMISES)
    write_card(beside, tally, promises, measure, options, context)
    trainers.write(beside, tally, measure, context)
    with loadable(beside) as place:
        check_load(place, tally.configurations, place.with_name(f"{UNFINISHED}handoff-cache"))
    exports.write(beside, tally, options.also)
    knowledge_test.write(beside, tally, context.recipe["name"])
    write_manifest(beside, tally, shards, measure, context)
    finish_folder(beside, context.run_folder / "handoff")
    if options.push:
        hub.push(context.run_folder / "handoff", options.push)
    for table, path in zip(partitions, checked, strict=True):
        verdict = read_part(path)
        own = verdict.take(pa.array(with_closed_forms(table, str(context.seed))[1]))
        outcome = Outcome.split(table, own["reason"], own["detail"])
        good = verdict.filter(pc.is_null(verdict["reason"]))
        figures = {name: pc.sum(good[name]).as_py() or 0 for name in ("tokens", "trained_tokens")}
        yield Outcome(outcome.kept, outcome.dropped, figures if measure.model else {})


def _good(partitions: Partitions, checked: list[Path], seed: str) -> Iterator[pa.Table]:
    """Yield the rows of each partition that passed the check."""
    for table, path in zip(partitions, checked, strict=True):
        own = read_part(path, ["reason"]).take(pa.array(with_closed_forms(table, seed)[1]))
        yield table.filter(pc.is_null(own["reason"]))


def _check(measure: Ruler, scratch: Path, seed: str, task: tuple[int, Any]) -> Path:
    """Check a partition, second forms included, and write the result; return where."""
    number, reader = task
    found = check(with_closed_forms(reader(None), seed)[0], measure)
    columns = {
        "reason": found.reasons,
        "detail": found.details,
        "tokens": found.tokens,
        "trained_tokens": found.trained,
    }
    path = scratch / f"checked-{number:05d}.parquet"
    write_table(pa.table(columns), path)
    return path


def write(
    partitions: Partitions, checked: list[Path], folder: Path, full: int, seed: str
) -> tuple[Tally, dict[tuple[str, str], list[Shard]]]:
    """Write every row without a reason against it to its configurations; return what was written."""
    tally = Tally()
    shards: dict[tuple[str, str], Shards] = {}
    for single, path in zip(partitions, checked, strict=True):
        table, verdict = with_closed_forms(single, seed)[0], read_part(path)
        tally.dropped.update(verdict["reason"].drop_null().to_pylist())
        for name in ("tokens", "trained_tokens"):
            table = table.append_column(name, verdict[name])
        rows = _with_defaults(table.filter(pc.is_null(verdict["reason"])))
        for known in rows.group_by(["kind", "split", "order"]).aggregate([]).sort_by("kind").to_pylist():
            mine = rows_with(rows, known)
            going = of_split(known["kind"], known["split"])
            for configuration in going:
                key = (configuration.name, known["split"])
                if key not in shards:
                    shards[key] = Shards(folder, *key, full)
                shards[key].write(configuration.table(mine), known["order"])
            tally.add([configuration.name for configuration in going], known["split"], mine)
    return tally, {key: files.close() for key, files in shards.items()}


def _with_defaults(rows: pa.Table) -> pa.Table:
    """Add what `mix` would have added where it was left out: all is training, in no order."""
    for name, value in (("split", pa.scalar("train")), ("order", pa.scalar(0, pa.int64()))):
        if name not in rows.column_names:
            rows = rows.append_column(name, pa.repeat(value, len(rows)))
        number = rows.schema.get_field_index(name)
        rows = rows.set_column(number, name, pc.fill_null(rows[name], value))
    return rows


stage = WholeStage(
    name="handoff",
    summary="check the rows, write them in the shapes that trainers load, and load them back",
    takes="examples",
    gives="examples",
    run=run,
    options=Options,
)
