"""Precision over the threshold."""

import numpy as np

from datagen.report.calibration import MIN_ROWS, precision


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
