"""Words that were replaced in long texts."""

import random

import numpy as np
import pyarrow as pa
import pytest

from datagen.stages.shared.language.columns import words
from datagen.stages.shared.similarity.alike import Lists
from datagen.stages.shared.similarity.other_words import have_other_words, is_same_word

ENGLISH = [
    "the",
    "barge",
    "of",
    "the",
    "mill",
    "is",
    "on",
    "the",
    "river",
    "and",
    "the",
    "crew",
    "is",
    "in",
    "a",
    "hut",
    "at",
    "the",
    "weir",
    "for",
    "the",
    "spring",
]


def are_other(one, other, long=True):
    cut = words(pa.array([one, other]))
    spelling = dict(zip(cut.hashes.tolist(), cut.words.to_pylist(), strict=True))
    [found] = have_other_words(
        Lists(cut.hashes, cut.lengths),
        np.array([0]),
        np.array([1]),
        np.array([long]),
        lambda hashes: [spelling[word] for word in hashes.tolist()],
    )
    return bool(found)


def english(*content):
    """A text with some content words at fixed places."""
    return " ".join([*ENGLISH, *content, *ENGLISH])


@pytest.mark.parametrize(
    ("one", "other", "is_other"),
    [
        (["kafka", "runs", "daily"], ["rabbitmq", "runs", "daily"], True),
        (["pump", "drives", "turbine"], ["turbine", "drives", "pump"], True),
        (["spray", "works", "inside"], ["works", "inside", "inhaler"], True),  # removed here, added there
        (["kiln", "works"], ["lathe", "and", "kiln", "works"], True),  # a word more
        (["kiln", "works"], ["kiln", "works", "a", "lathe", "and", "the", "wheel"], False),  # a clause more
        (["kiln", "of", "works"], ["kiln", "in", "works"], False),  # frequent words
        (["kiln", "really", "works"], ["kiln", "simply", "works"], False),  # change nothing
        (["database", "works"], ["data", "base", "works"], False),
        (["government", "works"], ["governemnt", "works"], False),
        (["government", "kiln"], ["governemnt", "lathe"], True),  # a typo hides no other word
        (["spray"], ["café"], True),
    ],
)
def test_each_text_has_a_content_word_of_its_own(one, other, is_other):
    assert are_other(english(*one), english(*other)) == is_other
    assert are_other(english(*other), english(*one)) == is_other


def test_a_short_text_may_not_have_a_clause_more():
    one, other = english("kiln", "works"), english("kiln", "works", "a", "lathe", "and", "the", "wheel")
    assert not are_other(one, other)
    assert are_other(one, other, long=False) and are_other(other, one, long=False)


def test_words_in_several_places_are_no_clause():
    other = english("kiln", "works").replace("the mill", "the mock mill").replace("a hut", "a toy hut")
    assert are_other(english("kiln", "works"), other)


def test_words_added_to_code_do_not_count():
    code = ["x3", "y3", "zeta", "def", "foo", "bar", "baz", "return", "lambda", "self", "args", "kwargs"]
    assert not are_other(" ".join(code), " ".join([*code, "kiln"]))
    assert not are_other(" ".join(code), " ".join([*code, "печь"]))


def test_code_is_no_natural_language_but_words_of_other_scripts_are():
    code = ["x3", "y3", "zeta", "def", "foo", "bar", "baz", "return", "lambda", "self", "args", "kwargs"]
    assert not are_other(" ".join([*code, "kiln"]), " ".join([*code, "lathe"]))
    assert are_other(" ".join([*code, "печь"]), " ".join([*code, "станок"]))
    assert are_other("样品被冷冻了", "样品被煮沸了")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("goverment", "government", True),  # one letter missing
        ("governmant", "government", True),
        ("gonvernment", "government", True),
        ("lettres", "letters", True),
        ("tsudent", "student", True),
        ("organise", "organize", True),
        ("fine", "fee", False),
        ("kiln", "kilo", False),
        ("contact", "contract", False),
        ("planting", "planning", False),
        ("affection", "infection", False),
        ("illusions", "allusions", False),  # the first letter
        ("sue", "use", False),
        ("governmant", "governmint.", False),
        ("kiln", "kiln", False),  # a word that moved
    ],
)
def test_spellings_of_one_word(one, other, same):
    assert is_same_word(one, other) == is_same_word(other, one) == same


def test_pairs_are_judged_one_by_one():
    draw = random.Random(1)
    texts, expected = [], []
    for number in range(40):
        is_other = draw.random() < 0.5
        texts += [
            english("kiln", "works"),
            english("lathe" if is_other else "kiln", "works", f"for {number}"),
        ]
        expected.append(is_other)
    cut = words(pa.array(texts))
    spelling = dict(zip(cut.hashes.tolist(), cut.words.to_pylist(), strict=True))
    found = have_other_words(
        Lists(cut.hashes, cut.lengths),
        np.arange(0, 80, 2),
        np.arange(1, 80, 2),
        np.ones(40, bool),
        lambda hashes: [spelling[word] for word in hashes.tolist()],
    )
    assert found.tolist() == expected


def test_no_pairs():
    nothing = np.empty(0, np.int64)
    assert (
        have_other_words(
            Lists(np.empty(0, np.uint64), nothing), nothing, nothing, np.empty(0, bool), lambda hashes: []
        ).tolist()
        == []
    )
