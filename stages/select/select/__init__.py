"""
Keep the best rows of each kind, within a budget.

A budget is a number of rows, of tokens, or a share of a kind's rows; if several are given, all apply. The
kind's method decides which rows are best:

* ``score``: the rows with the highest scores;
* ``ifd``, ``ifd_ppl``: the hardest rows that the instruction still helps with, by instruction-following
  difficulty below 1 (Cherry LLM); the others are always dropped;
* ``coverage``: rows that represent all rows (facility location). With ``earlier``, only what earlier
  releases do not cover counts; with ``wanted``, only what is similar to it;
* ``utility``: rows that as examples help the target with all rows, as measured by
  `datagen.stages.select.delift` (DELIFT); three in ten without a budget;
* ``vote_k``: rows that many rows are near to, without repeating the same region;
* ``entropy``: rows that distribute the categories most evenly (greedy maximum entropy);
* ``novelty``: rows farthest from all rows of earlier releases.

Each method ranks the rows of the kind, and they are taken in that order; a row whose tokens no longer fit is
skipped. ``order.parquet`` in the stage's folder records the order and the value of each row. Ties are broken
by a draw that depends only on the recipe's seed and the row, so a refresh keeps the same rows. The
proportions of kinds are up to `datagen.stages.handoff.mix`.

To combine methods, add a second stage with `use: select` under another name: for example ``ifd_ppl`` with a
share of 0.2, then ``coverage`` with 0.1.
"""

import shutil
from collections.abc import Iterator, Sequence

import pyarrow as pa

from datagen.stage import Columns, Context, Outcome, Partitions, Read, WholeStage
from datagen.stages.select import references
from datagen.stages.select.select import budget, methods, tokens
from datagen.stages.select.select.categories import columns_for
from datagen.stages.select.select.options import Options
from datagen.stages.select.select.rows import DIFFICULTIES, read_rows
from datagen.stages.select.space import embed_all
from datagen.stages.shared.similarity.sketch import Reader

IN_SPACE = ("coverage", "vote_k", "novelty")  # methods that use vectors


def run(partitions: Partitions, options: Options, context: Context) -> Iterator[budget.Reasons]:
    """Rank the rows of the kinds that have a budget, and decide which to keep."""
    if not len(partitions):
        return
    shutil.rmtree(context.scratch, ignore_errors=True)
    context.scratch.mkdir(parents=True)
    kinds = budget.kinds(options)
    rows = read_rows(partitions, kinds, options, context)
    sizes = tokens.count(partitions, options.tokenizer, context) if options.max_tokens else None
    vectors = embed(
        partitions, [kind for kind in kinds if options.method_of(kind) in IN_SPACE], options, context
    )
    verdicts = budget.Verdicts()
    for of_kind in rows:
        limit = budget.places(of_kind.kind, len(of_kind), options)
        files = vectors.get(of_kind.kind, {})
        ranked = methods.rank(of_kind, partitions, files, limit, options, context)
        verdicts.add(of_kind, ranked, sizes, options)
    verdicts.write(context.output / "order.parquet")
    start = 0
    for table in partitions.columns(["id"]):
        yield verdicts.of(start, len(table))
        start += len(table)


def apply(rows: pa.Table, reasons: budget.Reasons, options: Options, context: Context) -> Outcome:
    """Drop the rows beyond the budget, with the reason for each."""
    return Outcome.split(rows, *reasons)


def embed(
    partitions: Partitions, kinds: Sequence[str], options: Options, context: Context
) -> dict[str, methods.Files]:
    """Embed the rows of some kinds and the rows to compare them with: kind -> files of vectors."""
    if not kinds:
        return {}
    groups: dict[str, Sequence[Reader]] = {"rows": partitions.readers}
    if options.earlier:
        groups["earlier"] = references.earlier(options.earlier, context)
    if options.wanted:
        groups["wanted"] = references.wanted(options.wanted, context)
    files = embed_all(groups, kinds, options.embedding, context)
    return {kind: {name: files[name][kind] for name in groups} for kind in kinds}


def columns(options: Options) -> Columns:
    """Return the columns that the methods read."""
    method = [
        Read(name, ("method", kind), number=name != "utility")
        for kind, name in options.method.items()
        if name in (*DIFFICULTIES, "utility")
    ]
    categories = columns_for(options.categories) if "entropy" in options.method.values() else []
    return Columns([*method, *(Read(name, ("categories",), number=False) for name in categories)])


stage = WholeStage(
    name="select",
    summary="keep the best rows of each kind, within a budget",
    takes="examples",
    gives="examples",
    run=run,
    apply=apply,
    columns=columns,
    options=Options,
)
