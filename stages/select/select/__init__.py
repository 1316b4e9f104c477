"""
Keep the best rows of each kind, as many as the budget allows.

A budget is rows, tokens or a share of a kind's rows; where several are given, all hold. What is best is said
by the kind's method:

* ``score``: the surest by their scores (`quality`);
* ``ifd``, ``ifd_ppl``: the hardest of those that the instruction still helps with, by instruction-following
  difficulty below 1 (Cherry LLM); the others go whatever the budget;
* ``coverage``: those that stand for all rows (facility location). Given ``earlier``, only what earlier
  releases do not stand for counts; given ``wanted``, only what is like that;
* ``utility``: those that as examples help the target with all rows, by what `pair` and
  `datagen.stages.select.delift.pairwise_utility` measured (DELIFT); without a budget three in ten;
* ``vote_k``: those that many rows are near to, and not the same rows again;
* ``entropy``: those whose categories are spread most evenly (greedy maximum entropy);
* ``novelty``: those farthest from all rows of earlier releases.

Each puts the rows of the kind in an order, and they are taken in it; one whose tokens do not fit any more is
passed over. ``order.parquet`` in the stage's folder holds the order and what each row was worth. Between
equals a draw decides that depends on the recipe's seed and the row alone, so that a refresh keeps what it
kept. How kinds relate to each other is for `datagen.stages.handoff.mix`.

Methods follow one another as two stages, `use: select` under another name: ``ifd_ppl`` with a share of 0.2,
then ``coverage`` with one of 0.1.
"""

import shutil
from collections.abc import Iterator, Sequence

import pyarrow as pa

from datagen.stage import Context, Outcome, Partitions, WholeStage
from datagen.stages.select import references
from datagen.stages.select.select import budget, methods, tokens
from datagen.stages.select.select.options import Options
from datagen.stages.select.select.rows import read_rows
from datagen.stages.select.space import Reader, embed_all

IN_SPACE = ("coverage", "vote_k", "novelty")  # by vectors


def run(partitions: Partitions, options: Options, context: Context) -> Iterator[budget.Said]:
    """Put the rows of the kinds that have a budget in order, and judge them."""
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
    for mine in rows:
        most = budget.places(mine.kind, len(mine), options)
        ranked = methods.rank(mine, partitions, vectors.get(mine.kind, {}), most, options, context)
        verdicts.add(mine, ranked, sizes, options)
    verdicts.write(context.output / "order.parquet")
    start = 0
    for table in partitions.columns(["id"]):
        yield verdicts.of(start, len(table))
        start += len(table)


def apply(rows: pa.Table, said: budget.Said, options: Options, context: Context) -> Outcome:
    """Take the rows out that go, and say of each why."""
    return Outcome.split(rows, *said)


def embed(
    partitions: Partitions, kinds: Sequence[str], options: Options, context: Context
) -> dict[str, methods.Files]:
    """Embed the rows of some kinds and what they are compared with: kind -> files of vectors."""
    if not kinds:
        return {}
    groups: dict[str, Sequence[Reader]] = {"rows": partitions.readers}
    if options.earlier:
        groups["earlier"] = references.earlier(options.earlier, context)
    if options.wanted:
        groups["wanted"] = references.wanted(options.wanted, context)
    files = embed_all(groups, kinds, options.embedding, context)
    return {kind: {name: files[name][kind] for name in groups} for kind in kinds}


stage = WholeStage(
    name="select",
    summary="keep the best rows of each kind, to a budget",
    takes="examples",
    gives="examples",
    run=run,
    apply=apply,
    options=Options,
)
