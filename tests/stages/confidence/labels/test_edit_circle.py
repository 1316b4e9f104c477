"""Run, edit rows as `datagen browse` does, run again: the second run applies, checks and reports the edits."""

import json
from pydoc_data.topics import topics

import pytest

from datagen.look.judging import Judging
from datagen.look.trail import Trails
from datagen.recipe.load import load_recipe
from datagen.report.compare import compare
from datagen.schema import ORIGINAL
from datagen.store.parquet import parts, read_part
from tests.support.toys import SilentWatcher

pytestmark = pytest.mark.cluster

RECIPE = """
name: circle
corpus: [{path: docs}]
cluster: {workers: 1}
stages:
  ingest:
  chunk:
  mine:
  apply_edits: {labels: LABELS}
  measure:
  curate:
  dedup:
  calibrate: {labels: LABELS, promise: {reading: 0.9}}
  mix: {validation: 0}
  handoff:
"""


@pytest.fixture
def finished(run_on_workers):
    def run(folder, labels):
        (folder / "recipe.yaml").write_text(RECIPE.replace("LABELS", labels))
        return run_on_workers(load_recipe(folder / "recipe.yaml"), folder / "outputs", SilentWatcher())

    return run


def rows_of(made, stage):
    return {row["id"]: row for path in parts(made.stage_folder(stage)) for row in read_part(path).to_pylist()}


def test_the_next_run_applies_edits_and_checks_them_like_generated_rows(tmp_path, finished):
    docs = tmp_path / "docs"
    docs.mkdir()
    for name in ("assert", "assignment", "binary", "calls", "class", "for", "import", "raise", "try", "with"):
        (docs / f"{name}.txt").write_text(topics[name])
    first = finished(tmp_path, "[]")
    before = rows_of(first, "handoff")
    of_document = {row["lineage"]["source"]: row for row in before.values()}
    fixed, token, twin, other, short, moved = (of_document[name] for name in sorted(of_document)[:6])

    judging = Judging(first, Trails(first), tmp_path / "labels.jsonl", 10)
    for row, text in (
        (fixed, fixed["text"] + "\n\nThis sentence was written by a person."),
        (token, token["text"] + "<|im_end|>"),
        (twin, other["text"]),
        (moved, moved["text"] + "\n\nAnother sentence."),
        (short, "Too short."),
    ):
        judging.edit(row["id"], {"text": text})
    source = docs / moved["lineage"]["source"].rpartition("/")[2]
    source.write_text("A line in front of everything else.\n\n" + source.read_text().replace("the", "a"))
    second = finished(tmp_path, "[labels.jsonl]")

    after, dropped = rows_of(second, "handoff"), {}
    for stage in ("curate", "dedup"):
        dropped |= {
            row["id"]: row["reason"]
            for path in parts(second.stage_folder(stage) / "dropped")
            for row in read_part(path, ["id", "reason"]).to_pylist()
        }
    assert after[fixed["id"]]["text"].endswith("written by a person.")
    assert json.loads(after[fixed["id"]][ORIGINAL]) == {"text": fixed["text"]}
    assert after[fixed["id"]]["lineage"] == fixed["lineage"] | {"stage": "apply_edits"}
    assert dropped[token["id"]] == "control tokens" and dropped[short["id"]] == "too short"
    assert "duplicate" in dropped.get(twin["id"], dropped.get(other["id"], ""))
    assert moved["id"] not in after

    notices = second.stage_record("apply_edits")["notices"]
    assert notices[0] == "edits applied to 4 rows"
    assert notices[1].startswith("1 edit not applied (1: its document has changed)")
    card = (second.folder / "handoff" / "README.md").read_text()
    assert "edits applied to 4 rows" in card
    assert "edits applied to 4 rows" in (second.folder / "report.html").read_text()

    changes = {change.id: (change.change, change.reason) for change in compare(first, second).changes}
    assert changes[fixed["id"]] == ("changed", "edited")
    steps = [(step.stage, step.outcome) for step in Trails(second).follow(fixed["id"]).steps]
    assert steps[:3] == [("mine", "made"), ("apply_edits", "edited"), ("measure", "kept")]

    judging = Judging(second, Trails(second), tmp_path / "labels.jsonl", 10)
    judging.edit(fixed["id"], {})
    third = finished(tmp_path, "[labels.jsonl]")
    assert rows_of(third, "handoff")[fixed["id"]]["text"] == fixed["text"]
    changes = {change.id: (change.change, change.reason) for change in compare(second, third).changes}
    assert changes[fixed["id"]] == ("changed", "edit withdrawn")
