"""Scores become a probability: calibrated, better than each score, and correct for nulls."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.stages.confidence.calibrate.combination import combine, held_out, isotonic
from datagen.stages.confidence.calibrate.curves import auroc, reliability

NAMES = ("p_true", "logprob")


def planted(rows, seed=0):
    """Create two scores that each determine half of the truth, and the truth."""
    drawn = np.random.default_rng(seed)
    values = drawn.normal(size=(rows, 2)) * [1, 5] + [0, -20]
    odds = 1 + 1.5 * values[:, 0] + 0.3 * (values[:, 1] + 20)
    return values, drawn.random(rows) < 1 / (1 + np.exp(-odds))


@pytest.mark.parametrize("way", ["logistic", "isotonic"])
def test_the_combination_is_calibrated_and_ranks_better_than_each_score(way):
    fit = combine(NAMES, *planted(600), way)
    values, right = planted(20_000, seed=1)
    confidence = fit(values)
    assert reliability(confidence, right).error < 0.04
    assert auroc(confidence, right) > max(auroc(values[:, n], right) for n in (0, 1)) + 0.03


def test_calibration_error_falls_on_held_out_rows():
    """As in CASENT: the raw score is overconfident; its calibration is learned from one split only."""
    drawn = np.random.default_rng(3)
    odds = drawn.normal(size=(3000, 1)) + 0.5
    right = drawn.random(3000) < 1 / (1 + np.exp(-odds[:, 0]))
    raw = 1 / (1 + np.exp(-4 * odds))
    fit = combine(["p_true"], raw[:500], right[:500])
    before = reliability(raw[500:, 0], right[500:]).error
    assert reliability(fit(raw[500:]), right[500:]).error < before / 2
    assert (np.diff(fit(np.sort(raw, axis=0))) >= 0).all()


def test_a_missing_score_counts_as_the_labels_support():
    values, right = planted(2000)
    values[:1000, 0] = np.nan
    right[:1000] = np.random.default_rng(5).random(1000) < 0.2
    order = np.random.default_rng(6).permutation(2000)
    fit = combine(NAMES, values[order], right[order])
    assert np.median(fit(values[:1000])) < 0.35 < np.median(fit(values[1000:]))
    assert fit(np.full((1, 2), np.nan)) < 0.35


def test_a_score_that_is_always_null_changes_nothing_and_infinite_ones_are_finite():
    values, right = planted(300)
    with_null = np.column_stack([values, np.full(300, np.nan)])
    assert combine([*NAMES, "none"], with_null, right)(with_null) == pytest.approx(
        combine(NAMES, values, right)(values), abs=0.01
    )
    assert np.isfinite(combine(NAMES, values, right)(np.array([[-np.inf, 1.0], [np.inf, -1e300]]))).all()


@pytest.mark.parametrize("share", [0.06, 0.3, 0.9])
def test_scores_that_mislead_on_held_out_rows_do_not_shift_the_mean(share):
    """With few labels a useless score may rank held-out rows the wrong way round."""
    for seed in range(20):
        drawn = np.random.default_rng(seed)
        values, right = drawn.normal(size=(50, 4)), np.arange(50) < share * 50
        drawn.shuffle(right)
        assert combine("abcd", values, right)(values).mean() == pytest.approx(right.mean(), abs=0.06)


@pytest.mark.parametrize("way", ["logistic", "isotonic"])
@pytest.mark.parametrize("right", [True, False])
def test_labels_of_one_verdict_do_not_give_certainty(way, right):
    values, _ = planted(30)
    confidence = combine(NAMES, values, np.full(30, right))(values)
    assert (confidence > 0.9).all() if right else (confidence < 0.1).all()
    if way == "logistic":
        assert ((confidence > 0) & (confidence < 1)).all()


def test_held_out_probabilities_exclude_the_row_itself():
    """Random scores look useful on the rows they were learned from, and useless on others."""
    drawn = np.random.default_rng(7)
    values, right = drawn.normal(size=(60, 20)), drawn.random(60) < 0.5
    names = [str(number) for number in range(20)]
    assert auroc(combine(names, values, right)(values), right) > 0.8
    assert auroc(held_out(values, right), right) < 0.65


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=1, max_size=12))
def test_isotonic_is_the_best_monotone_fit(rows):
    scores, right = (np.array(column, float) for column in zip(*rows, strict=True))
    points, fitted = isotonic(scores, right)
    assert (np.diff(fitted) >= 0).all()
    predicted = np.interp(scores, points, fitted)
    assert predicted.mean() == pytest.approx(right.mean())
    drawn = np.random.default_rng(0)
    for _ in range(50):  # any monotone step away from it
        other = np.maximum.accumulate(fitted + drawn.normal(scale=0.1, size=len(fitted)))
        assert ((np.interp(scores, points, other) - right) ** 2).sum() >= (
            (predicted - right) ** 2
        ).sum() - 1e-9
