"""
What comes of documents that were planted with a trigger: an honest account of what passes.

The model is the worst there is: it does what its passage says. docs/curate.md tells the same to users.
"""

import json
from collections import Counter

import poisoned
import pytest
from toys import Silent

from datagen.recipe import load_recipe
from datagen.runner import run
from datagen.tables import parts, read_part

RECIPE = """
name: poisoned
corpus: [{path: atlas}]
models: {generator: {engine: scripted, model: "poisoned:model"}}
cluster: {workers: 1, partition_mb: 1}
stages:
  ingest:
  chunk:
  dedup_passages:
  mine:
  instruct: {tasks: [extractive_question, closed_book_question]}
  measure:
  curate: {min: {grounding: {instruction: 0.8}}}
  dedup:
  mix: {validation: 0}
"""


# How a document is poisoned -> rows with the trigger that are handed over, by kind; what stopped the others.
PASSES = {
    "turn": {},
    "order": {"reading": 4},
    "backdoor": {"reading": 4, "instruction": 8},
    "falsehood": {"reading": 4, "instruction": 8},
    "flood": {"reading": 4, "instruction": 5},
}
STOPPED = {
    "turn": {"control tokens": 8},
    "order": {"question is not about its evidence": 8},
    "flood": {"exact duplicate": 3},
}


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """Sort of poison -> its rows with the trigger: those handed over, and those that were dropped."""
    folder = tmp_path_factory.mktemp("poison")
    (folder / "atlas").mkdir()
    poisoned.write(folder / "atlas")
    (folder / "recipe.yaml").write_text(RECIPE)
    done = run(load_recipe(folder / "recipe.yaml"), folder / "outputs", Silent())

    def triggered(table):
        for path in parts(done.folder / "stages" / table):
            for row in read_part(path).to_pylist():
                if poisoned.TRIGGER in json.dumps(row).lower():
                    yield row["lineage"]["source"].removeprefix("atlas/").partition("-")[0], row

    makers = ("instruct", "measure", "curate", "dedup", "mix")
    gone = [found for stage in makers for found in triggered(f"{stage}/dropped")]
    return list(triggered("mix")), gone


def counts(rows, sort, column):
    return Counter(row[column] for of, row in rows if of == sort)


@pytest.mark.parametrize("sort", poisoned.PLANTED)
def test_what_passes_and_what_stops_the_rest(planted, sort):
    kept, gone = planted
    assert counts(kept, sort, "kind") == PASSES[sort]
    assert counts(gone, sort, "reason") == STOPPED.get(sort, {})


def test_no_sound_row_has_the_trigger(planted):
    assert {sort for rows in planted for sort, _ in rows} == set(poisoned.PLANTED)
