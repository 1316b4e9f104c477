"""Bins of histograms."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from datagen.report import bins

FINITE = st.floats(-1e9, 1e9)


@given(st.lists(FINITE, min_size=1))
def test_every_finite_value_is_in_a_bin_and_names_are_unique(values):
    array = np.array(values)
    edges = bins.edges(array.min(), array.max())
    assert bins.count(array, edges).sum() == len(values)
    assert (np.diff(edges) > 0).all() and len(edges) < 60
    assert len(set(bins.names(edges))) == len(edges) - 1


def test_shares_lengths_and_others():
    assert len(bins.edges(0.1, 0.9)) == 21 and bins.edges(0, 1)[-1] == 1
    assert bins.edges(1, 100).tolist() == [1, 2, 4, 8, 16, 32, 64, 128]
    assert bins.edges(0, 30).tolist()[:3] == [0, 1, 2]
    assert bins.names(bins.edges(-0.7, -0.02))[:3] == ["-0.7", "-0.65", "-0.6"]


def test_values_that_are_not_finite_are_excluded():
    values = np.array([np.nan, np.inf, -np.inf, 0.5])
    assert bins.span(values) == (0.5, 0.5)
    assert bins.count(values, bins.edges(0, 1)).sum() == 1
    assert bins.span(np.array([np.nan])) is None
