"""Measures of scores, against brute force and published values."""

from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.stages.confidence.calibrate.curves import aurc, auroc, reliability, risks

ROWS = st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=7)


def columns(rows):
    scores, right = zip(*rows, strict=True)
    return np.array(scores, float), np.array(right)


def test_a_reliability_diagram_and_its_error_match_a_manual_computation():
    confidence = np.array([0.05, 0.15, 0.15, 0.95, 1.0])
    diagram = reliability(confidence, np.array([False, True, False, True, True]))
    assert diagram.rows.tolist() == [1, 2, 2]
    assert diagram.confidence == pytest.approx([0.05, 0.15, 0.975])
    assert diagram.right == pytest.approx([0, 0.5, 1])
    assert diagram.error == pytest.approx((0.05 + 2 * 0.35 + 2 * 0.025) / 5)


def test_calibration_error_is_the_overstatement_of_a_score():
    drawn = np.random.default_rng(0)
    confidence = drawn.random(200_000)
    right = drawn.random(200_000) < confidence
    assert reliability(confidence, right).error < 0.01
    assert reliability(np.full(200_000, 0.9), right).error == pytest.approx(0.4, abs=0.01)


@given(ROWS)
def test_auroc_is_the_share_of_ordered_pairs_with_ties_as_half(rows):
    scores, right = columns(rows)
    pairs = [(a > b) + (a == b) / 2 for a in scores[right] for b in scores[~right]]
    assert auroc(scores, right) == (pytest.approx(np.mean(pairs)) if pairs else None)


def test_auroc_matches_the_example_of_scikit_learn():
    assert auroc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True])) == 0.75


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=1, max_size=6))
def test_risks_are_the_mean_over_all_orders_of_ties(rows):
    scores, right = columns(rows)
    curves = []
    for order in permutations(range(len(rows))):
        if all(scores[a] >= scores[b] for a, b in pairwise(order)):
            curves.append(np.cumsum(~right[list(order)]) / np.arange(1, len(rows) + 1))
    assert risks(scores, right) == pytest.approx(np.mean(curves, axis=0))
    assert aurc(scores, right) == pytest.approx(np.mean(curves))


def test_a_perfect_score_has_no_risk_until_only_wrong_rows_remain():
    scores, right = np.array([4.0, 3, 2, 1]), np.array([True, True, False, False])
    assert risks(scores, right) == pytest.approx([0, 0, 1 / 3, 1 / 2])
    assert aurc(scores, right) < aurc(-scores, right)
