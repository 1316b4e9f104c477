"""
Write the rows in the formats that trainers load, with a card and training files.

Each row is checked first (`datagen.stages.handoff.row_check`). Each configuration (`.configurations`) becomes
a folder of Parquet files, with a subfolder for each split. The card's header declares them for
`datasets.load_dataset`, with which each is loaded and compared with what was written. Only then does the
folder get its final name.

A split without rows has no file and no entry in the header, because `datasets` (5.2) cannot load an empty
one.
"""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from datagen.stage import Context, Outcome, Partitions, WholeStage
from datagen.stages.confidence.calibrate.handed_off import stated
from datagen.stages.handoff.forms import with_closed_forms
from datagen.stages.handoff.handoff import exports, hub, knowledge_test, mixture, support, trainers
from datagen.stages.handoff.handoff.card import write_card
from datagen.stages.handoff.handoff.configurations import of_split
from datagen.stages.handoff.handoff.load_check import check_load
from datagen.stages.handoff.handoff.manifest import write_manifest
from datagen.stages.handoff.handoff.options import Options
from datagen.stages.handoff.handoff.renewal import take_over
from datagen.stages.handoff.handoff.shards import Shard, Shards
from datagen.stages.handoff.handoff.tally import Tally, rows_with
from datagen.stages.handoff.loadable import loadable
from datagen.stages.handoff.row_check import check
from datagen.stages.handoff.tokenizer import Ruler, ruler, target_length
from datagen.stages.shared.similarity.sketch import Reader
from datagen.store.parquet import UNFINISHED, finish_folder, read_part, write_json, write_table

PROMISES = "promises.json"  # stored with the table: what is promised about the rows of the hand-off


class Verdict(NamedTuple):
    """The results of the checks of a partition, as a file, and whether tokens were counted."""

    path: Path
    counted: bool


def run(partitions: Partitions, options: Options, context: Context) -> Iterator[Verdict]:
    """Check, write, load back and publish the hand-off, all before the first verdict."""
    measure = ruler(options.tokenizer, options.max_tokens, context)
    numbered = list(enumerate(partitions.readers))
    checked = context.each(partial(_check, measure, context.scratch, str(context.seed)), numbered)
    support.withdraw(partitions, checked)
    unfinished = context.run_folder / f"{UNFINISHED}handoff"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    tally, shards = write(partitions, checked, unfinished, int(options.shard_mb * 1e6), str(context.seed))
    tally.dropped.update(mixture.plan(context).get("dropped", {}))
    promises = stated(_good(partitions, checked, str(context.seed)), context)
    write_json(promises, context.output / PROMISES)
    write_card(unfinished, tally, shards, promises, measure, options, context)
    context.notice(mixture.deviations(mixture.realised(tally, context)["parts"]))
    trainers.write(unfinished, tally, measure, context)
    with loadable(unfinished) as folder:
        check_load(folder, tally.configurations, folder.with_name(f"{UNFINISHED}handoff-cache"))
    exports.write(unfinished, tally, options.also)
    knowledge_test.write(unfinished, tally, context.recipe["name"])
    write_manifest(unfinished, tally, shards, promises, measure, context)
    finish_folder(unfinished, context.run_folder / "handoff")
    if options.push:
        hub.push(context.run_folder / "handoff", options.push)
    yield from (Verdict(path, bool(measure.model)) for path in checked)


def apply(rows: pa.Table, verdict: Verdict, options: Options, context: Context) -> Outcome:
    """Drop the rows that were not handed off."""
    checked = read_part(verdict.path)
    original = checked.take(pa.array(with_closed_forms(rows, str(context.seed))[1]))
    outcome = Outcome.split(rows, original["reason"], original["detail"])
    valid = checked.filter(pc.is_null(checked["reason"]))
    figures = {name: pc.sum(valid[name]).as_py() or 0 for name in ("tokens", "trained_tokens")}
    return replace(outcome, figures=figures if verdict.counted else {})


def _good(partitions: Partitions, checked: list[Path], seed: str) -> Iterator[pa.Table]:
    """Yield the valid rows of each partition."""
    for table, path in zip(partitions, checked, strict=True):
        original = read_part(path, ["reason"]).take(pa.array(with_closed_forms(table, seed)[1]))
        yield table.filter(pc.is_null(original["reason"]))


def _check(measure: Ruler, scratch: Path, seed: str, task: tuple[int, Reader]) -> Path:
    """Check a partition, including second forms, and write the results to a file; return its path."""
    number, reader = task
    rows = with_closed_forms(reader(None), seed)[0]
    result = check(rows, measure)
    columns = {
        "id": rows["id"],
        "reason": result.reasons,
        "detail": result.details,
        "tokens": result.tokens,
        "trained_tokens": result.trained,
    }
    path = scratch / f"checked-{number:05d}.parquet"
    write_table(pa.table(columns), path)
    return path


def write(
    partitions: Partitions, checked: list[Path], folder: Path, full: int, seed: str
) -> tuple[Tally, dict[tuple[str, str], list[Shard]]]:
    """Write the valid rows to their configurations; return counts and files."""
    tally = Tally()
    shards: dict[tuple[str, str], Shards] = {}
    for single, path in zip(partitions, checked, strict=True):
        table, verdict = with_closed_forms(single, seed)[0], read_part(path)
        tally.dropped.update(verdict["reason"].drop_null().to_pylist())
        for name in ("tokens", "trained_tokens"):
            table = table.append_column(name, verdict[name])
        rows = _with_defaults(table.filter(pc.is_null(verdict["reason"])))
        for group in rows.group_by(["kind", "split", "order"]).aggregate([]).sort_by("kind").to_pylist():
            members, split = rows_with(rows, group), group["split"]
            configurations = of_split(group["kind"], split)
            for configuration in configurations:
                key = (configuration.name, split)
                if key not in shards:
                    shards[key] = Shards(folder, *key, full)
                shards[key].write(configuration.table(members), group["order"])
            tally.add([configuration.name for configuration in configurations], split, members)
    return tally, {key: files.close() for key, files in shards.items()}


def _with_defaults(rows: pa.Table) -> pa.Table:
    """Add the columns of `mix` if the recipe has no such stage: all rows are training rows, unordered."""
    for name, value in (("split", pa.scalar("train")), ("order", pa.scalar(0, pa.int64()))):
        if name not in rows.column_names:
            rows = rows.append_column(name, pa.repeat(value, len(rows)))
        number = rows.schema.get_field_index(name)
        rows = rows.set_column(number, name, pc.fill_null(rows[name], value))
    return rows


stage = WholeStage(
    name="handoff",
    summary="check the rows, write them in the formats that trainers load, and verify that they load",
    takes="examples",
    gives="examples",
    run=run,
    apply=apply,
    options=Options,
    digest=target_length,
    take_over=take_over,
)
