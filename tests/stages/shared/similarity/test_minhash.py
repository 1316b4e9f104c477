"""Bands and rows as published, and buckets with few pairs."""

import numpy as np
import pytest

from datagen.stages.shared.similarity.minhash import (
    band_keys,
    bands_and_rows,
    found,
    in_buckets,
    repeated,
    signatures,
)


@pytest.mark.parametrize(
    ("permutations", "threshold", "shape"),
    [
        (256, 0.7, (25, 10)),
        (256, 0.8, (17, 15)),
        (240, 0.7, (24, 10)),
        (128, 0.8, (9, 13)),
        (128, 0.5, (25, 5)),
    ],
)
def test_published_bands_and_rows(permutations, threshold, shape):
    assert bands_and_rows(threshold, permutations, missed=0.5) == shape


@pytest.mark.parametrize(
    ("shape", "at_70", "at_80"),
    [((14, 8), 0.565, 0.924), ((24, 10), 0.497, 0.935), ((20, 13), 0.177, 0.677), ((450, 20), 0.302, 0.995)],
)
def test_published_probabilities(shape, at_70, at_80):
    assert found(0.7, *shape) == pytest.approx(at_70, abs=0.001)
    assert found(0.8, *shape) == pytest.approx(at_80, abs=0.001)


def test_signatures_estimate_jaccard_independent_of_order_and_repetitions():
    members = np.arange(1, 301, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    left, other = members[:200], members[50:250]  # 150 of 250 shared
    sets = np.concatenate([left, other, left[::-1], left[:10]])
    sketches = signatures(sets, np.array([200, 200, 210]), 1024)
    assert np.mean(sketches[0] == sketches[1]) == pytest.approx(0.6, abs=0.06)
    assert (sketches[0] == sketches[2]).all()


def test_a_large_bucket_gives_few_pairs_and_pairs_each_set_with_the_best():
    rank = np.random.default_rng(0).permutation(2000)
    left, right = in_buckets(np.zeros(2000, np.uint64), np.zeros(2000, np.uint64), rank, neighbours=8)
    assert len(left) < 2000 * 10
    best = np.flatnonzero(rank == 0)[0]
    assert {*right[left == best].tolist(), *left[right == best].tolist()} == {*range(2000)} - {best}
    assert (left != right).all()


def test_sets_of_a_bucket_that_agree_in_the_next_band_are_paired():
    following = np.tile(np.arange(50, dtype=np.uint64), 2)
    left, right = in_buckets(np.zeros(100, np.uint64), following, np.arange(100), neighbours=1)
    assert {(n, n + 50) for n in range(50)} <= set(zip(left.tolist(), right.tolist(), strict=True))


def test_scopes_are_separate():
    scopes = np.array([1, 2, 1, 2, 3, 1], np.uint64)
    for key in band_keys(np.zeros((6, 8), np.uint32), scopes, 2, 4):
        assert len(np.unique(key)) == 3 and len({*key[[0, 2, 5]]}) == len({*key[[1, 3]]}) == 1


def test_permuted_numbers_give_another_key():
    sketches = np.array([[1, 2, 3, 4], [2, 1, 3, 4], [3, 4, 1, 2]], np.uint32)
    one, other = band_keys(sketches, np.zeros(3, np.uint64), 2, 2)
    assert len({*one}) == 3 and other[0] == other[1]
    assert not {*one} & {*other}  # the same numbers in another band


@pytest.mark.parametrize("count", [0, 1])
def test_nothing_to_pair(count):
    none = np.zeros(count, np.uint64)
    left, right = in_buckets(none, none, np.arange(count), neighbours=8)
    assert not len(left) and not len(right)
    assert not len(repeated(none))
