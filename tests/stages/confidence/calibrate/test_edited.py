"""Verdicts on rows that were edited: they count with the text that was judged."""

import json

import numpy as np
import pyarrow as pa
import pytest

from datagen.schema import ORIGINAL
from datagen.stage import NOTICES
from datagen.stages.confidence.calibrate import stage
from datagen.stages.confidence.labels import file
from datagen.stages.confidence.labels.draw import draws
from tests.stages.confidence.calibrate.test_calibrate import SCORES, planted, verdicts
from tests.support.rows import put_through

COLUMNS = dict.fromkeys(SCORES, pa.float64()) | {ORIGINAL: pa.string()}


def calibrate(folder, rows, labels, recipe=None):
    folder.mkdir(exist_ok=True)
    file.write(labels, folder / "labels.jsonl")
    kept, _ = put_through(
        stage, rows, 100, columns=COLUMNS, output=folder, recipe=recipe, labels=[str(folder / "labels.jsonl")]
    )
    notices = folder / NOTICES
    report = json.loads((folder / "report.json").read_text())["instruction"]
    return kept, report, json.loads(notices.read_text()) if notices.exists() else []


@pytest.fixture(scope="module")
def judged():
    """Rows with verdicts on 500 of them, and the same after an edit of every judged row that is wrong."""
    rows, truth = planted(1500)
    labels = {label["id"]: label for label in verdicts(truth, 500)}
    wrong = {name for name, label in labels.items() if label["verdict"] == "wrong"}
    edited = [
        row | {"answer": "new", ORIGINAL: "{}", **dict.fromkeys(SCORES, 1.0)} if row["id"] in wrong else row
        for row in rows
    ]
    scores = {row["id"]: {name: row[name] for name in SCORES} for row in rows}
    return rows, edited, labels, wrong, scores


def with_edits(labels, wrong, scores=None, **fields):
    for name, label in labels.items():
        if name not in wrong:
            yield label
        else:
            recorded = {"scores": scores[name]} if scores else {}
            yield label | {"edit": {"answer": "new"}} | recorded | fields


def test_editing_the_wrong_rows_of_the_sample_strengthens_no_promise(tmp_path, judged):
    rows, edited, labels, wrong, scores = judged
    _, before, _ = calibrate(tmp_path / "before", rows, labels.values())
    _, after, _ = calibrate(tmp_path / "after", edited, with_edits(labels, wrong, scores))
    assert after["labels"] == before["labels"]
    assert after["scores"]["p_true"] == before["scores"]["p_true"]
    assert after["promise"]["threshold"] == pytest.approx(before["promise"]["threshold"], abs=0.02)
    assert after["promise"]["right"] <= before["promise"]["right"] + 2
    assert after["promise"]["bound"] == pytest.approx(before["promise"]["bound"], abs=0.01)


def test_without_recorded_scores_an_edited_row_is_not_trained_on_and_counts_as_wrong(tmp_path, judged):
    rows, edited, labels, wrong, _ = judged
    _, before, _ = calibrate(tmp_path / "before", rows, labels.values())
    _, after, _ = calibrate(tmp_path / "after", edited, with_edits(labels, wrong))
    checks = dict(zip(labels, draws(list(labels), "0")[0].tolist(), strict=True))
    teaching = sum(not checks[name] for name in wrong)
    assert teaching > 10
    assert after["labels"]["learn"] == before["labels"]["learn"] - teaching
    assert after["labels"]["check"] == before["labels"]["check"]
    sample = [row for row in labels if checks[row]]
    assert after["labels"]["wrong"] == sum(name in wrong for name in sample)


def test_a_verdict_on_the_new_text_counts_with_its_present_scores(tmp_path, judged):
    _, edited, labels, wrong, scores = judged
    again = list(with_edits(labels, wrong, scores, verdict="right", answer="new"))
    _, report, _ = calibrate(tmp_path / "again", edited, again)
    assert report["labels"]["wrong"] == 0 and report["labels"]["right"] == len(labels)
    taught = [1.0 if name in wrong else scores[name]["p_true"] for name in labels]
    assert np.mean(taught) > np.mean([scores[name]["p_true"] for name in labels]) + 0.1
    assert report["promise"]["threshold"] is not None
    plain = [{"id": name, "verdict": "right"} for name in labels]
    assert report == calibrate(tmp_path / "plain", edited, plain)[1]


def test_an_edit_without_a_verdict_is_no_verdict(tmp_path, judged):
    rows, _, labels, _, _ = judged
    unjudged = [row for row in rows if row["id"] not in labels][:50]
    extra = [{"id": row["id"], "edit": {"answer": "new"}} for row in unjudged]
    _, before, _ = calibrate(tmp_path / "before", rows, labels.values())
    _, after, notices = calibrate(tmp_path / "after", rows, [*labels.values(), *extra])
    assert after == before
    assert [line for line in notices if "50 edits in the labels are not applied: put apply_edits" in line]


def test_a_recipe_that_applies_edits_gets_no_such_notice(tmp_path, judged):
    rows, _, _, _, _ = judged
    recipe = {"stages": {"fixes": {"use": "apply_edits"}}}
    labels = [{"id": rows[0]["id"], "edit": {"answer": "new"}}]
    assert calibrate(tmp_path / "run", rows, labels, recipe)[2] == []
