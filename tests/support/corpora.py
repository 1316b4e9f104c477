"""Corpora of a few files, and their ingestion."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

from datagen.recipe.model import Recipe
from datagen.stages.sources import ingest
from datagen.store.parquet import part_name, write_table


def context(folder, *corpus, partition_mb=8.0):
    """Return the context of an ingest stage of a recipe in this folder."""
    recipe = Recipe(
        name="test",
        corpus=[entry if isinstance(entry, dict) else {"path": entry} for entry in corpus],
        cluster={"partition_mb": partition_mb},
        file=Path(folder) / "recipe.yaml",
    )
    return recipe.context("ingest", Path(folder) / "run")


def outcomes(folder, *corpus, options=None, **settings):
    """Return all outcomes of ingest for a corpus."""
    running, options = context(folder, *corpus, **settings), options or ingest.Options()
    return [part for task in ingest.plan(options, running) for part in ingest.read(task, options, running)]


def checked(folder, *corpus, **settings):
    """Return the outcomes after the stage's own check, as in a run."""
    parts = outcomes(folder, *corpus, **settings)
    for number, part in enumerate(parts):
        write_table(part.dropped, folder / "stage" / "dropped" / part_name(number))
        write_table(part.kept, folder / "stage" / part_name(number))
    figures = sum((Counter(part.figures) for part in parts), Counter())
    running = replace(context(folder, *corpus), output=folder / "stage")
    ingest.check(figures, ingest.Options(), running)
    return figures


def ingested(folder, *corpus, **settings):
    """Return documents by source, and the dropped ones with their reasons."""
    parts = outcomes(folder, *corpus, **settings)
    kept = [row for part in parts for row in part.kept.to_pylist()]
    dropped = [row for part in parts for row in part.dropped.to_pylist()]
    return {row["source"]: row for row in kept}, dropped


def only(folder, *corpus):
    """Return the only document of a corpus."""
    kept, dropped = ingested(folder, *corpus)
    assert not dropped
    (row,) = kept.values()
    return row


def write(folder, name, text):
    """Write a file and the folders above it."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def reasons(dropped):
    """Return the reasons of dropped rows: source -> reason."""
    return {row["source"]: row["reason"] for row in dropped}
