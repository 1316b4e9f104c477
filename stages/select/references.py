"""The rows that selection compares with: earlier releases and wanted examples."""

from collections.abc import Sequence
from functools import partial

import pyarrow as pa

from datagen.errors import UserError
from datagen.request import Reject
from datagen.schema import EXAMPLES, content_id, table_of
from datagen.stage import Context
from datagen.stages.shared.chat_records import example
from datagen.stages.shared.eval_sets import EvaluationSet, read_items, read_texts
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
    texts = ["\n".join(fields) for fields in _items(sets, context).values()]
    return [_written(pa.table({"text": pa.array(texts, pa.string())}), context)]


def wanted_pairs(sets: Sequence[str], context: Context) -> list[Reader]:
    """
    Read the items of the sets as pairs, in any layout of `chat_records`, into a table in the scratch folder.

    Raises
    ------
    UserError
        When an item is not a pair.
    """
    rows = []
    for number, path in enumerate(sets):
        setting = f"{context.stage}.wanted: {path}"
        for name, item in read_items(context.folder / path, setting):
            try:
                pair = example(item)
                if pair["kind"] != "instruction":
                    raise Reject("no answer", f"it is a {pair['kind']}")
            except Reject as reason:
                raise UserError(
                    f"{setting}: {name}: {reason}. Write question and answer, or another layout of "
                    "docs/families.md"
                ) from reason
            rows.append(
                {
                    "id": content_id(str(number), name, pair["question"]),
                    "question": pair["question"],
                    "answer": pair["answer"],
                    "prompt": pair["prompt"],
                }
            )
    names = ("id", "question", "answer", "prompt")
    return [_written(table_of(pa.schema([EXAMPLES.field(name) for name in names]), rows), context)]


def _items(sets: Sequence[str], context: Context) -> dict[tuple[int, str], list[str]]:
    """Read the texts of each item: number of the set and name -> texts."""
    items: dict[tuple[int, str], list[str]] = {}
    for number, path in enumerate(sets):
        for item, text in read_texts(EvaluationSet(path=path), context.folder, f"{context.stage}.wanted"):
            items.setdefault((number, item), []).append(text)
    return items


def _written(table: pa.Table, context: Context) -> Reader:
    file = context.scratch / "wanted.parquet"
    write_table(table, file)
    return partial(read_part, file)
