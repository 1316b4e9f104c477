"""The effect of an arm: coverage of its interval, and what follows from it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.evaluate.prove.effect import bootstrap, decide, p_gold

WORTH = 0.03


def test_p_gold_is_a_probability_among_the_choices():
    assert p_gold([0.0, 0.0, 0.0, 0.0]) == 0.25
    assert p_gold([np.log(0.6), np.log(0.2), np.log(0.1), np.log(0.1)]) == pytest.approx(0.6)
    assert p_gold([np.log(0.2), np.log(0.7), np.log(0.1)]) == pytest.approx(0.2)
    assert p_gold([-5000.0, -5001.0]) == pytest.approx(1 / (1 + np.exp(-1)))


@given(st.lists(st.floats(-500, 0), min_size=2, max_size=6), st.floats(-300, 300))
def test_a_shift_of_all_choices_does_not_change_p_gold(sums, shift):
    assert p_gold([value + shift for value in sums]) == pytest.approx(p_gold(sums))


def test_intervals_cover_the_truth_with_passages_and_seeds_that_vary():
    random, covered, passages, per_passage, seeds = np.random.default_rng(1), 0, 30, 5, 4
    for _ in range(200):
        effect = random.normal(0, 0.1, (1, passages, 1)) + random.normal(0, 0.02, (seeds, 1, 1))
        measured = (0.05 + effect + random.normal(0, 0.3, (seeds, passages, per_passage))).reshape(seeds, -1)
        names = [f"p{n // per_passage}" for n in range(passages * per_passage)]
        low, high, _ = bootstrap(measured, names, 500)
        covered += low <= 0.05 <= high
    assert 0.89 * 200 <= covered <= 0.99 * 200


def test_items_of_one_passage_do_not_count_as_independent():
    random = np.random.default_rng(2)
    by_passage = np.repeat(random.normal(0, 0.3, 20), 10)[None, :]
    names = [f"p{n // 10}" for n in range(200)]
    together = bootstrap(by_passage, names)
    apart = bootstrap(by_passage, [str(n) for n in range(200)])
    assert together[1] - together[0] > 2 * (apart[1] - apart[0])


def test_seeds_that_disagree_widen_the_interval():
    names = [f"p{n // 5}" for n in range(100)]
    agreeing = np.full((2, 100), 0.1) + np.random.default_rng(0).normal(0, 0.1, (1, 100))
    disagreeing = agreeing + np.array([[0.1], [-0.1]])
    assert bootstrap(disagreeing, names)[0] < bootstrap(agreeing, names)[0] - 0.05


@pytest.mark.parametrize(
    ("mean", "spread", "count", "expected"),
    [(0.1, 0.2, 300, "helps"), (-0.1, 0.2, 300, "does not help"), (0.0, 0.1, 900, "does not help"),
     (0.01, 0.35, 60, "cannot tell"), (0.4, 0.1, 20, "cannot tell")],
)  # fmt: skip
def test_the_verdict_follows_from_the_interval(mean, spread, count, expected):
    measured = np.random.default_rng(3).normal(mean, spread, (1, count))
    names = [f"p{n // 5}" for n in range(count)]
    *_, outcome, more = decide(measured, names, WORTH)
    assert outcome == expected
    assert (more > 0) == (expected == "cannot tell")


def test_the_detectable_gain_is_found_in_four_of_five_experiments():
    random, passages, seeds = np.random.default_rng(4), 100, 1
    names = [str(n) for n in range(passages)]
    _, _, _, gain, *_ = decide(random.normal(0, 0.3, (seeds, passages)), names, WORTH)
    assert gain == pytest.approx(2.8 * 0.3 / passages**0.5, rel=0.2)
    found = [
        decide(random.normal(gain, 0.3, (seeds, passages)), names, WORTH)[4] == "helps" for _ in range(60)
    ]
    assert 0.6 < np.mean(found) < 0.95


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(12, 60), st.floats(-0.02, 0.05))
def test_the_missing_items_suffice_for_a_verdict(seed, passages, mean):
    sample = np.random.default_rng(seed).normal(mean, 0.3, (1, passages * 5))
    names = [f"p{n // 5}" for n in range(passages * 5)]
    *_, outcome, more = decide(sample, names, WORTH)
    if outcome == "cannot tell":
        copies = round(1.1 * (1 + more / len(names))) + 1  # a tenth for the noise of the bootstrap
        larger = np.tile(sample, copies)
        assert decide(larger, [f"{name}-{n}" for n in range(copies) for name in names], WORTH)[4] != outcome
        fewer = np.tile(sample, max(1, copies // 4))
        low, high, _ = bootstrap(fewer, [f"{name}-{n}" for n in range(max(1, copies // 4)) for name in names])
        assert high - low > WORTH


def test_without_items_there_is_no_effect_and_many_are_missing():
    effect, low, high, _, outcome, more = decide(np.zeros((1, 0)), [], WORTH)
    assert (effect, low, high, outcome) == (0, 0, 0, "cannot tell") and more > 1_000
