"""What rows are compared with besides each other: earlier releases, and examples of what is wanted."""

from collections.abc import Sequence
from functools import partial

import pyarrow as pa

from datagen.errors import UserError
from datagen.schema import EXAMPLES, chat, table_of
from datagen.stage import Context
from datagen.stages.select.space import Reader
from datagen.stages.shared.eval_sets import EvaluationSet, read_texts
from datagen.store.parquet import parts, read_part, write_table


def earlier(folders: Sequence[str], context: Context) -> list[Reader]:
    """
    Find the partitions of the rows that earlier runs handed over.

    Raises
    ------
    UserError
        When a folder is not that of a run with a hand-off.
    """
    found: list[Reader] = []
    for name in folders:
        tables = parts((context.folder / name).resolve() / "stages" / "handoff")
        if not tables:
            raise UserError(
                f"{context.stage}.earlier: {name} has no hand-off. Name the folder of a finished run "
                "whose line has the stage handoff; relative to the recipe"
            )
        found += [partial(read_part, path) for path in tables]
    return found


def wanted(sets: Sequence[str], context: Context) -> list[Reader]:
    """Read the items of the sets, a text each, into a table of the scratch folder."""
    texts = ["\n".join(said) for said in _items(sets, [], context).values()]
    return [_written(pa.table({"text": pa.array(texts, pa.string())}), context)]


def wanted_pairs(sets: Sequence[str], context: Context) -> list[Reader]:
    """
    Read the items of the sets, a question with its answer each, into a table of the scratch folder.

    Raises
    ------
    UserError
        When an item has no field question or answer, or one of them is not one text.
    """
    rows = []
    for (_, item), said in _items(sets, ["question", "answer"], context).items():
        if len(said) != 2:
            raise UserError(
                f"{context.stage}.wanted: {item}: question and answer are {len(said)} texts; write one each"
            )
        question, answer = said
        rows.append({"id": item, "question": question, "answer": answer, "prompt": chat(question)})
    names = ("id", "question", "answer", "prompt")
    return [_written(table_of(pa.schema([EXAMPLES.field(name) for name in names]), rows), context)]


def _items(sets: Sequence[str], fields: Sequence[str], context: Context) -> dict[tuple[int, str], list[str]]:
    """Read the texts of each item, in some fields or in all: number of the set and name -> texts."""
    said: dict[tuple[int, str], list[str]] = {}
    for number, path in enumerate(sets):
        given = EvaluationSet(path=path, fields=list(fields))
        for item, text in read_texts(given, context.folder, f"{context.stage}.wanted"):
            said.setdefault((number, item), []).append(text)
    return said


def _written(table: pa.Table, context: Context) -> Reader:
    file = context.scratch / "wanted.parquet"
    write_table(table, file)
    return partial(read_part, file)
