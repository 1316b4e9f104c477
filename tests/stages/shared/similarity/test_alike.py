"""The measures against their definitions, computed with sets and lists."""

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.stages.shared.language.columns import words
from datagen.stages.shared.similarity.alike import SHINGLE, Texts, compare

VOCABULARY = [*"abcdef", "7", "not"]
CUT = st.lists(st.sampled_from(VOCABULARY), max_size=9)


def measure(left, right, long_from, least=0.0):
    texts = Texts.of([words(pa.array([" ".join(left), "between", " ".join(right)]))])
    similarity, long = compare(texts, np.array([0]), np.array([2]), long_from, least, least)
    return similarity[0], long[0]


def is_within(short, long):
    rest = iter(long)
    return all(word in rest for word in short)


@settings(deadline=None)
@given(CUT, CUT)
def test_short_texts(left, right):
    similarity, long = measure(left, right, long_from=100)
    short, longer = sorted((left, right), key=len)
    telling = [[word for word in text if word in ("7", "not")] for text in (left, right)]
    expected = 0.0
    if is_within(short, longer) and len(telling[0]) == len(telling[1]):
        expected = 2 * len(short) / (len(short) + len(longer)) if longer else 1.0
    assert not long and np.isclose(similarity, expected)


@settings(deadline=None)
@given(CUT.filter(lambda text: len(text) >= SHINGLE), CUT.filter(lambda text: len(text) >= SHINGLE))
def test_long_texts(left, right):
    similarity, long = measure(left, right, long_from=SHINGLE)
    sets = [{tuple(text[n : n + SHINGLE]) for n in range(len(text) - SHINGLE + 1)} for text in (left, right)]
    expected = len(sets[0] & sets[1]) / len(sets[0] | sets[1])
    if all(
        any(one.count(word) > 1 and word not in other for word in one)
        for one, other in ((left, right), (right, left))
    ):
        expected = 0
    assert long and np.isclose(similarity, expected)


@settings(deadline=None)
@given(CUT, CUT, st.floats(0, 1))
def test_below_the_least_nothing_is_alike(left, right, least):
    free, _ = measure(left, right, long_from=100)
    bound, _ = measure(left, right, 100, least)
    assert bound == (free if free >= least else 0)
