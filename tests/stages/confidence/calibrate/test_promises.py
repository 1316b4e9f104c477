"""The promised precision holds as often as stated, and simpler methods break it."""

from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.stages.confidence.calibrate import evidence
from datagen.stages.confidence.calibrate.combination import combine, held_out
from datagen.stages.confidence.calibrate.power import labels_needed
from datagen.stages.confidence.calibrate.promises import BINS, Counts, begin, bin_of, choose, promise, steps

TARGET, SURE = 0.9, 0.9


@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.integers(1, 19))
def test_the_tail_is_the_binomial_sum(counts, twentieths):
    right, rows = counts
    p = Fraction(twentieths, 20)
    exact = sum(comb(rows, k) * p**k * (1 - p) ** (rows - k) for k in range(right, rows + 1))
    assert evidence.tail(right, rows, twentieths / 20) == pytest.approx(float(exact), rel=1e-9)


def test_thresholds_are_chosen_by_the_share_of_rows_they_keep():
    confidence = np.repeat([0.2, 0.5, 0.9], [50, 30, 20])
    counts = np.bincount(bin_of(confidence), minlength=BINS)
    thresholds, kept = steps(counts)
    assert thresholds == pytest.approx([0.9, 0.5, 0.2])
    assert kept == pytest.approx([0.2, 0.5, 1])
    assert [len(part) for part in steps(np.zeros(BINS, int))] == [0, 0]


def test_the_sequence_starts_where_training_rows_suggest_and_ends_at_the_first_failure():
    verdicts = [np.arange(rows) >= rows - right for rows, right in ((20, 20), (50, 50), (80, 79), (100, 80))]
    sizes, error = [10_000] * 4, 1 - SURE
    assert choose(1, verdicts, sizes, TARGET, error) == 2
    failed = [verdicts[0], np.arange(50) >= 10, verdicts[2], np.ones(100, bool)]
    # Neither the higher nor the lower thresholds that would pass are tested.
    assert choose(1, failed, sizes, TARGET, error) is None
    thresholds, others = np.array([0.98, 0.95, 0.8]), np.repeat([0.99, 0.96, 0.8], [20, 80, 100])
    others = others, np.arange(200) % 10 < np.repeat([10, 10, 6], [20, 80, 100])
    assert begin(others, thresholds, np.array([15, 100, 200]), TARGET, error) == 1  # 15 rows show nothing
    assert begin(others, thresholds, np.array([140, 150, 200]), TARGET, error) == 0


class Population:
    """Rows with a known truth: three scores, two of which are informative, and whether each row is right."""

    def __init__(self, rows=4000):
        drawn = np.random.default_rng(1)
        self.values = drawn.normal(size=(rows, 3))
        odds = 1.6 + 1.2 * self.values[:, 0] + 0.7 * self.values[:, 1]
        self.right = drawn.random(rows) < 1 / (1 + np.exp(-odds))

    def promised(self, labels, seed):
        """Judge some rows, make a promise, and return the precision of all rows above the threshold."""
        order = np.random.default_rng(seed).permutation(len(self.right))
        teach, check = order[: labels // 3], order[labels // 3 : labels]
        fit = combine("abc", self.values[teach], self.right[teach])
        confidence = fit(self.values)
        named = steps(np.bincount(bin_of(confidence), minlength=BINS))
        learned = held_out(self.values[teach], self.right[teach]), self.right[teach]
        made = promise(TARGET, SURE, *named, learned, (confidence[check], self.right[check]))
        return made, self.precision(confidence, made.threshold)

    def naive(self, labels, seed):
        """Choose the lowest threshold whose labelled rows reach the target, on the rows it was learned from."""
        order = np.random.default_rng(seed).permutation(len(self.right))[:labels]
        confidence = combine("abc", self.values[order], self.right[order])(self.values)
        thresholds = np.sort(confidence[order])
        counts = Counts.of(thresholds, confidence[order], self.right[order])
        reached = [
            threshold
            for threshold, rows, right in zip(thresholds, counts.rows, counts.right, strict=True)
            if right >= TARGET * rows
        ]
        return self.precision(confidence, min(reached, default=None))

    def precision(self, confidence, threshold):
        return None if threshold is None else self.right[confidence >= threshold].mean()


@pytest.mark.slow
@pytest.mark.parametrize("labels", [150, 800])
def test_resampling_breaks_the_promise_as_rarely_as_stated_unlike_a_naive_choice(labels):
    population = Population()
    assert population.right.mean() < 0.8
    made = [population.promised(labels, seed) for seed in range(200)]
    broken = sum(precision is not None and precision < TARGET for _, precision in made)
    assert broken <= (1 - SURE) * 200
    if labels == 800:
        assert sum(promised.threshold is not None for promised, _ in made) > 100  # promises are made
        assert np.mean([promised.kept for promised, _ in made if promised.kept]) > 0.3
    naive = [population.naive(labels, seed) for seed in range(200)]
    assert sum(precision is not None and precision < TARGET for precision in naive) > 0.3 * 200


def test_too_few_labels_report_how_many_are_needed():
    population = Population()
    unmet = next(unmet for seed in range(50) if (unmet := population.promised(150, seed)[0]).needed)
    assert unmet.threshold is None and unmet.needed > unmet.judged
    assert "more labels may show it" in unmet.why
    more = [population.promised(unmet.needed * 3 // 2, seed)[0] for seed in range(100, 120)]
    assert sum(made.threshold is not None for made in more) >= 12


def test_a_precision_out_of_reach_is_reported():
    drawn = np.random.default_rng(0)
    rows, right = drawn.random(400), drawn.random(400) < 0.6
    named = steps(np.bincount(bin_of(rows), minlength=BINS))
    unmet = promise(TARGET, SURE, *named, (rows[:200], right[:200]), (rows[200:], right[200:]))
    assert (unmet.threshold, unmet.needed) == (None, None)
    assert "labels are right" in unmet.why


def test_labels_needed_suffice_in_four_of_five_samples():
    error = 1 - SURE
    assert labels_needed(8, 10, 1.0, TARGET, error) is None
    assert labels_needed(5, 5, 1.0, TARGET, error) == 2 * evidence.fewest(
        TARGET, error
    )  # too few for a verdict
    near = labels_needed(960, 1000, 1.0, TARGET, error)
    drawn = np.random.default_rng(0).binomial(near, 0.96, 2000)
    passed = np.mean([evidence.passes(int(right), near, TARGET, error) for right in drawn])
    assert 0.78 < passed < 0.9
    assert labels_needed(960, 1000, 0.5, TARGET, error) == 2 * near  # every second one is above the threshold
