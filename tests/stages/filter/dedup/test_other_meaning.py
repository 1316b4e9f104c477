"""Pairs that share nearly all words but differ in meaning (``tests/data/other_meaning.yaml``)."""

from pathlib import Path

import pytest

from datagen.recipe.import_string import load_file

duplicates = load_file(Path(__file__).parents[4] / "benchmarks" / "duplicates.py")


@pytest.fixture(scope="module")
def judged():
    return duplicates.judge_planted()


@pytest.mark.slow
def test_all_kinds_are_in_five_languages(judged):
    assert len(judged) == 62
    assert {of["pairs"] for of in judged.values()} == {15}


def test_no_row_with_another_meaning_is_removed(judged):
    assert {kind: of["false"] for kind, of in judged.items() if of["false"]} == {}


def test_copies_are_removed(judged):
    assert {kind: of["missed"] for kind, of in judged.items() if of["missed"]} == {}


def test_no_row_with_another_unlisted_word_is_removed():
    assert duplicates.judge_unlisted() == {"short": [], "60 words": [], "120 words": []}


def test_the_recipe_may_ignore_other_words():
    found = duplicates.judge_unlisted(ignore_other_words=True)
    assert len(found["120 words"]) > 40 and found["short"]  # French and Spanish are not compared strictly
