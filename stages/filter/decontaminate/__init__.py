"""
Drop rows that hold words of the tests the model will be judged by.

A row leaks when

* it shares a run of `words` words with a test item (13, as in GPT-3, arXiv 2005.14165, appendix C; case,
  punctuation and marks of Markdown do not count), or holds a shorter item, down to `shortest`, as a whole;
* a still shorter item, from 5 words, stands in it as a sentence, or is its whole question;
* a part of it is `similar` to an item of `words` or more, or it holds the words of such an item in another
  order: sentences are swapped, some words changed here and there;
* it holds an item of `shortest` to `words` words with one word changed that is neither name nor number nor
  another word that tells.

Fields are searched one by one, and context and question together, too. An item in other words altogether is
looked for with vectors, as an option.

A run that stands in more than `common` documents is excused where there is evidence that it is a set
phrase: the row holds less than half of the item, or several items share the run. Documents are counted and
not rows, since all rows of a passage share its words. What is excused is listed in ``report.json``.
Partitions are searched on all workers, once to count and once to judge; memory holds the items' runs.
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
from datagen.stages.filter.decontaminate.items import Items, index
from datagen.stages.filter.decontaminate.options import Options
from datagen.stages.filter.decontaminate.paraphrase import Reworded
from datagen.stages.filter.decontaminate.search import FIELDS, find_leaks, find_runs
from datagen.stages.shared.eval_sets import read_texts
from datagen.stages.shared.language.columns import words
from datagen.stages.shared.similarity.ngrams import Numbers, ngrams
from datagen.stages.shared.similarity.plain import plain
from datagen.stages.shared.similarity.sketch import Reader
from datagen.store.parquet import write_json

LISTED = 100  # runs that the report lists

# Where the items are, the runs that are common, and where the items are that may come reworded.
Known = tuple[Path, Numbers, Path | None]


def run(partitions: Partitions, options: Options, context: Context) -> Iterator[Known | None]:
    """Read the test items, and count in how many documents each of their runs stands."""
    if not options.against:
        yield from [None] * len(partitions)
        return
    context.scratch.mkdir(parents=True, exist_ok=True)
    path = context.scratch / "items.pickle"
    items = index(options, context.folder)
    path.write_bytes(pickle.dumps(items))
    found = context.each(partial(count, path=path), partitions.readers)
    pairs = np.unique(np.concatenate([np.empty((0, 2), np.uint64), *found]), axis=0)
    runs, documents = np.unique(pairs[:, 0], return_counts=True)
    many = documents > options.common
    common = runs[many].astype(np.int64)
    write_json(report(items, common, documents[many]), context.output / "report.json")
    reworded = look_for_reworded(partitions, options, context) if options.reworded else None
    yield from [(path, common, reworded)] * len(partitions)


def report(items: Items, common: Numbers, documents: Numbers) -> dict[str, Any]:
    """List the runs that stand in many documents, the most frequent first, with an item of each."""
    excused = []
    for number, times in sorted(zip(common.tolist(), documents.tolist(), strict=True), key=lambda at: -at[1]):
        runs = next(some for some in reversed(items.runs) if some.first <= number)
        text = int(runs.texts[number - runs.first])
        cut = words(plain(pa.array([items.texts[text]])), symbols=False)
        grams, starts = ngrams(cut.hashes, cut.lengths, runs.length)
        start = int(starts[np.flatnonzero(grams == runs.hashes[number - runs.first])[0]])
        said = cut.words.slice(start, runs.length).to_pylist()
        excused.append({"words": " ".join(said), "documents": times, "item": items.names[text]})
        if len(excused) == LISTED:
            break
    return {"common": len(common), "excused": excused}


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
    path, common, reworded = known
    leaks = find_leaks(rows, _load(path), common, options.similar)
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
