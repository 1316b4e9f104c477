"""What rows are compared with besides each other: earlier releases, and examples of what is wanted."""

from collections.abc import Sequence
from functools import partial

import pyarrow as pa

from datagen.errors import UserError
from datagen.request import Reject
from datagen.schema import EXAMPLES, content_id, table_of
from datagen.stage import Context
from datagen.stages.select.space import Reader
from datagen.stages.shared.chat_records import example
from datagen.stages.shared.eval_sets import EvaluationSet, read_items, read_texts
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
    texts = ["\n".join(said) for said in _items(sets, context).values()]
    return [_written(pa.table({"text": pa.array(texts, pa.string())}), context)]


def wanted_pairs(sets: Sequence[str], context: Context) -> list[Reader]:
    """
    Read the items of the sets as pairs, in any layout of chat_records, into a table of the scratch folder.

    Raises
    ------
    UserError
        When an item is no pair.
    """
    rows = []
    for number, path in enumerate(sets):
        said = f"{context.stage}.wanted: {path}"
        for name, item in read_items(context.folder / path, said):
            try:
                pair = example(item)
                if pair["kind"] != "instruction":
                    raise Reject("no answer", f"it is a {pair['kind']}")
            except Reject as why:
                raise UserError(
                    f"{said}: {name}: {why}. Write question and answer, or another layout of docs/families.md"
                ) from why
            fields = {field: pair[field] for field in ("question", "answer", "prompt")}
            rows.append(fields | {"id": content_id(str(number), name, fields["question"])})
    names = ("id", "question", "answer", "prompt")
    return [_written(table_of(pa.schema([EXAMPLES.field(name) for name in names]), rows), context)]


def _items(sets: Sequence[str], context: Context) -> dict[tuple[int, str], list[str]]:
    """Read the texts of each item: number of the set and name -> texts."""
    said: dict[tuple[int, str], list[str]] = {}
    for number, path in enumerate(sets):
        given = EvaluationSet(path=path)
        for item, text in read_texts(given, context.folder, f"{context.stage}.wanted"):
            said.setdefault((number, item), []).append(text)
    return said


def _written(table: pa.Table, context: Context) -> Reader:
    file = context.scratch / "wanted.parquet"
    write_table(table, file)
    return partial(read_part, file)
