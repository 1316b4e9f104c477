"""The output of the stage with many, few and no labels."""

import json
import math

import numpy as np
import pyarrow as pa
import pytest

from datagen.errors import UserError
from datagen.stages.confidence.calibrate import stage
from datagen.stages.confidence.labels import file
from datagen.stages.confidence.labels.draw import draws
from tests.support.rows import example, put_through

SCORES = ("p_true", "agreement")


def planted(count, task="qa", seed=0):
    """Create rows whose scores correlate with being right, and the truth by id."""
    drawn = np.random.default_rng(seed)
    rows, truth = [], {}
    for number in range(count):
        p, agreement = drawn.random(), drawn.random()
        row = example(
            task=task, question=f"{task} {number}?", answer=str(number), p_true=p, agreement=agreement
        )
        rows.append(row)
        truth[row["id"]] = bool(drawn.random() < 1 / (1 + math.exp(-(6 * p + 3 * agreement - 2))))
    return rows, truth


def calibrate(tmp_path, rows, labels=None, size=100, **options):
    if labels is not None:
        file.write(labels, tmp_path / "labels.jsonl")
        options["labels"] = [str(tmp_path / "labels.jsonl")]
    columns = dict.fromkeys(SCORES, pa.float64())
    output = tmp_path / "output"
    output.mkdir(exist_ok=True)
    kept, dropped = put_through(stage, rows, size, columns=columns, output=output, **options)
    assert not dropped
    return kept, json.loads((output / "report.json").read_text())


def verdicts(truth, most=None):
    ids = sorted(truth, key=lambda name: draws([name], "0")[1][0])[:most]
    return [{"id": name, "verdict": file.RIGHT if truth[name] else file.WRONG} for name in ids]


def test_labels_yield_confidences_and_a_threshold_that_keeps_the_promise(tmp_path):
    rows, truth = planted(1500)
    kept, report = calibrate(tmp_path, rows, verdicts(truth, 500))
    entry = report["instruction"]
    promise = entry["promise"]
    assert all(row["threshold"] == promise["threshold"] for row in kept)
    assert all(0 < row["confidence"] < 1 for row in kept)
    above = [truth[row["id"]] for row in kept if row["confidence"] >= row["threshold"]]
    assert np.mean(above) >= 0.9 > np.mean(list(truth.values()))
    assert len(above) / len(rows) == pytest.approx(promise["kept"], abs=0.002)
    assert 0.9 <= promise["bound"] <= promise["right"] / promise["above"]
    assert entry["labels"]["learn"] + entry["labels"]["check"] == 500
    scores = entry["scores"]
    assert scores["confidence"]["auroc"] > max(scores[name]["auroc"] for name in SCORES)
    assert scores["confidence"]["ece"] < 0.1
    assert len(scores["confidence"]["risks"]) == 10


def test_without_labels_rows_pass_unchanged_and_the_report_states_how_many_are_needed(tmp_path):
    rows, _ = planted(60)
    kept, report = calibrate(tmp_path, rows, promise={"instruction": 0.95})
    assert [row["id"] for row in kept] == [row["id"] for row in rows]
    assert {(row["confidence"], row["threshold"]) for row in kept} == {(None, None)}
    promise = report["instruction"]["promise"]
    assert (promise["threshold"], promise["needed"], promise["missing"]) == (None, 61, 61)
    assert "too few labels" in promise["why"]


def test_each_task_has_its_own_promise_and_other_kinds_have_none(tmp_path):
    easy, easy_truth = planted(400, "easy")
    hard, hard_truth = planted(400, "hard", seed=1)
    hard_truth = dict.fromkeys(hard_truth, False) | dict.fromkeys(list(hard_truth)[::2], True)
    refusal = example("refusal", question="why?", answer="I do not know.")
    kept, report = calibrate(
        tmp_path,
        [*easy, *hard, refusal],
        verdicts(easy_truth | hard_truth),
        promise={"instruction": 0.9, "instruction/hard": 0.9},
    )
    of = {task: [row for row in kept if row["task"] == task] for task in ("easy", "hard")}
    assert all(row["threshold"] is not None for row in of["easy"])
    assert all(row["threshold"] is None and row["confidence"] is not None for row in of["hard"])
    assert report["instruction/hard"]["promise"]["needed"] is None
    assert report["instruction"]["labels"]["learn"] + report["instruction"]["labels"]["check"] == 400
    [refusal] = [row for row in kept if row["kind"] == "refusal"]
    assert (refusal["confidence"], refusal["threshold"]) == (None, None)


def test_the_partitioning_does_not_matter(tmp_path):
    rows, truth = planted(300)
    once, report = calibrate(tmp_path, rows, verdicts(truth), size=300)
    again, same = calibrate(tmp_path, rows[::-1], verdicts(truth), size=7)
    assert report == same
    assert {row["id"]: row["confidence"] for row in once} == {row["id"]: row["confidence"] for row in again}


def test_a_row_without_a_verdict_counts_as_wrong(tmp_path):
    """Omitting the wrong rows gains nothing."""
    rows, truth = planted(400)
    labels = verdicts(truth)
    checks, drawn = draws(list(truth), "0")
    order = [list(truth)[index] for index in np.argsort(drawn) if checks[index]]
    wrong = {name for name in order if not truth[name]}
    _, all_judged = calibrate(tmp_path, rows, labels)
    assert all_judged["instruction"]["labels"]["check"] == len(order)
    _, biased = calibrate(tmp_path, rows, [label for label in labels if label["id"] not in wrong])
    counts = biased["instruction"]["labels"]
    assert (counts["check"], counts["without verdict"]) == (len(order) - len(wrong), len(wrong))
    for name in ("threshold", "kept", "above", "right", "bound"):
        assert biased["instruction"]["promise"][name] == all_judged["instruction"]["promise"][name]
    # Rows after the last judged one are not part of the sample.
    _, short = calibrate(tmp_path, rows, [label for label in labels if label["id"] not in order[200:]])
    assert (short["instruction"]["labels"]["check"], short["instruction"]["labels"]["without verdict"]) == (
        200,
        0,
    )


def test_a_skipped_row_is_not_learned_from_and_counts_as_wrong(tmp_path):
    rows, truth = planted(400)
    labels = verdicts(dict.fromkeys(truth, True))
    _, sound = calibrate(tmp_path, rows, labels)
    assert sound["instruction"]["promise"]["kept"] == 1
    skipped = [
        label | {"verdict": file.SKIP} if number % 3 == 0 else label for number, label in enumerate(labels)
    ]
    _, report = calibrate(tmp_path, rows, skipped)
    assert report["instruction"]["promise"]["threshold"] is None
    assert report["instruction"]["labels"]["skip"] == 134
    assert report["instruction"]["labels"]["learn"] < sound["instruction"]["labels"]["learn"]
    assert report["instruction"]["labels"]["check"] == sound["instruction"]["labels"]["check"]


def test_external_labels_identify_rows_by_content(tmp_path):
    rows, truth = planted(400)
    labels = [
        {
            "question": row["question"],
            "answer": row["answer"],
            "verdict": "right" if truth[row["id"]] else "wrong",
        }
        for row in rows
    ]
    unknown = {"question": "of another run?", "answer": "yes", "verdict": "right"}
    by_content = calibrate(tmp_path, rows, [*labels, unknown])
    kept, report = calibrate(tmp_path, rows, verdicts(truth))
    assert report["instruction"]["labels"].pop("no row") == {"right": 0, "wrong": 0, "skip": 0}
    assert by_content[1]["instruction"]["labels"].pop("no row") == {"right": 1, "wrong": 0, "skip": 0}
    assert by_content == (kept, report)


def test_selected_scores_must_exist(tmp_path):
    rows, truth = planted(300)
    _, report = calibrate(tmp_path, rows, verdicts(truth), scores=["p_true"])
    assert set(report["instruction"]["scores"]) == {"confidence", "p_true"}
    with pytest.raises(UserError, match=r"no column surprise; the numeric columns are .*p_true"):
        calibrate(tmp_path, rows, scores=["surprise"])


def test_a_calibrated_table_can_be_calibrated_again(tmp_path):
    rows, truth = planted(200)
    kept, report = calibrate(tmp_path, rows, verdicts(truth))
    file.write(verdicts(truth), tmp_path / "labels.jsonl")
    columns = dict.fromkeys([*SCORES, "confidence", "threshold"], pa.float64())
    output = tmp_path / "again"
    output.mkdir()
    options = {"labels": [str(tmp_path / "labels.jsonl")], "columns": columns, "output": output}
    assert put_through(stage, kept, 100, **options)[0] == kept
    assert json.loads((output / "report.json").read_text()) == report
