"""The measures against their definitions, computed with sets and lists."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from datagen.stages.shared.language.columns import words
from datagen.stages.shared.similarity.alike import SHINGLE, Texts, compare
from datagen.stages.shared.similarity.meaning import as_written
from datagen.stages.shared.similarity.plain import plain

VOCABULARY = ["badan", "kofer", "milim", "tunor", "repas", "lodan", "7", "not", "Name"]
CUT = st.lists(st.sampled_from(VOCABULARY), max_size=9)


def texts_of(*texts):
    column = plain(pa.array(texts))
    return Texts.of(words(column, cased=True), as_written(column))


def measure(left, right, long_from, least=0.0):
    texts = texts_of(" ".join(left), "between", " ".join(right))
    similarity, long = compare(texts, np.array([0]), np.array([2]), long_from, least, least)
    return similarity[0], long[0]


def is_within(short, long):
    rest = iter(long)
    return all(word in rest for word in short)


def say_the_same(left, right):
    """Compare the critical words in order; a name that starts both texts may be an ordinary word."""
    critical = [[word for word in text if word in ("7", "not")] for text in (left, right)]
    named = any("Name" in text[1:] for text in (left, right))
    names = [[word for word in text if word == "Name"] for text in (left, right)]
    return critical[0] == critical[1] and (not named or names[0] == names[1])


@given(CUT, CUT)
def test_short_texts(left, right):
    similarity, long = measure(left, right, long_from=100)
    short, longer = sorted((left, right), key=len)
    expected = 0.0
    if is_within(short, longer) and say_the_same(left, right):
        expected = 2 * len(short) / (len(short) + len(longer)) if longer else 1.0
    assert not long and np.isclose(similarity, expected)


@given(CUT.filter(lambda text: len(text) >= SHINGLE), CUT.filter(lambda text: len(text) >= SHINGLE))
def test_long_texts(left, right):
    similarity, long = measure(left, right, long_from=SHINGLE)
    sets = [{tuple(text[n : n + SHINGLE]) for n in range(len(text) - SHINGLE + 1)} for text in (left, right)]
    expected = len(sets[0] & sets[1]) / len(sets[0] | sets[1])
    if all(
        any(one.count(word) > 1 and word not in other for word in one)
        for one, other in ((left, right), (right, left))
    ) or not say_the_same(left, right):
        expected = 0
    assert long and np.isclose(similarity, expected)


@given(CUT, CUT, st.floats(0, 1))
def test_pairs_below_the_threshold_have_similarity_zero(left, right, least):
    free, _ = measure(left, right, long_from=100)
    bound, _ = measure(left, right, 100, least)
    assert bound == (free if free >= least else 0)
