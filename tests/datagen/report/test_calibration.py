"""Precision over the threshold, and its chart for each group with judged rows."""

import json

import numpy as np
import pyarrow as pa

from datagen.report.calibration import MIN_ROWS, calibration_charts, precision
from datagen.run.folder import open_run
from datagen.store.parquet import read_part, write_table
from tests.support import finished
from tests.support.runs import record_files


def test_precision_is_the_share_right_at_or_above_each_threshold():
    confidence = np.linspace(0, 1, 40)
    right = confidence > 0.5
    points = precision(confidence, right)
    for point in points:
        above = right[confidence >= point["threshold"]]
        assert point["rows"] == len(above) >= MIN_ROWS and point["precision"] == above.mean()
    assert [point["threshold"] for point in points] == sorted(point["threshold"] for point in points)


def test_equal_confidences_are_not_separated_and_few_rows_give_nothing():
    (point,) = precision(np.full(20, 0.5), np.arange(20) < 15)
    assert (point["rows"], point["precision"]) == (20, 0.75)
    assert precision(np.array([0.5] * 5), np.array([True] * 5)) == []
    assert precision(np.full(30, np.nan), np.full(30, True)) == []


def test_each_group_has_a_chart_of_its_own_rows_with_its_promise(tmp_path):
    run = open_run(finished.write(tmp_path))
    folder = run.stage_folder("calibrate")
    sample = read_part(folder / "sample.parquet")
    others = sample.set_column(0, "group", pa.array(["refusal"] * sample.num_rows))
    others = others.set_column(2, "right", pa.array([True] * sample.num_rows))
    write_table(pa.concat_tables([sample, others]), folder / "sample.parquet")
    report = json.loads((folder / "report.json").read_text())
    report["refusal"] = {"promise": {"target": 0.75, "threshold": None}, "scores": {}}
    (folder / "report.json").write_text(json.dumps(report))
    record_files(folder)
    reliability, precise, refusals = calibration_charts(run)
    assert reliability.title == "instruction: reliability"
    assert reliability.rows == [[0.2, 0.0, 9], [0.7, 1.0, 29]]
    assert precise.columns == refusals.columns == ["threshold", "precision", "rows"]
    # Row n has the confidence (n + 2) / 40, and is right from n = 9 on.
    assert [0.05, 29 / 38, 38] in precise.rows and [0.275, 1.0, 29] in precise.rows
    assert {share for _, share, _ in refusals.rows} == {1.0}
    for chart, level, said in (
        (precise, 0.9, "The threshold is 0.300"),
        (refusals, 0.75, "No threshold keeps the promise"),
    ):
        rule, line = chart.specification["layer"]
        assert rule["encoding"]["y"]["datum"] == level and said in chart.caption
        fields = [line["encoding"][axis]["field"] for axis in "xy"]
        assert fields == ["threshold", "precision"]
