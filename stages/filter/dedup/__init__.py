"""
Drop rows that say again what a better row says.

Which fields are compared depends on the kind (`COMPARED`): refusals share their answers by design and
are told apart by their questions; an instruction is its question, context and answer. A row is a
duplicate only where **every** compared field is alike:

* *exact*: equal in normal form (`datagen.stages.shared.similarity.ngrams`);
* *near*: alike by `datagen.stages.shared.similarity.alike`, by which templates filled with two names are not.
  Candidates come from MinHash (`datagen.stages.shared.similarity.minhash`) over the shingles of all fields
  together, which are at least as alike as the least alike field; short questions are all compared with each
  other while there are not too many. Each candidate is verified on all its words;
* *conflict*: an instruction whose question and context are alike and whose answer is not is no duplicate; the
  row that we are surer of stays.

Rows are taken best first: by their scores, then the one that most others are like, then the longer,
then by a draw. A row goes only when it is like one that stays. So the order of the input changes nothing, and
a chain of rows, each like the next, does not fall to its first one.

The work is cut by partitions, bands and ranges of pairs, and done on all workers; what is between two steps
stands in files. The one task that decides holds the rows that are like others, and no texts.
"""

import shutil
from collections.abc import Iterator
from dataclasses import asdict, replace

import numpy as np
import pyarrow as pa

from datagen.stage import Context, Outcome, Partitions, WholeStage
from datagen.stages.filter.dedup import releases
from datagen.stages.filter.dedup.decide import Fates, Verdict, decide, judge, tell
from datagen.stages.filter.dedup.losses import ask_about, losses
from datagen.stages.filter.dedup.options import Options
from datagen.stages.shared.similarity.minhash import found
from datagen.stages.shared.similarity.near_duplicates import find_alike, find_equal, sketch_all
from datagen.stages.shared.similarity.pairs import Work
from datagen.stages.shared.similarity.sketch import Sketches
from datagen.store.parquet import write_json


def run(partitions: Partitions, options: Options, context: Context) -> Iterator[Verdict]:
    """Sketch all rows, find and verify the pairs that are likely alike, decide."""
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
    fates = decide(sketches, earlier, copies, questions, alike)
    report(work, fates, options, context)
    yield from judge(sketches, fates, [*names, *[""] * len(paths)], len(before))
    if options.keep_index:
        releases.keep(paths, options)


def report(work: Work, fates: Fates, options: Options, context: Context) -> None:
    """Write down what is found at which similarity and what each source loses; ask where that is too much."""
    lost = losses(work.sketches, fates, work.earlier)
    bands, rows = options.shape
    curve = {f"{tenths / 10:g}": round(found(tenths / 10, bands, rows), 4) for tenths in range(3, 11)}
    said = {"bands": bands, "rows": rows, "found": curve, "sources": [asdict(loss) for loss in lost]}
    write_json(said, context.output / "report.json")
    ask_about(lost, context.stage, options)


def apply(rows: pa.Table, verdict: Verdict, options: Options, context: Context) -> Outcome:
    """Take the rows out that go, and say of each why."""
    reasons, details = tell(verdict)
    said = np.full((2, len(rows)), None, object)
    said[:, verdict.fates.rows] = reasons, details
    return Outcome.split(rows, pa.array(said[0], pa.string()), pa.array(said[1], pa.string()))


stage = WholeStage(
    name="dedup",
    summary="drop what a better row says already, and the weaker of two answers to a question",
    takes="examples",
    gives="examples",
    run=run,
    apply=apply,
    options=Options,
)

passages = replace(
    stage,
    name="dedup_passages",
    summary="drop passages that say what another one says, before anything is made from them",
    takes="passages",
    gives="passages",
)
