"""Statistics of a text that are computed once and shared by checks."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.stages.shared.checks.text_statistics import (
    SCRIPTS,
    CodedWords,
    lexical_diversity,
    longest_loop,
    script_counts,
    word_counts,
)


@pytest.mark.parametrize(
    "text, words",
    [
        ("a b a b a b", 6),
        ("The cat sat. The cat sat. The cat sat", 9),  # signs around words and case do not matter
        ("no no no", 3),
        ("a b a b", 0),  # two repetitions are not a loop
        ("first x y x y x y last", 6),
        ("中国中国中国", 6),
        ("| --- | --- | --- | --- |", 0),  # signs alone
        ("", 0),
        (None, 0),
    ],
)
def test_longest_loop(text, words):
    assert loops(pa.array([text], pa.string())).tolist() == [words]


def test_a_loop_does_not_continue_in_the_next_text():
    assert loops(pa.array(["a a", "a a", "a b c"])).tolist() == [0, 0, 0]


def test_word_counts_include_characters_of_scripts_without_spaces():
    texts = pa.array(["two words", "巴黎 is 大", "a\nb\tc  d", "", None, "ไทย"])
    assert word_counts(texts).tolist() == [2, 4, 4, 0, 0, 3]


def test_letters_are_counted_by_script():
    counts = script_counts(pa.array(["ab, 12!", "Привет, world", "東京タワー", "한국어 αβ", None]))
    named = [{SCRIPTS[at]: int(count) for at, count in enumerate(row) if count} for row in counts]
    assert named == [
        {"LATIN": 2},
        {"LATIN": 5, "CYRILLIC": 6},
        {"CJK": 4},  # the long-vowel mark belongs to no script
        {"GREEK": 2, "HANGUL": 3},
        {},
    ]


def loops(texts):
    return longest_loop(CodedWords.of(texts))


@pytest.mark.slow
@given(st.lists(st.one_of(st.none(), st.text(max_size=30)), max_size=8))
def test_texts_are_measured_independently(texts):
    for measure in (loops, word_counts, script_counts):
        together = measure(pa.array(texts, pa.string()))
        apart = [measure(pa.array([text], pa.string()))[0] for text in texts]
        assert len(together) == len(texts)
        assert all(np.array_equal(left, right) for left, right in zip(together, apart, strict=True))


@pytest.mark.parametrize(
    "text, share",
    [
        ("one two three four", 1.0),
        ("one two one two", 2 / 3),
        ("one two three one one one", (1 + 1 + 2 / 3 + 1 / 3) / 4),
        ("no, no. No!", 1 / 3),
        ("a b", 1.0),
        ("a a", 0.5),
    ],
)
def test_lexical_diversity_in_a_moving_window(text, share):
    assert lexical_diversity(CodedWords.of(pa.array([text])), window=3).tolist() == [pytest.approx(share)]


def test_without_words_there_is_no_diversity():
    assert np.isnan(lexical_diversity(CodedWords.of(pa.array(["", " ", None], pa.string())))).all()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.sampled_from("abc"), max_size=9), max_size=4), st.integers(1, 5))
def test_diversity_is_the_mean_over_all_windows(texts, window):
    def plain(words):
        size = min(window, len(words))
        shares = [len(set(words[at : at + size])) / size for at in range(len(words) - size + 1)]
        return pytest.approx(sum(shares) / len(shares))

    shares = lexical_diversity(
        CodedWords.of(pa.array([" ".join(words) for words in texts], pa.string())), window
    ).tolist()
    assert all(
        np.isnan(share) if not words else share == plain(words)
        for words, share in zip(texts, shares, strict=True)
    )
