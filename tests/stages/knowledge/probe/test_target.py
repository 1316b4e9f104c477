"""Labels belong to a target: another target or revision rebuilds them and nothing else."""

import pytest

from datagen.recipe.load import load_recipe
from datagen.store.parquet import parts, read_part
from tests.support import scribe
from tests.support.toys import SilentWatcher

pytestmark = pytest.mark.cluster

RECIPE = """
name: atlas
corpus: [{path: atlas}]
models:
  generator: {engine: scripted, model: "tests.support.scribe:model"}
  target: {engine: scripted, model: "tests.support.scribe:model", revision: "%s"}
  judge: generator
cluster: {workers: 1, partition_mb: 0.002}
stages:
  ingest:
  chunk:
  instruct: {tasks: [extractive_question]}
  probe: {samples: 2}
  resolve_contradictions:
  unanswerable: {share: 1, changed: 0}
  refuse:
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory, run_on_workers):
    """Two runs, the second with another revision of the target."""
    folder = tmp_path_factory.mktemp("target")
    (folder / "atlas").mkdir()
    scribe.write_atlas(folder / "atlas")
    done = []
    for revision in ("one", "two"):
        (folder / "recipe.yaml").write_text(RECIPE % revision)
        done.append(
            run_on_workers(
                load_recipe(folder / "recipe.yaml"), folder / "outputs", SilentWatcher(), fresh=True
            )
        )
    return done


def ids(finished, stage):
    return {row for path in parts(finished.stage_folder(stage)) for row in read_part(path)["id"].to_pylist()}


def asked(finished):
    """Stage -> number of requests sent."""
    return {
        record["stage"]: record["requests"]["completions"]
        for record in finished.stage_records()
        if "requests" in record
    }


def test_another_revision_rebuilds_labels_and_refusals_and_nothing_else(runs):
    sent = asked(runs[1])
    assert sent["probe"] == asked(runs[0])["probe"]
    assert sent["probe"] > 0
    assert (sent["instruct"], sent["refuse"]) == (0, 0)  # the judge's completions about passages are reused
    assert ids(runs[0], "instruct") == ids(runs[1], "instruct")
    for stage in ("probe", "resolve_contradictions", "unanswerable", "refuse"):
        assert ids(runs[1], stage) and not ids(runs[0], stage) & ids(runs[1], stage)


def test_every_question_gets_exactly_one_label(runs):
    """R-Tuning's and WACK's partition: known, unknown, ambiguous or dropped, with the target's revision."""
    probed = [row for path in parts(runs[1].stage_folder("probe")) for row in read_part(path).to_pylist()]
    dropped = [
        row
        for path in parts(runs[1].stage_folder("probe") / "dropped")
        for row in read_part(path).to_pylist()
    ]
    questions = ids(runs[1], "instruct")
    parents = [row["lineage"]["parents"][0] for row in [*probed, *dropped]]
    assert sorted(parents) == sorted(questions)
    assert {row["label"] for row in probed} == {"known", "unknown"}
    assert {row["lineage"]["revision"] for row in probed} == {"two"}
    for row in probed:
        knows = any(name in row["question"] for name in scribe.KNOWN)
        assert (row["label"] == "known") == knows
