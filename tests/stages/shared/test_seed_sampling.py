"""Seeds of a prompt: k distinct ones with the leading one, drawn evenly, and stable under new seeds."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.stages.shared.seed_sampling import sample_seeds

POOL = [f"seed {number}" for number in range(80)]


@given(st.sets(st.text(max_size=3), min_size=1, max_size=12), st.integers(0, 3), st.integers(1, 6), st.data())
def test_a_prompt_shows_k_distinct_seeds_of_the_pool(pool, number, k, data):
    first = data.draw(st.sampled_from(sorted(pool)))
    shown = sample_seeds(sorted(pool), first, number, k, 0)
    assert first in shown and len(set(shown)) == len(shown) == min(k, len(pool)) and set(shown) <= pool
    assert shown == sample_seeds(sorted(pool, reverse=True), first, number, k, 0)


@pytest.mark.slow
def test_draws_are_even_and_differ_by_prompt_and_seed():
    prompts = [(first, number) for first in POOL for number in range(50)]
    drawn = Counter(one for first, number in prompts for one in sample_seeds(POOL, first, number, 3, 0))
    assert min(drawn.values()) > 100 and max(drawn.values()) < 200  # 150 each: 50 as the first
    places = Counter(sample_seeds(POOL, first, number, 3, 0).index(first) for first, number in prompts)
    assert len(places) == 3 and min(places.values()) > 1100
    one, other, reseeded = (
        [sample_seeds(POOL, first, number, 3, seed) for first in POOL]
        for number, seed in ((0, 0), (1, 0), (0, 1))
    )
    assert sum(left == right for left, right in zip(one, other, strict=True)) < 3
    assert sum(left == right for left, right in zip(one, reseeded, strict=True)) < 3


def test_a_new_seed_changes_few_prompts():
    before, after = (
        [set(sample_seeds(pool, first, 0, 3, 0)) for first in POOL] for pool in (POOL, [*POOL, "new"])
    )
    assert sum(left != right for left, right in zip(before, after, strict=True)) < 8
