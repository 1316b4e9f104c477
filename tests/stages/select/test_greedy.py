"""Facility location and vote-k: greedy choice, against the plain definitions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from datagen.stages.select.greedy import cover, cover_pairs, vote

STEPS = 64


@st.composite
def spaces(draw, most=12):
    """Rows on a grid, so that sums of their products are exact; zeros and ones create many ties."""
    rows = draw(st.integers(1, most))
    return draw(arrays(np.float32, (rows, 4), elements=st.integers(-STEPS, STEPS))) / STEPS


def covered_by(vectors, weights, chosen, had=0.0, wanted=np.inf, floor=0.0):
    alike = np.minimum((vectors @ vectors.T).astype(np.float64), np.broadcast_to(wanted, len(vectors)))
    alike, had = (np.where(values < floor, 0, values) for values in (alike, np.asarray(had)))
    reached = np.maximum(np.max(alike[list(chosen)], axis=0, initial=0.0), had)
    return float(((reached - had) * weights).sum())


BOUNDS = st.sampled_from([None, 0.0, 0.25, 1.0])


@given(spaces(), BOUNDS, BOUNDS, st.sampled_from([0.0, 0.5]), st.data())
def test_cover_is_the_greedy_choice_of_a_monotone_function(vectors, had, wanted, floor, data):
    count = len(vectors)
    weights = np.array(data.draw(st.lists(st.integers(1, 3), min_size=count, max_size=count)), float)
    had, wanted = (None if bound is None else np.full(count, bound, np.float32) for bound in (had, wanted))
    order, gains = cover(vectors, weights, had, wanted, floor)
    assert sorted(order) == list(range(count))
    assert (gains >= 0).all() and (np.diff(gains) <= 0).all()
    bounds = {
        "had": 0.0 if had is None else had,
        "wanted": np.inf if wanted is None else wanted,
        "floor": floor,
    }

    def value(chosen):
        return covered_by(vectors, weights, chosen, **bounds)

    for step, (row, gain) in enumerate(zip(order, gains, strict=True)):
        before = order[:step].tolist()
        assert gain == pytest.approx(value([*before, row]) - value(before), abs=1e-9)
        best = max(value([*before, other]) for other in range(count) if other not in before)
        assert value([*before, row]) == pytest.approx(best, abs=1e-9)


@settings(max_examples=50, deadline=None)
@given(spaces(), st.data())
def test_a_duplicate_gains_nothing(vectors, data):
    copied = data.draw(st.integers(0, len(vectors) - 1))
    doubled = np.concatenate([vectors, vectors[[copied]]])
    order, gains = cover(doubled, np.ones(len(doubled)))
    later = max(np.flatnonzero(order == copied)[0], np.flatnonzero(order == len(vectors))[0])
    assert gains[later] == 0


def test_covered_rows_gain_nothing():
    vectors = np.eye(4, dtype=np.float32)
    order, gains = cover(vectors, np.ones(4), covered=np.array([0, 1, 0, 0], np.float32))
    assert order[-1] == 1 and gains.tolist() == [1, 1, 1, 0]


def test_only_wanted_rows_gain():
    vectors = np.eye(3, dtype=np.float32)
    order, gains = cover(vectors, np.ones(3), wanted=np.array([0.2, 0.9, 0], np.float32))
    assert order.tolist() == [1, 0, 2] and gains == pytest.approx([0.9, 0.2, 0])


@st.composite
def pairs(draw, most=8):
    """Rows, and some pairs of them: helped, example, utility."""
    count = draw(st.integers(1, most))
    row = st.integers(0, count - 1)
    some = draw(st.dictionaries(st.tuples(row, row), st.floats(0, 1), max_size=30))
    helped, example = (np.array([pair[side] for pair in some], np.int64) for side in (0, 1))
    return count, helped, example, np.array(list(some.values()))


@given(pairs(), BOUNDS, BOUNDS, st.randoms(use_true_random=False))
def test_cover_pairs_is_the_greedy_choice_for_any_order_of_the_pairs(given_pairs, had, wanted, random):
    count, helped, example, utility = given_pairs
    had, wanted = (None if bound is None else np.full(count, bound) for bound in (had, wanted))
    order, gains = cover_pairs(count, helped, example, utility, had, wanted)
    assert sorted(order) == list(range(count))
    assert (gains >= 0).all() and (np.diff(gains) <= 0).all()
    helps = np.zeros((count, count))
    helps[helped, example] = utility
    floor = np.zeros(count) if had is None else had

    def value(chosen):
        best = np.max(helps[:, list(chosen)], axis=1, initial=0.0)
        best = best if wanted is None else np.minimum(best, wanted)
        return float(np.maximum(best - floor, 0).sum())

    for step, (row, gain) in enumerate(zip(order, gains, strict=True)):
        before = order[:step].tolist()
        assert gain == pytest.approx(value([*before, row]) - value(before), abs=1e-9)
        best = max(value([*before, other]) for other in range(count) if other not in before)
        assert value([*before, row]) == pytest.approx(best, abs=1e-9)
    mixed = np.array(random.sample(range(len(helped)), len(helped)), np.int64)
    again = cover_pairs(count, helped[mixed], example[mixed], utility[mixed], had, wanted)
    assert (again[0] == order).all() and (again[1] == gains).all()


def test_an_example_no_better_than_an_earlier_one_gains_nothing():
    helped, example, utility = (
        np.array([0, 1, 0, 1, 2]),
        np.array([0, 0, 1, 1, 2]),
        np.array([0.9, 0.5, 0.5, 0.9, 0.7]),
    )
    order, gains = cover_pairs(3, helped, example, utility, np.array([0.9, 0.5, 0.0]))
    assert order.tolist() == [2, 1, 0] and gains == pytest.approx([0.7, 0.4, 0])


def clusters(sizes, spread, seed=0):
    """Rows around one axis per cluster."""
    draw = np.random.default_rng(seed)
    of = np.repeat(np.arange(len(sizes)), sizes)
    vectors = np.eye(len(sizes), 16)[of] + draw.normal(0, spread, (len(of), 16))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), of


def test_every_cluster_is_chosen_before_any_repeats():
    vectors, of = clusters([30] * 6, 0.05)
    order, votes = vote(vectors, np.ones(len(of)), 20, 10)
    assert sorted(of[order[:6]]) == list(range(6))
    random = np.random.default_rng(1)
    assert not any(len(set(random.choice(of, 6, replace=False))) == 6 for _ in range(20))
    assert votes[0] == max(
        np.bincount(np.argsort(-(vectors @ vectors.T) + 2 * np.eye(180), axis=1)[:, :20].ravel())
    )


@settings(max_examples=50, deadline=None)
@given(spaces(20), st.integers(1, 30))
def test_votes_never_increase_and_rows_are_unique(vectors, neighbours):
    order, votes = vote(vectors, np.ones(len(vectors)), neighbours, 10)
    assert sorted(order) == list(range(len(vectors)))
    assert (votes >= 0).all() and (np.diff(votes) <= 0).all()


def test_a_successful_vote_weighs_a_tenth():
    # Rows 1 and 2 vote for 0 and 0 for 1; once 0 is taken, its voters weigh 0.1, and its own vote is removed.
    vectors = np.array([[1, 0], [0.9, 0.1], [0.8, -0.3]], np.float32)
    order, votes = vote(vectors, np.ones(3), 1, 10)
    assert order.tolist() == [0, 1, 2] and votes.tolist() == [2, 0, 0]
    order, votes = vote(vectors, np.ones(3), 2, 10)
    assert votes == pytest.approx([2, 0.1, 0])
