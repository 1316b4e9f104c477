"""Promises cover the hand-off: stages that drop rows later must prove them again or withdraw them."""

import json

import numpy as np
import pyarrow as pa
import pytest

from datagen.recipe.registry import DEFAULT_PIPELINE, find_stage
from datagen.stages.confidence.calibrate import stage
from datagen.stages.confidence.calibrate.evidence import lower_bound
from datagen.stages.confidence.calibrate.handed_off import stated
from datagen.stages.confidence.labels import file
from datagen.store.parquet import read_part
from tests.stages.confidence.calibrate.test_calibrate import SCORES, planted, verdicts
from tests.support.rows import context, example, partitions, put_through

STAGES = {"calibrate": None, "curate": None, "handoff": None}
COLUMNS = dict.fromkeys([*SCORES, "confidence", "threshold"], pa.float64())


@pytest.fixture
def calibrated(tmp_path):
    """Rows with confidence and threshold, the right ones, and the promise."""
    rows, truth = planted(3000)
    rows.append(example("refusal", question="why?", answer="I do not know."))
    file.write(verdicts(truth, 1500), tmp_path / "labels.jsonl")
    output = tmp_path / "2026-1" / "stages" / "calibrate"
    output.mkdir(parents=True)
    options = {"labels": [str(tmp_path / "labels.jsonl")], "columns": dict.fromkeys(SCORES, pa.float64())}
    kept, _ = put_through(stage, rows, 500, tmp_path / "2026-1", output=output, **options)
    return kept, truth, json.loads((output / "report.json").read_text())["instruction"]["promise"]


def handed_off(tmp_path, rows):
    here = context("handoff", tmp_path / "2026-1", stages=STAGES)
    [promise] = stated(iter(partitions(rows, 500, **COLUMNS)), here)
    return promise


def under(rows):
    return [row for row in rows if row["threshold"] is not None and row["confidence"] >= row["threshold"]]


def test_dropping_uncovered_rows_keeps_the_promise(calibrated, tmp_path):
    rows, _, promise = calibrated
    kept = under(rows)
    statement = handed_off(tmp_path, kept)
    assert (statement["rows"], statement["others"], statement["why"]) == (promise["rows"], 0, "")
    assert (statement["judged"], statement["right"]) == (promise["above"], promise["right"])
    assert (statement["bound"], statement["release"]) == (promise["bound"], "2026-1")
    every = handed_off(tmp_path, rows)
    assert (every["rows"], every["others"]) == (len(kept), 3000 - len(kept))


def test_a_promise_before_dedup_is_withdrawn_if_only_right_rows_repeat(calibrated, tmp_path):
    rows, truth, _ = calibrated
    kept = under(rows)
    right = [row for row in kept if truth[row["id"]]]
    wrong = [row for row in kept if not truth[row["id"]]]
    deduplicated = [*right[::5], *wrong]
    assert len(right[::5]) / len(deduplicated) < 0.9
    promise = handed_off(tmp_path, deduplicated)
    assert (promise["rows"], promise["others"], promise["bound"]) == (0, len(deduplicated), 0)
    assert f"later stages dropped {len(kept) - len(deduplicated):,} of the" in promise["why"]


def test_remaining_rows_that_show_the_precision_keep_it_with_a_wider_bound(calibrated, tmp_path):
    rows, truth, promise = calibrated
    sure = sorted(under(rows), key=lambda row: row["confidence"])
    remaining = [row for row in sure if truth[row["id"]] or row["confidence"] < 0.9]
    remaining = remaining[len(remaining) // 4 :]
    statement = handed_off(tmp_path, remaining)
    assert (statement["rows"], statement["why"]) == (len(remaining), "")
    assert statement["judged"] < promise["above"]
    assert 0.9 <= statement["bound"] < statement["right"] / statement["judged"]
    sample = read_part(tmp_path / "2026-1" / "stages" / "calibrate" / "sample.parquet").to_pylist()
    right = np.array([one["right"] for one in sample if one["id"] in {row["id"] for row in remaining}])
    assert statement["bound"] == lower_bound(
        right, len(remaining), 0.1 / 40
    )  # any of 40 could have been promised


def test_a_missing_promise_states_the_reason_and_no_calibrate_states_nothing(calibrated, tmp_path):
    rows, _, _ = calibrated
    path = tmp_path / "2026-1" / "stages" / "calibrate" / "report.json"
    report = json.loads(path.read_text())
    report["instruction"]["promise"] |= {"threshold": None, "why": "no labels"}
    path.write_text(json.dumps(report))
    promise = handed_off(tmp_path, rows)
    assert (promise["rows"], promise["others"], promise["why"]) == (0, 3000, "no labels")
    assert stated(iter([]), context("handoff", tmp_path, stages={"handoff": None})) == []
    assert np.isfinite(promise["bound"])


def test_in_the_default_pipeline_calibrate_follows_all_filters_and_all_judges():
    later = DEFAULT_PIPELINE[DEFAULT_PIPELINE.index("calibrate") + 1 :]
    assert later == ("mix", "handoff")
    scoring = [name for name in DEFAULT_PIPELINE if find_stage(name).name in ("score", "consistency")]
    assert scoring == []


def test_nothing_is_promised_about_a_kind_without_rows(calibrated, tmp_path):
    rows, _, promise = calibrated
    here = context("handoff", tmp_path / "2026-1", stages=STAGES)
    assert stated([], here)[0]["why"].startswith(f"later stages dropped {promise['rows']:,} of the")
    path = tmp_path / "2026-1" / "stages" / "calibrate" / "report.json"
    report = json.loads(path.read_text())
    without = promise | {"threshold": None, "rows": 0, "why": "no labels"}
    report["instruction"]["promise"] = without
    path.write_text(json.dumps(report))
    assert stated([], here)[0]["why"] == "no labels"  # all rows were held back
    report["instruction"]["rows"] = 0
    path.write_text(json.dumps(report))
    others = [row for row in rows if row["kind"] != "instruction"]
    assert others and stated(iter(partitions(others, 500, **COLUMNS)), here) == []
