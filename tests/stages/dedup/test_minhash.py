"""Bands and rows as published, and buckets that stay small."""

import numpy as np
import pytest

from datagen.stages.dedup.minhash import bands_and_rows, candidates, found, signatures


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


def test_signatures_estimate_jaccard_whatever_the_order_and_repetitions():
    members = np.arange(1, 301, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    one, other = members[:200], members[50:250]  # 150 of 250 shared
    sets = np.concatenate([one, other, one[::-1], one[:10]])
    sketches = signatures(sets, np.array([200, 200, 210]), 1024)
    assert np.mean(sketches[0] == sketches[1]) == pytest.approx(0.6, abs=0.06)
    assert (sketches[0] == sketches[2]).all()


def test_a_bucket_of_many_gives_few_pairs_and_each_the_best():
    sketches = np.tile(np.arange(16, dtype=np.uint32), (2000, 1))
    first, second = candidates(sketches, np.zeros(2000, np.uint64), 4, 4, neighbours=8)
    assert len(first) < 2000 * 10
    assert set(second[first == 0].tolist()) == set(range(1, 2000))
    assert (first < second).all()
    assert len(np.unique(first * 2000 + second)) == len(first)


def test_scopes_are_kept_apart():
    sketches = np.zeros((6, 8), np.uint32)
    first, second = candidates(sketches, np.array([1, 2, 1, 2, 3, 1], np.uint64), 2, 4, neighbours=8)
    assert sorted(zip(first.tolist(), second.tolist(), strict=True)) == [(0, 2), (0, 5), (1, 3), (2, 5)]


@pytest.mark.parametrize("count", [0, 1])
def test_nothing_to_pair(count):
    first, second = candidates(
        np.zeros((count, 8), np.uint32), np.zeros(count, np.uint64), 2, 4, neighbours=8
    )
    assert not len(first) and not len(second)
