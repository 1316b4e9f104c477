import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.stages.text.surface import SCRIPTS, longest_loop, script_counts, word_counts


@pytest.mark.parametrize(
    "text, words",
    [
        ("a b a b a b", 6),
        ("The cat sat. The cat sat. The cat sat", 9),  # signs around words and case do not matter
        ("no no no", 3),
        ("a b a b", 0),  # said twice is no loop
        ("first x y x y x y last", 6),
        ("中国中国中国", 6),
        ("| --- | --- | --- | --- |", 0),  # signs alone
        ("", 0),
        (None, 0),
    ],
)
def test_measures_the_longest_loop(text, words):
    assert longest_loop(pa.array([text], pa.string())).tolist() == [words]


def test_a_loop_does_not_reach_into_the_next_text():
    assert longest_loop(pa.array(["a a", "a a", "a b c"])).tolist() == [0, 0, 0]


def test_counts_words_and_the_characters_of_scripts_without_spaces():
    texts = pa.array(["two words", "巴黎 is 大", "a\nb\tc  d", "", None, "ไทย"])
    assert word_counts(texts).tolist() == [2, 4, 4, 0, 0, 3]


def test_counts_letters_by_script():
    counts = script_counts(pa.array(["ab, 12!", "Привет, world", "東京タワー", "한국어 αβ", None]))
    named = [{SCRIPTS[at]: int(count) for at, count in enumerate(row) if count} for row in counts]
    assert named == [
        {"LATIN": 2},
        {"LATIN": 5, "CYRILLIC": 6},
        {"CJK": 4},  # the long-vowel mark belongs to no script
        {"GREEK": 2, "HANGUL": 3},
        {},
    ]


@settings(deadline=None)
@given(st.lists(st.one_of(st.none(), st.text(max_size=30)), max_size=8))
def test_each_text_is_measured_by_itself(texts):
    for measure in (longest_loop, word_counts, script_counts):
        together = measure(pa.array(texts, pa.string()))
        apart = [measure(pa.array([text], pa.string()))[0] for text in texts]
        assert len(together) == len(texts)
        assert all(np.array_equal(one, other) for one, other in zip(together, apart, strict=True))
