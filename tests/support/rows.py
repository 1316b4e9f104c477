"""Hand-written examples, and a function that runs them through a whole stage in partitions."""

import tempfile
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from datagen.recipe.model import Recipe
from datagen.schema import EXAMPLES, chat, content_id, table_of
from datagen.stage import Partitions
from datagen.stages.confidence.measure import stage as measure


def example(kind="instruction", document="d", **fields):
    """Build a row; id, prompt and lineage are filled in if not given."""
    row = {"kind": kind, "task": "qa", **fields}
    content = [
        row.get(name) for name in ("kind", "task", "question", "context", "answer", "rejected", "text")
    ]
    row.setdefault("id", content_id(document, *content))
    if kind != "reading":
        row.setdefault("prompt", chat(row.get("question") or "", row.get("context")))
    row.setdefault("lineage", {"document_id": document, "language": "en", "requests": [], "parents": []})
    return row


def partitions(rows, size=None, **columns):
    """Split rows into partitions; `columns` are types of additional columns."""
    schema = pa.schema([*EXAMPLES, *columns.items()])
    size = size or max(len(rows), 1)
    tables = [table_of(schema, rows[start : start + size]) for start in range(0, len(rows), size)]

    def reader(table):
        return lambda names: (
            table if names is None else table.select([name for name in names if name in table.column_names])
        )

    return Partitions([reader(table) for table in tables])


def context(stage="test", folder=Path(), **recipe):
    """Build a context for a stage; its passages are those of decontaminate_passages."""
    given = {"name": "test", "corpus": [{"python": "pydoc_data.topics:topics"}]} | recipe
    stage_context = Recipe.model_validate(given).context(stage, Path(folder))
    return replace(stage_context, tables={"passages": [Path(folder) / "stages" / "decontaminate_passages"]})


def put_through(stage, rows, size=None, folder=Path(), recipe=None, columns=None, output=None, **options):
    """Run a whole stage; return the kept and dropped rows, after checking that none is lost."""
    read = partitions(rows, size, **(columns or {}))
    chosen = stage.options.model_validate(options)
    with tempfile.TemporaryDirectory() as own:
        stage_context = replace(context(stage.name, folder, **(recipe or {})), output=Path(output or own))
        outcomes = list(stage.run(read, chosen, stage_context))
        assert len(outcomes) == len(read)
        if stage.apply:
            known = zip(read, outcomes, strict=True)
            outcomes = [stage.apply(table, verdict, chosen, stage_context) for table, verdict in known]
    for table, outcome in zip(read, outcomes, strict=True):
        left = [*outcome.kept["id"].to_pylist(), *outcome.dropped["id"].to_pylist()]
        assert sorted(table["id"].to_pylist()) == sorted(left)
    kept = [row for outcome in outcomes for row in outcome.kept.to_pylist()]
    dropped = [row for outcome in outcomes for row in outcome.dropped.to_pylist()]
    return kept, dropped


def measured(rows, **scores):
    """Measure rows with optional additional scores; return them with all columns and the columns' types."""
    table = table_of(pa.schema([*EXAMPLES, *scores.items()]), rows)
    kept = measure.apply(table, measure.options(), context("measure")).kept
    return kept.to_pylist(), {
        column.name: column.type for column in kept.schema if column.name not in EXAMPLES.names
    }
