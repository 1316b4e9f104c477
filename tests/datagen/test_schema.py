"""Draws by hash."""

from hypothesis import given
from hypothesis import strategies as st

from datagen.schema import fraction, fractions

TEXTS = st.text(st.characters(exclude_categories=()), max_size=20)  # with unpaired surrogates


@given(st.lists(TEXTS, max_size=3), st.lists(TEXTS, max_size=5))
def test_many_draws_are_the_same_as_single_ones(before, names):
    assert fractions(before, names) == [fraction(*before, name) for name in names]
