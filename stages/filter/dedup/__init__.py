"""
Drop rows that repeat a better row.

The compared fields depend on the kind (`COMPARED`): refusals share their answers by design and differ in
their questions; an instruction is compared by question, context and answer. A row is a duplicate only if
**every** compared field is alike:

* *exact*: equal in normal form (`datagen.stages.shared.similarity.ngrams`); self-contained questions
  are equal regardless of the passage shown with them;
* *near*: alike by `datagen.stages.shared.similarity.alike`, which separates templates filled with different
  names. Candidates come from MinHash (`datagen.stages.shared.similarity.minhash`) over the shingles of all
  fields together, which are at least as similar as the least similar field; short questions are compared
  pairwise unless there are too many. Each candidate is verified on all its words;
* *conflict*: an instruction whose question and context are alike but whose answer differs is not a
  duplicate; the row with the higher confidence is kept.

Rows are processed best first: by scores, then by the number of similar rows, then by length, then in random
order. A row is dropped only if it is like a kept one. So the order of the input does not matter, and a chain
of rows, each like the next, does not collapse to its first row.

All workers share the work, by partitions, bands and ranges of pairs; intermediate results are files. The one
central task decides on the rows that are like others, and holds no texts.
"""

import shutil
from collections.abc import Iterator
from dataclasses import asdict, replace

import numpy as np
import pyarrow as pa

from datagen.stage import Context, Outcome, Partitions, WholeStage
from datagen.stages.filter.dedup import releases
from datagen.stages.filter.dedup.decide import Drops, Verdict, decide, explain, judge
from datagen.stages.filter.dedup.losses import check_losses, losses
from datagen.stages.filter.dedup.options import Options
from datagen.stages.shared.similarity.minhash import found
from datagen.stages.shared.similarity.near_duplicates import find_alike, find_equal, sketch_all
from datagen.stages.shared.similarity.pairs import Work
from datagen.stages.shared.similarity.sketch import Sketches
from datagen.store.parquet import write_json


def run(partitions: Partitions, options: Options, context: Context) -> Iterator[Verdict]:
    """Sketch all rows, find and verify candidate pairs, and decide which rows to drop."""
    if not len(partitions):
        return
    shutil.rmtree(context.scratch, ignore_errors=True)
    context.scratch.mkdir(parents=True)
    before, names = releases.join(options, context)
    folder = releases.index_of(context.output) if options.keep_index else context.scratch
    paths = sketch_all(partitions, folder, options, context)
    sketches = Sketches([*before, *paths])
    earlier = int(sketches.starts[len(before)])
    work = Work((*before, *paths), earlier, context.scratch, options)
    copies, questions = find_equal(work, context)
    alike = find_alike(work, context)
    drops = decide(sketches, earlier, copies, questions, alike)
    report(work, drops, options, context)
    yield from judge(sketches, drops, [*names, *[""] * len(paths)], len(before))
    if options.keep_index:
        releases.keep(paths, options)


def report(work: Work, drops: Drops, options: Options, context: Context) -> None:
    """Report recall by similarity and the loss of each source; raise an error if a loss is too high."""
    lost = losses(work.sketches, drops, work.earlier)
    bands, rows = options.shape
    curve = {f"{tenths / 10:g}": round(found(tenths / 10, bands, rows), 4) for tenths in range(3, 11)}
    recall = {"bands": bands, "rows": rows, "found": curve}
    write_json(recall | {"sources": [asdict(loss) for loss in lost]}, context.output / "report.json")
    check_losses(lost, context.stage, options)


def apply(rows: pa.Table, verdict: Verdict, options: Options, context: Context) -> Outcome:
    """Drop the duplicates, with the reason for each."""
    reasons, details = np.full((2, len(rows)), None, object)
    reasons[verdict.drops.rows], details[verdict.drops.rows] = explain(verdict)
    return Outcome.split(rows, pa.array(reasons, pa.string()), pa.array(details, pa.string()))


stage = WholeStage(
    name="dedup",
    summary="drop rows that repeat a better row, and the less certain of two answers to a question",
    takes="examples",
    gives="examples",
    run=run,
    apply=apply,
    options=Options,
)

passages = replace(
    stage,
    name="dedup_passages",
    summary="drop passages that repeat another one, before any generation",
    takes="passages",
    gives="passages",
)
