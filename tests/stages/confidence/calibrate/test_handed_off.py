"""The promise is about what is handed off: stages that drop rows after it was made take it back or prove it anew."""

import json

import numpy as np
import pyarrow as pa
import pytest

from datagen.stages.confidence.calibrate import stage
from datagen.stages.confidence.calibrate.handed_off import stated
from datagen.stages.confidence.labels import file
from tests.stages.confidence.calibrate.test_calibrate import SCORES, planted, verdicts
from tests.support.rows import context, example, partitions, put_through

STAGES = {"calibrate": None, "curate": None, "handoff": None}
COLUMNS = dict.fromkeys([*SCORES, "confidence", "threshold"], pa.float64())


@pytest.fixture
def calibrated(tmp_path):
    """Rows with confidence and threshold, which of them are right, and the promise."""
    rows, truth = planted(3000)
    rows.append(example("refusal", question="why?", answer="I do not know."))
    file.write(verdicts(truth, 1500), tmp_path / "labels.jsonl")
    output = tmp_path / "2026-1" / "stages" / "calibrate"
    output.mkdir(parents=True)
    given = {"labels": [str(tmp_path / "labels.jsonl")], "columns": dict.fromkeys(SCORES, pa.float64())}
    kept, _ = put_through(stage, rows, 500, tmp_path / "2026-1", output=output, **given)
    return kept, truth, json.loads((output / "report.json").read_text())["instruction"]["promise"]


def handed_off(tmp_path, rows):
    here = context("handoff", tmp_path / "2026-1", stages=STAGES)
    [found] = stated(iter(partitions(rows, 500, **COLUMNS)), here)
    return found


def under(rows):
    return [row for row in rows if row["threshold"] is not None and row["confidence"] >= row["threshold"]]


def test_where_only_rows_beside_the_promise_were_dropped_it_is_about_those_that_are_left(
    calibrated, tmp_path
):
    rows, _, promise = calibrated
    kept = under(rows)
    found = handed_off(tmp_path, kept)
    assert (found["rows"], found["others"], found["why"]) == (promise["rows"], 0, "")
    assert (found["judged"], found["right"]) == (promise["above"], promise["right"])
    assert (found["bound"], found["release"]) == (promise["bound"], "2026-1")
    every = handed_off(tmp_path, rows)
    assert (every["rows"], every["others"]) == (len(kept), 3000 - len(kept))


def test_where_right_rows_recur_and_wrong_ones_do_not_a_promise_before_dedup_is_taken_back(
    calibrated, tmp_path
):
    rows, truth, _ = calibrated
    kept = under(rows)
    right = [row for row in kept if truth[row["id"]]]
    wrong = [row for row in kept if not truth[row["id"]]]
    deduplicated = [*right[::5], *wrong]
    assert len(right[::5]) / len(deduplicated) < 0.9
    found = handed_off(tmp_path, deduplicated)
    assert (found["rows"], found["others"], found["bound"]) == (0, len(deduplicated), 0)
    assert f"{len(kept) - len(deduplicated):,} were dropped after it was made" in found["why"]


def test_what_the_rows_that_are_left_show_by_themselves_is_promised_with_a_wider_bound(calibrated, tmp_path):
    rows, truth, promise = calibrated
    sure = sorted(under(rows), key=lambda row: row["confidence"])
    left = [row for row in sure if truth[row["id"]] or row["confidence"] < 0.9]
    left = left[len(left) // 4 :]
    found = handed_off(tmp_path, left)
    assert (found["rows"], found["why"]) == (len(left), "")
    assert found["judged"] < promise["above"]
    assert 0.9 <= found["bound"] < found["right"] / found["judged"]


def test_without_a_promise_it_says_why_and_without_calibrate_nothing(calibrated, tmp_path):
    rows, _, _ = calibrated
    path = tmp_path / "2026-1" / "stages" / "calibrate" / "report.json"
    report = json.loads(path.read_text())
    report["instruction"]["promise"] |= {"threshold": None, "why": "no labels"}
    path.write_text(json.dumps(report))
    found = handed_off(tmp_path, rows)
    assert (found["rows"], found["others"], found["why"]) == (0, 3000, "no labels")
    assert stated(iter([]), context("handoff", tmp_path, stages={"handoff": None})) == []
    assert np.isfinite(found["bound"])
