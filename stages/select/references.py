"""What rows are compared with besides each other: earlier releases, and examples of what is wanted."""

from collections.abc import Sequence
from functools import partial

import pyarrow as pa

from datagen.errors import UserError
from datagen.stage import Context
from datagen.stages.select.space import Reader
from datagen.tables import parts, read_part, write_table


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
        tables = parts((context.recipe.folder / name).resolve() / "stages" / "handoff")
        if not tables:
            raise UserError(
                f"{context.stage}.earlier: {name} has no hand-off. Name the folder of a finished run "
                "whose line has the stage handoff; relative to the recipe"
            )
        found += [partial(read_part, path) for path in tables]
    return found


def wanted(sets: Sequence[str], context: Context) -> list[Reader]:
    """Read the items of the sets, a text each, into a table of the scratch folder."""
    from datagen.stages.decontaminate import EvaluationSet  # here, since it imports what selects, too
    from datagen.stages.decontaminate.items import read_texts

    said: dict[tuple[int, str], list[str]] = {}
    for number, path in enumerate(sets):
        for item, text in read_texts(
            EvaluationSet(path=path), context.recipe.folder, f"{context.stage}.wanted"
        ):
            said.setdefault((number, item), []).append(text)
    file = context.scratch / "wanted.parquet"
    write_table(pa.table({"text": ["\n".join(texts) for texts in said.values()]}), file)
    return [partial(read_part, file)]
