"""
Drop rows that hold words of the tests the model will be judged by.

A row leaks when it shares a run of `words` words with a test item (13, as in GPT-3, arXiv 2005.14165,
appendix C; case and punctuation do not count). An item with fewer words than that leaks as a whole,
down to `shortest`; an item shorter still only when a row's question is that item. An item of `words` or more
leaks, too, when a part of the row as long as it is `similar` to it: some words changed here and there leave
no long run whole. What shares a run of five words with it is compared. Fields are searched one by one, so
that nothing crosses their border. An item in other words altogether is looked for with vectors, as an option.

A run that stands in rows of many documents is boilerplate and leaks nothing. Documents are counted and
not rows, since all rows of a passage share its words. Partitions are searched on all workers, once to count
and once to judge; memory holds the items' runs.
"""

import pickle
from collections.abc import Iterator
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datagen.stage import Context, Outcome, Partitions, WholeStage
from datagen.stages.filter.decontaminate.options import Options
from datagen.stages.filter.decontaminate.paraphrase import Reworded
from datagen.stages.filter.decontaminate.search import FIELDS, find_leaks, find_runs, index
from datagen.stages.shared.eval_sets import read_texts
from datagen.stages.shared.similarity.ngrams import Numbers
from datagen.stages.shared.similarity.sketch import Reader

# Where the items are, the runs that are boilerplate, and where the items are that may come reworded.
Known = tuple[Path, Numbers, Path | None]


def run(partitions: Partitions, options: Options, context: Context) -> Iterator[Known | None]:
    """Read the test items, and count in how many documents each of their runs stands."""
    if not options.against:
        yield from [None] * len(partitions)
        return
    context.scratch.mkdir(parents=True, exist_ok=True)
    path = context.scratch / "items.pickle"
    path.write_bytes(pickle.dumps(index(options, context.folder)))
    found = context.each(partial(count, path=path), partitions.readers)
    pairs = np.unique(np.concatenate([np.empty((0, 2), np.uint64), *found]), axis=0)
    runs, documents = np.unique(pairs[:, 0], return_counts=True)
    boilerplate = runs[documents > options.common].astype(np.int64)
    reworded = look_for_reworded(partitions, options, context) if options.reworded else None
    yield from [(path, boilerplate, reworded)] * len(partitions)


def look_for_reworded(partitions: Partitions, options: Options, context: Context) -> Path:
    """Embed the test items; give the file in which their vectors are."""
    here = context.folder
    texts = [text for given in options.against for text in read_texts(given, here)]
    folder = here / options.model
    model = str(folder) if options.model and folder.is_dir() else options.model
    learnt, path = context.scratch / "learnt.npy", context.scratch / "reworded.pickle"
    items = Reworded.of(texts, partitions.readers, model, options.shortest, learnt, context.each)
    path.write_bytes(pickle.dumps(items))
    return path


def count(reader: Reader, path: Path) -> np.ndarray:
    """List which runs stand in which documents: pairs of run and hash of the document's id."""
    table = reader(["id", "document_id", "lineage", *FIELDS])
    return np.unique(find_runs(table, _load(path), _documents(table)), axis=0)


def _documents(table: pa.Table) -> pa.ChunkedArray:
    if "document_id" in table.column_names:
        return table["document_id"]
    return pc.coalesce(pc.struct_field(table["lineage"], "document_id"), table["id"])


@cache
def _load(path: Path) -> Any:
    return pickle.loads(path.read_bytes())  # written by this run


def apply(rows: pa.Table, known: Known | None, options: Options, context: Context) -> Outcome:
    """Drop the rows that leak, naming the item and the words that they share."""
    if known is None:
        return Outcome.all_kept(rows)
    path, boilerplate, reworded = known
    leaks = find_leaks(rows, _load(path), boilerplate, options.similar)
    if reworded and options.reworded:
        leaks = _load(reworded).find(rows, options.shortest, options.reworded) | leaks
    said = [leaks.get(row) for row in range(len(rows))]
    return Outcome.split(rows, ["leaks evaluation data" if leak else None for leak in said], said)


stage = WholeStage(
    name="decontaminate",
    summary="drop rows that hold words of the given evaluation sets",
    takes="examples",
    gives="examples",
    run=run,
    apply=apply,
    options=Options,
)

passages = replace(
    stage,
    name="decontaminate_passages",
    summary="drop passages that hold words of the given evaluation sets, before anything is made from them",
    takes="passages",
    gives="passages",
)
