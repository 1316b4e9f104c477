"""A whole run with every family, from documents to hand-off, and the good generator."""

import json

import pyarrow.parquet as pq
import pytest

from datagen.recipe.model import load_recipe
from datagen.run.runner import run
from datagen.store.parquet import parts
from tests.support import scribe
from tests.support.toys import Silent

RECIPE = """
name: families
corpus: [{path: atlas}]
models:
  generator: {engine: scripted, model: "tests.support.families:model", licence: MIT}
  second: {engine: scripted, model: "tests.support.families:model", revision: "2", licence: MIT}
  third: {engine: scripted, model: "tests.support.families:model", revision: "3", licence: MIT}
licences: [MIT]
cluster: {workers: 1}
stages:
  ingest:
  chunk: {max_chars: 600}
  instruct: {tasks: [extractive_question], share: 0.5}
  second_output: {use: another_output, role: second}
  third_output: {use: another_output, role: third}
  consensus:
  expand:
  refine:
  expand_pairs:
  formats: {formats: [json], views: 1}
  describe_formats:
  subjects: {tree: {Knowledge: {Geography: {Atlases: [Maps]}, History: {Records: }}}}
  syllabus:
  coursework:
  assess:
  reflect_questions: {share: 0.5}
  accept_questions:
  reflect_answers: {share: 0.5}
  accept_answers:
  licences:
  measure:
  curate:
  mix:
  handoff:
"""


@pytest.mark.cluster
def test_a_run_with_every_family_hands_off_rows_of_each(tmp_path):
    (tmp_path / "atlas").mkdir()
    scribe.write_atlas(tmp_path / "atlas")
    (tmp_path / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    finished = run(load_recipe(tmp_path / "recipe.yaml"), tmp_path / "outputs", Silent())

    def rows(stage):
        return [
            row for path in parts(finished.stage_folder(stage)) for row in pq.read_table(path).to_pylist()
        ]

    for stage in ("consensus", "expand", "refine", "expand_pairs", "describe_formats", "coursework"):
        assert rows(stage), stage
    released = rows("handoff") or rows("mix")
    operators = {json.loads(row["metadata"] or "{}").get("operator") for row in released}
    assert {None, "expand", "refine", "expand_pairs", "formats", "coursework"} <= operators
    assert {row["question_decision"] for row in released} >= {"rewritten", "kept"}
    assert "rewritten" in {row["answer_decision"] for row in released}
    assert "instruction" in {
        json.loads(row["metadata"])["shown"] for row in rows("describe_formats") if "shown" in row["metadata"]
    }
    known = {row["id"] for stage in ("consensus", "describe_formats", "coursework") for row in rows(stage)}
    final = {row["id"]: row for row in released}
    for row in rows("consensus"):  # the parents stay, and what recycling replaced is on the row
        assert (final[row["id"]]["question_before"] or final[row["id"]]["question"]) == row["question"]
        assert (final[row["id"]]["answer_before"] or final[row["id"]]["answer"]) == row["answer"]
    for row in released:
        assert {model["licence"] for model in row["lineage"]["models"]} == {"MIT"}
        labels = json.loads(row["metadata"] or "{}")
        if labels.get("operator") in ("expand", "refine", "expand_pairs", "formats"):
            assert known.intersection(row["lineage"]["parents"])
        if labels.get("operator") == "coursework":
            assert row["lineage"]["node"] == labels["node"]
    models = finished.manifest["models"]
    assert {role: models[role]["licence"] for role in ("generator", "second", "third")} == dict.fromkeys(
        ("generator", "second", "third"), "MIT"
    )
    assert (finished.folder / "handoff").is_dir()
