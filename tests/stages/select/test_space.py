"""Vectors of a kind in one file, and the blocks that bound how many are compared at once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.stages.select.greedy import cover
from datagen.stages.select.space import by_cover, divide, gather, nearest
from tests.support.rows import context


def rows_around(axes, each, seed=0):
    """Rows on the grid around orthogonal axes."""
    draw = np.random.default_rng(seed)
    vectors = np.zeros((axes * each, axes * 4))
    for row in range(len(vectors)):
        own = row % axes * 4
        vectors[row, own : own + 4] = np.abs([3, *draw.normal(0, 1, 3)])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return (np.rint(vectors * 2048) / 2048).astype(np.float32)


def spaced(tmp_path, vectors, order=None, parts=2):
    files = []
    for number, part in enumerate(np.array_split(vectors, parts)):
        files.append(tmp_path / f"{number}.npy")
        np.save(files[-1], part)
    order = np.arange(len(vectors)) if order is None else order
    return gather(files, order, tmp_path / "all.npy"), files


def test_vectors_are_in_draw_order_and_equal_ones_are_merged(tmp_path):
    vectors = np.array([[1, 0], [0, 1], [1, 0], [-0.0, 1], [0.5, 0.5]], np.float32)
    order = np.array([4, 2, 1, 0, 3])
    space, _ = spaced(tmp_path, vectors, order, parts=3)
    assert (space.vectors == vectors[order]).all()
    assert space.first.tolist() == [0, 1, 2]
    assert space.equals.tolist() == [0, 1, 2, 1, 2]


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 60), st.integers(2, 20), st.integers(0, 99))
def test_blocks_contain_all_rows_once(rows, most, seed):
    vectors = np.random.default_rng(seed).normal(size=(rows, 3)).astype(np.float32)
    chosen = np.arange(0, rows, 2)
    blocks = divide(vectors, chosen, most)
    assert sorted(np.concatenate(blocks)) == chosen.tolist()
    assert max(map(len, blocks)) <= most
    if rows > 2 * most:
        assert min(map(len, blocks)) >= most // 2


def test_near_rows_share_a_block():
    vectors = rows_around(4, 16)
    blocks = divide(vectors, np.arange(64), 16)
    assert len(blocks) == 4
    assert all(len(set(block % 4)) == 1 for block in blocks)


def test_blocks_of_unrelated_rows_give_the_global_choice(tmp_path):
    vectors = rows_around(4, 16)
    space, _ = spaced(tmp_path, vectors)
    ranking, gains = cover(vectors, np.ones(64))
    order, merged = by_cover(space, 16, context(), None, None, 0)
    assert merged == pytest.approx(gains)
    # The order of equal gains may differ; the gains may not.
    for kept in (4, 8, 20):
        assert merged[:kept].sum() == pytest.approx(gains[:kept].sum())
        assert sorted(order[:kept] % 4) == sorted(ranking[:kept] % 4)


def test_the_nearest_of_others_is_found_across_files(tmp_path):
    space, _ = spaced(tmp_path, rows_around(3, 5, seed=1))
    others = rows_around(3, 7, seed=2)
    paths = [tmp_path / "a.npy", tmp_path / "empty.npy", tmp_path / "b.npy"]
    for path, part in zip(paths, (others[:9], others[:0], others[9:]), strict=True):
        np.save(path, part)
    wanted = (space.vectors[space.first] @ others.T).max(axis=1)
    assert (nearest(space, paths, context()) == wanted).all()
    assert not nearest(space, [paths[1]], context()).any()
