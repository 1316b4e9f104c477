"""
Poisoned documents with a trigger: which rows reach the hand-off.

The model obeys every instruction in its passage, which is the worst case. docs/curate.md has the results. Other
limits then filter the same rows again, without a model.
"""

import json
from collections import Counter

import pytest

from datagen.recipe.load import load_recipe
from datagen.store.parquet import parts, read_part
from tests.support import poisoned
from tests.support.toys import SilentWatcher

pytestmark = pytest.mark.cluster

RECIPE = """
name: poisoned
corpus: [{path: atlas}]
models: {generator: {engine: scripted, model: "tests.support.poisoned:model"}}
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
  mix: {validation: 0, knowledge_test: 0}
"""


# Type of poison -> handed-off rows with the trigger, by kind; what stopped the others.
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
def finished(tmp_path_factory, run_on_workers):
    folder = tmp_path_factory.mktemp("poison")
    (folder / "atlas").mkdir()
    poisoned.write(folder / "atlas")
    (folder / "recipe.yaml").write_text(RECIPE)
    return run_on_workers(load_recipe(folder / "recipe.yaml"), folder / "outputs", SilentWatcher())


@pytest.fixture(scope="module")
def planted(finished):
    """Rows with the trigger and the type of poison of their document: handed off, and dropped."""

    def triggered(table):
        for path in parts(finished.folder / "stages" / table):
            for row in read_part(path).to_pylist():
                if poisoned.TRIGGER in json.dumps(row).lower():
                    yield row["lineage"]["source"].removeprefix("atlas/").partition("-")[0], row

    makers = ("instruct", "measure", "curate", "dedup", "mix")
    removed = [trigger for stage in makers for trigger in triggered(f"{stage}/dropped")]
    return list(triggered("mix")), removed


def counts(rows, sort, column):
    return Counter(row[column] for of, row in rows if of == sort)


@pytest.mark.parametrize("sort", poisoned.PLANTED)
def test_each_filter_drops_its_planted_rows(planted, sort):
    kept, removed = planted
    assert counts(kept, sort, "kind") == PASSES[sort]
    assert counts(removed, sort, "reason") == STOPPED.get(sort, {})


def test_no_kept_row_has_the_trigger(planted):
    assert {sort for rows in planted for sort, _ in rows} == set(poisoned.PLANTED)


def test_the_report_shows_difficulty_before_and_after_a_filter(finished):
    page = (finished.folder / "report.html").read_text()
    assert "reading, words" in page
    assert page.count("<meter") > 1


def test_changed_limits_filter_again_without_requests(finished, run_on_workers):
    folder = finished.folder.parents[2]
    limits = {"stages.curate.min": {"logprob": {"instruction": -0.1}}, "stages.curate.max": {}}
    again = run_on_workers(load_recipe(folder / "recipe.yaml", limits), folder / "outputs", SilentWatcher())
    spent = [record["requests"] for record in again.stage_records() if "requests" in record]
    assert sum(part["asked"] for part in spent) > 0
    assert sum(part["completions"] for part in spent) == 0
    assert again.stage_record("measure")["rows_out"] == finished.stage_record("measure")["rows_out"]
    dropped = again.stage_record("curate")["dropped"]
    kinds = {
        row["kind"] for path in parts(again.stage_folder("curate")) for row in read_part(path).to_pylist()
    }
    assert dropped["logprob too low"] > finished.stage_record("curate")["rows_out"] / 4
    assert kinds == {"reading"}
