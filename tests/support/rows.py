"""Examples written by hand, and a way to put them through a whole stage in partitions."""

import tempfile
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from datagen.recipe.model import Recipe
from datagen.schema import EXAMPLES, chat, content_id, table_of
from datagen.stage import Partitions
from datagen.stages.confidence.measure import stage as measure


def example(kind="instruction", document="d", **fields):
    """Make a row: an id, a prompt and a lineage where they are not given."""
    row = {"kind": kind, "task": "qa", **fields}
    said = [row.get(name) for name in ("kind", "task", "question", "context", "answer", "rejected", "text")]
    row.setdefault("id", content_id(document, *said))
    if kind != "reading":
        row.setdefault("prompt", chat(row.get("question") or "", row.get("context")))
    row.setdefault("lineage", {"document_id": document, "language": "en", "requests": [], "parents": []})
    return row


def partitions(rows, size=None, **columns):
    """Cut rows into partitions; `columns` are types of columns besides those of an example."""
    schema = pa.schema([*EXAMPLES, *columns.items()])
    size = size or max(len(rows), 1)
    tables = [table_of(schema, rows[start : start + size]) for start in range(0, len(rows), size)]

    def reader(table):
        return lambda names: (
            table if names is None else table.select([name for name in names if name in table.column_names])
        )

    return Partitions([reader(table) for table in tables])


def context(stage="test", folder=Path(), **recipe):
    """Make a context for a stage; passages, where a stage looks for them, are those of decontaminate_passages."""
    given = {"name": "test", "corpus": [{"python": "pydoc_data.topics:topics"}]} | recipe
    told = Recipe.model_validate(given).context(stage, Path(folder))
    return replace(told, tables={"passages": [Path(folder) / "stages" / "decontaminate_passages"]})


def put_through(stage, rows, size=None, folder=Path(), recipe=None, columns=None, output=None, **options):
    """Run a whole stage; return the rows that it kept and those that it dropped, after checking the account."""
    read = partitions(rows, size, **(columns or {}))
    chosen = stage.options.model_validate(options)
    with tempfile.TemporaryDirectory() as own:
        told = replace(context(stage.name, folder, **(recipe or {})), output=Path(output or own))
        outcomes = list(stage.run(read, chosen, told))
        assert len(outcomes) == len(read)
        if stage.apply:
            known = zip(read, outcomes, strict=True)
            outcomes = [stage.apply(table, verdict, chosen, told) for table, verdict in known]
    for table, outcome in zip(read, outcomes, strict=True):
        left = [*outcome.kept["id"].to_pylist(), *outcome.dropped["id"].to_pylist()]
        assert sorted(table["id"].to_pylist()) == sorted(left)
    kept = [row for outcome in outcomes for row in outcome.kept.to_pylist()]
    dropped = [row for outcome in outcomes for row in outcome.dropped.to_pylist()]
    return kept, dropped


def measured(rows, **scores):
    """Measure rows, which may have these scores besides; return them with all their columns, and the types of those."""
    table = table_of(pa.schema([*EXAMPLES, *scores.items()]), rows)
    kept = measure.apply(table, measure.options(), context("measure")).kept
    return kept.to_pylist(), {one.name: one.type for one in kept.schema if one.name not in EXAMPLES.names}
