"""ROUGE-L F1 of one pair, and of many at once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.stages.shared.similarity.rouge import rouge_l, rouge_l_of_pairs

TEXT = st.text("abcd", max_size=8)


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1))
def test_pairs_score_as_they_do_alone(pairs):
    first, second = zip(*pairs, strict=True)
    assert rouge_l_of_pairs(first, second).tolist() == pytest.approx([rouge_l(*pair) for pair in pairs])


def test_the_score_is_the_share_of_words_in_common_in_order():
    assert rouge_l(["the", "cat", "sat"], ["the", "cat", "ran", "sat"]) == pytest.approx(6 / 7)
    assert rouge_l(["a", "b"], ["b", "a"]) == 0.5
    assert rouge_l([], ["a"]) == rouge_l([], []) == 0.0
