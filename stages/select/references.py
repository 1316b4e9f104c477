"""The rows that selection compares with: earlier releases and wanted examples."""

from collections.abc import Sequence
from functools import partial

import pyarrow as pa

from datagen.errors import UserError
from datagen.schema import EXAMPLES, chat, table_of
from datagen.stage import Context
from datagen.stages.shared.eval_sets import EvaluationSet, read_texts
from datagen.stages.shared.similarity.sketch import Reader
from datagen.store.parquet import parts, read_part, write_table


def earlier(folders: Sequence[str], context: Context) -> list[Reader]:
    """
    Find the partitions of the rows that earlier runs handed off.

    Raises
    ------
    UserError
        When a folder is not a run with a hand-off.
    """
    readers: list[Reader] = []
    for name in folders:
        tables = parts((context.folder / name).resolve() / "stages" / "handoff")
        if not tables:
            raise UserError(
                f"{context.stage}.earlier: {name} has no hand-off. Name the folder of a finished run "
                "whose pipeline has the stage handoff, relative to the recipe"
            )
        readers += [partial(read_part, path) for path in tables]
    return readers


def wanted(sets: Sequence[str], context: Context) -> list[Reader]:
    """Read the items of the sets, one text per item, into a table in the scratch folder."""
    texts = ["\n".join(fields) for fields in _items(sets, [], context).values()]
    return [_written(pa.table({"text": pa.array(texts, pa.string())}), context)]


def wanted_pairs(sets: Sequence[str], context: Context) -> list[Reader]:
    """
    Read the items of the sets, each a question and answer, into a table in the scratch folder.

    Raises
    ------
    UserError
        When an item lacks the field question or answer, or one of them is not a single text.
    """
    rows = []
    for (_, item), texts in _items(sets, ["question", "answer"], context).items():
        if len(texts) != 2:
            raise UserError(
                f"{context.stage}.wanted: {item}: question and answer have {len(texts)} texts; use one each"
            )
        question, answer = texts
        rows.append({"id": item, "question": question, "answer": answer, "prompt": chat(question)})
    names = ("id", "question", "answer", "prompt")
    return [_written(table_of(pa.schema([EXAMPLES.field(name) for name in names]), rows), context)]


def _items(sets: Sequence[str], fields: Sequence[str], context: Context) -> dict[tuple[int, str], list[str]]:
    """Read the texts of each item, in the given fields or all: number of the set and name -> texts."""
    items: dict[tuple[int, str], list[str]] = {}
    for number, path in enumerate(sets):
        item_set = EvaluationSet(path=path, fields=list(fields))
        for item, text in read_texts(item_set, context.folder, f"{context.stage}.wanted"):
            items.setdefault((number, item), []).append(text)
    return items


def _written(table: pa.Table, context: Context) -> Reader:
    file = context.scratch / "wanted.parquet"
    write_table(table, file)
    return partial(read_part, file)
