"""Handwritten multiple choice: exactly one option is correct, and every letter is correct equally often."""

import json
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.prompt import load
from datagen.request import Reject
from datagen.stages.generate.instruct import stage
from datagen.stages.shared.checks import multi_part_checks
from datagen.stages.shared.language.rules import language_of
from tests.support.asked import ask
from tests.support.written import outcome_of, passage

TEXT = """\
The mint of Ruritania strikes copper coins in autumn. The archive of Borduria has 12 reading rooms, and its
visitors sign the ledger before noon. The bridge of Syldavia was built from oak.
"""
SOUND = {
    "question": "What does the mint of Ruritania strike in autumn?",
    "answer": "copper coins",
    "wrong": ["silver medals", "paper notes", "iron keys"],
}
ROOMS = {
    "question": "How many reading rooms does the archive of Borduria have?",
    "answer": "12",
    "wrong": ["10", "seven", "20"],
}
FORMS = load("instructions/multiple_choice").fields["forms"]
WORDS = language_of("en")


def test_a_sound_question_shows_its_options_and_the_answer_names_the_correct_one():
    pair = outcome_of("multiple_choice", SOUND, TEXT)
    assert SOUND["question"] in pair["question"]
    assert all(pair["question"].count(option) == 1 for option in (SOUND["answer"], *SOUND["wrong"]))
    assert pair["evidence"] == "The mint of Ruritania strikes copper coins in autumn."
    assert pair["context"] == TEXT
    assert isinstance(outcome_of("multiple_choice", ROOMS, TEXT), dict)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"wrong": ["silver medals", "the copper coins", "iron keys"]}, "more than one right option"),
        ({"wrong": ["silver medals", "coins", "iron keys"]}, "more than one right option"),  # a part of it
        ({"wrong": ["silver medals", "new copper coins", "iron keys"]}, "more than one right option"),
        ({"wrong": ["silver medals", "in autumn", "iron keys"]}, "more than one right option"),  # in the evidence
        ({"wrong": ["silver medals", "a silver medal", "iron keys"]}, "repeated option"),
        ({"wrong": ["silver medals", "all of the above", "iron keys"]}, "refers to the passage"),
        ({"wrong": ["silver medals", "", "iron keys"]}, "empty"),
        ({"wrong": ["silver medals", "iron keys"]}, "unparsable"),
        ({"answer": "gold coins"}, "answer not in passage"),
        ({"answer": "oak"}, "question is not about its evidence"),
        ({"question": "Does the mint of Ruritania strike copper coins?"}, "question gives its answer away"),
        (ROOMS | {"wrong": ["10", "many", "20"]}, "answer of another kind"),
    ],
)  # fmt: skip
def test_a_flaw_is_dropped_with_its_reason(change, reason):
    assert outcome_of("multiple_choice", SOUND | change, TEXT) == reason


@given(st.text("abcdefg ", min_size=1, max_size=20), st.sampled_from(["", "the ", "The  ", "An "]))
def test_the_correct_option_in_another_spelling_is_never_a_wrong_option(right, article):
    with pytest.raises(Reject):
        multi_part_checks.one_right(right, ["x9", article + right.upper(), "y9"], "z9", WORDS)


def model(_):
    return json.dumps(SOUND)


def place_of(pair):
    """Return the position of the correct option among those shown."""
    options = pair["question"].splitlines()[-4:]
    return next(place for place, option in enumerate(options) if SOUND["answer"] in option)


@pytest.mark.slow
@settings(max_examples=5, deadline=None)
@given(st.uuids())
def test_every_letter_is_correct_equally_often_for_any_set_of_passages(drawn):
    rows = [passage(f"{TEXT}\nNumber {number} of {drawn}.") for number in range(200)]
    kept, dropped, _ = ask(stage, rows, model, tasks=["multiple_choice"])
    assert not dropped
    places = Counter(place_of(pair) for pair in kept)
    assert sum((places[place] - 50) ** 2 / 50 for place in range(4)) < 24.7  # chi-squared, p = 0.00002


def test_the_answer_names_the_mark_of_the_correct_option():
    rows = [passage(f"{TEXT}\nNumber {number}.") for number in range(100)]
    kept = ask(stage, rows, model, tasks=["multiple_choice"])[0]
    seen = set()
    for pair in kept:
        line = pair["question"].splitlines()[place_of(pair) - 4]
        assert (
            line.startswith(pair["answer"][:2].rstrip())
            or f"[{pair['answer']}]" in line
            or line.endswith(pair["answer"])
        )
        seen.add((pair["question"].splitlines()[-4][:3], pair["answer"][:1]))
    assert len(seen) > len(FORMS)  # forms vary, and marks within a form
