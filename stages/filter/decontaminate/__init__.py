"""
Drop rows that contain text of the tests that will evaluate the model.

A row leaks when

* it shares a run of `words` words with a test item (13, as in GPT-3, arXiv 2005.14165, appendix C; case,
  punctuation and Markdown syntax do not count), or contains a whole shorter item, down to `shortest` words;
* it contains a still shorter item, from 5 words, as a sentence, or that item is its whole question;
* a part of it is `similar` to an item of `words` or more, or it contains the words of such an item in
  another order: with sentences swapped or some words changed;
* it contains an item of `shortest` to `words` words with one word changed that is not a name, a number or
  another word that determines the meaning.

Fields are searched separately, and context and question also together. Optionally, vectors detect items
that are completely reworded.

A run that occurs in more than `common` documents is excused if there is evidence that it is a set phrase:
the row contains less than half of the item, or several items share the run. Documents are counted rather
than rows, since all rows of a passage share its words. ``report.json`` lists the excused runs. All workers
search the partitions to count, and again the rows with a run to judge; memory holds the items' runs.
"""

import pickle
from collections.abc import Iterator
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datagen.json_types import JsonObject
from datagen.stage import Context, Outcome, Partitions, WholeStage
from datagen.stages.filter.decontaminate.items import Items, index
from datagen.stages.filter.decontaminate.options import Options
from datagen.stages.filter.decontaminate.paraphrase import Reworded
from datagen.stages.filter.decontaminate.search import FIELDS, PROMPT, find_leaks, find_runs
from datagen.stages.shared.eval_sets import read_texts
from datagen.stages.shared.language.columns import words
from datagen.stages.shared.similarity.ngrams import Numbers, ngrams
from datagen.stages.shared.similarity.plain import plain
from datagen.stages.shared.similarity.sketch import Reader
from datagen.store.parquet import write_json

LISTED = 100  # excused runs that the report lists

# File of the items, common runs, the partition's rows with any run, and file of the embedded items.
Prepared = tuple[Path, Numbers, Numbers, Path | None]


def run(partitions: Partitions, options: Options, context: Context) -> Iterator[Prepared | None]:
    """Read the test items, and count the documents in which each of their runs occurs."""
    if not options.against:
        yield from [None] * len(partitions)
        return
    context.scratch.mkdir(parents=True, exist_ok=True)
    path = context.scratch / "items.pickle"
    items = index(options, context.folder)
    path.write_bytes(pickle.dumps(items))
    found = context.each(partial(count, path=path), partitions.readers)
    pairs = np.unique(np.concatenate([np.empty((0, 2), np.uint64), *(pairs for pairs, _ in found)]), axis=0)
    runs, documents = np.unique(pairs[:, 0], return_counts=True)
    frequent = documents > options.common
    common = runs[frequent].astype(np.int64)
    write_json(report(items, common, documents[frequent]), context.output / "report.json")
    reworded = embed_items(partitions, options, context) if options.reworded else None
    yield from ((path, common, rows, reworded) for _, rows in found)


def report(items: Items, common: Numbers, documents: Numbers) -> JsonObject:
    """List the runs that occur in many documents, the most frequent first, with an item of each."""
    excused = []
    counts = zip(common.tolist(), documents.tolist(), strict=True)
    for number, times in sorted(counts, key=lambda pair: -pair[1]):
        runs = next(runs for runs in reversed(items.runs) if runs.first <= number)
        text = int(runs.texts[number - runs.first])
        cut = words(plain(pa.array([items.texts[text]])), symbols=False)
        grams, starts = ngrams(cut.hashes, cut.lengths, runs.length)
        start = int(starts[np.flatnonzero(grams == runs.hashes[number - runs.first])[0]])
        shared = " ".join(cut.words.slice(start, runs.length).to_pylist())
        excused.append({"words": shared, "documents": times, "item": items.names[text]})
        if len(excused) == LISTED:
            break
    return {"common": len(common), "excused": excused}


def embed_items(partitions: Partitions, options: Options, context: Context) -> Path:
    """Embed the test items; return the file of their vectors."""
    texts = [text for test_set in options.against for text in read_texts(test_set, context.folder)]
    folder = context.folder / options.model
    model = str(folder) if options.model and folder.is_dir() else options.model
    learned, path = context.scratch / "learned.npy", context.scratch / "reworded.pickle"
    items = Reworded.of(texts, partitions.readers, model, options.shortest, learned, context.each)
    path.write_bytes(pickle.dumps(items))
    return path


def count(reader: Reader, path: Path) -> tuple[np.ndarray, Numbers]:
    """List the occurrences of runs in documents (run, hash of the document's id), and the rows with any."""
    table = reader(["id", "document_id", "lineage", PROMPT, *FIELDS])
    return find_runs(table, _items(path), _documents(table))


def _documents(table: pa.Table) -> pa.ChunkedArray:
    if "document_id" in table.column_names:
        return table["document_id"]
    return pc.coalesce(pc.struct_field(table["lineage"], "document_id"), table["id"])


@cache
def _load(path: Path) -> Items | Reworded:
    loaded: Items | Reworded = pickle.loads(path.read_bytes())  # written by this run
    return loaded


def _items(path: Path) -> Items:
    items = _load(path)
    assert isinstance(items, Items)
    return items


def _reworded(path: Path) -> Reworded:
    items = _load(path)
    assert isinstance(items, Reworded)
    return items


def apply(rows: pa.Table, prepared: Prepared | None, options: Options, context: Context) -> Outcome:
    """Drop the rows that leak, naming the item and the shared words."""
    if prepared is None:
        return Outcome.all_kept(rows)
    path, common, searched, reworded = prepared
    found = find_leaks(rows.take(pa.array(searched)), _items(path), common, options.similar)
    leaks = {int(searched[row]): leak for row, leak in found.items()}
    if reworded and options.reworded:
        leaks = _reworded(reworded).find(rows, options.shortest, options.reworded) | leaks
    details = [leaks.get(row) for row in range(len(rows))]
    return Outcome.split(rows, ["leaks evaluation data" if leak else None for leak in details], details)


stage = WholeStage(
    name="decontaminate",
    summary="drop rows that contain text of the given evaluation sets",
    takes="examples",
    gives="examples",
    run=run,
    apply=apply,
    options=Options,
)

passages = replace(
    stage,
    name="decontaminate_passages",
    summary="drop passages that contain text of the given evaluation sets, before any generation",
    takes="passages",
    gives="passages",
)
