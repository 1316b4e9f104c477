"""The bound holds at all times together: no stopping rule and no missing verdict exceeds its error."""

from fractions import Fraction
from math import comb, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.stages.confidence.calibrate.evidence import (
    doubt,
    enough,
    evidence,
    fewest,
    lower_bound,
    passes,
    shows,
    too_few,
)

ERROR = 0.1


def population(rows, right):
    return np.arange(rows) < right


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 9).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n))))
def test_the_expected_evidence_under_the_truth_is_one(sizes):
    """Exact, over all samples: the condition of Ville's inequality."""
    rows, right, judged = sizes
    total = 0.0
    for good in range(max(0, judged - rows + right), min(judged, right) + 1):
        ways = Fraction(comb(right, good) * comb(rows - right, judged - good), comb(rows, judged))
        total += float(ways) * np.exp(evidence(population(judged, good), rows, right)[-1])
    assert total <= 1 + 1e-9
    if judged <= min(right, rows - right):  # no sample is impossible
        assert total == pytest.approx(1)


@pytest.mark.slow
@pytest.mark.parametrize("rows, right", [(60, 53), (400, 359), (4000, 3599), (400, 300)])
def test_judging_until_it_passes_keeps_the_stated_error(rows, right):
    drawn = np.random.default_rng(0)
    assert right <= too_few(rows, 0.9)
    truth = population(rows, right)
    broken = [shows(drawn.permutation(truth), rows, 0.9, ERROR) for _ in range(1000)]
    assert np.sum(broken) <= ERROR * 1000 + 3 * np.sqrt(ERROR * (1 - ERROR) * 1000)
    bounds = [lower_bound(drawn.permutation(truth), rows, ERROR) for _ in range(200)]
    assert np.mean(np.array(bounds) > right / rows) <= ERROR + 3 * np.sqrt(ERROR * (1 - ERROR) / 200)


def test_judging_all_rows_shows_their_exact_precision():
    verdicts = np.random.default_rng(0).permutation(population(200, 190))
    assert lower_bound(verdicts, 200, ERROR) == 190 / 200
    assert shows(verdicts, 200, 0.95, ERROR) and not shows(verdicts, 200, 0.951, ERROR)


def test_a_shown_precision_persists_unless_later_verdicts_contradict_it():
    lucky = np.r_[np.ones(40, bool), np.zeros(1, bool), np.ones(5, bool), np.zeros(2, bool)]
    assert shows(lucky[:40], 10_000, 0.9, ERROR)
    assert evidence(lucky, 10_000, too_few(10_000, 0.9))[-1] < log(1 / ERROR)
    assert shows(lucky, 10_000, 0.9, ERROR)  # 45 of 48
    worse = np.r_[lucky, np.zeros(4, bool)]  # 45 of 52
    assert not shows(worse, 10_000, 0.9, ERROR)
    assert lower_bound(worse, 10_000, ERROR) <= worse.mean()


def test_no_verdicts_and_a_lower_precision_show_nothing():
    none, wrong = np.zeros(0, bool), np.zeros(40, bool)
    assert not shows(none, 10_000, 0.9, ERROR) and lower_bound(none, 10_000, ERROR) == 0
    assert not shows(wrong, 10_000, 0.5, ERROR) and lower_bound(wrong, 10_000, ERROR) == 0


@given(st.lists(st.booleans(), min_size=1, max_size=80), st.data())
def test_omitting_a_right_row_never_helps(verdicts, data):
    verdicts = np.array(verdicts)
    place = data.draw(st.integers(0, len(verdicts) - 1))
    worse = verdicts.copy()
    worse[place] = False
    for precision in (0.5, 0.8, 0.9, 0.95):
        assert shows(verdicts, 300, precision, ERROR) >= shows(worse, 300, precision, ERROR)
    assert lower_bound(verdicts, 300, ERROR) >= lower_bound(worse, 300, ERROR)


def test_the_required_numbers_are_the_smallest_that_pass():
    least = fewest(0.9, ERROR)
    assert passes(least, least, 0.9, ERROR) and not passes(least - 1, least - 1, 0.9, ERROR)
    assert 22 <= least <= 28  # 22 is Clopper and Pearson's, for one look
    many = enough(200, 0.9, ERROR)
    assert passes(many, 200, 0.9, ERROR) and not passes(many - 1, 200, 0.9, ERROR)
    assert enough(5, 0.9, ERROR) == 6


def test_counts_and_ordered_verdicts_agree():
    verdicts = np.random.default_rng(1).random(150) < 0.96
    last = evidence(verdicts, 10**9, too_few(10**9, 0.9))[-1]
    assert passes(int(verdicts.sum()), 150, 0.9, np.exp(-last) * 1.001)
    assert not passes(int(verdicts.sum()), 150, 0.9, np.exp(-last) * 0.999)
    assert last > log(10)


def test_the_doubt_is_the_beta_distribution_below_the_target():
    assert doubt(0, 0, 0.9) == pytest.approx(0.9)
    assert doubt(10, 10, 0.9) == pytest.approx(0.9**11)
    share = np.linspace(0, 1, 100_001)
    density = share**45 * (1 - share) ** 5
    assert doubt(45, 50, 0.85) == pytest.approx(density[share < 0.85].sum() / density.sum(), abs=1e-4)


@pytest.mark.parametrize(("precision", "error", "least"), [(0.9, 0.1, 26), (0.9, 0.09, 28), (0.95, 0.09, 61)])
def test_as_many_right_rows_are_needed_as_the_error_demands(precision, error, least):
    rows = 10**9
    # Without a wrong row the prior's mean is the product of (19.5 + i) / (20 + i), that of the hypothesis a power.
    ratio = [np.prod((19.5 + np.arange(n)) / (20 + np.arange(n))) / precision**n for n in (least - 1, least)]
    assert ratio[0] < 1 / error <= ratio[1]
    assert not shows(np.ones(least - 1, bool), rows, precision, error)
    assert shows(np.ones(least, bool), rows, precision, error)
