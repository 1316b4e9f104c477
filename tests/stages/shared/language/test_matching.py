"""Comparison of answers by the words of their language."""

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.stages.shared.language import matching
from datagen.stages.shared.language.rules import language_of

abstains, attempts, essence, likeness, contained_share, words = (
    partial(function, language=language_of("en"))
    for function in (
        *(matching.abstains, matching.attempts, matching.essence),
        *(matching.likeness, matching.contained_share, matching.words),
    )
)

RIGHT, WRONG = 0.8, 0.3  # the bounds of the stage probe


@pytest.mark.parametrize(
    "answer, reference",
    [
        ("Gustave Eiffel", "Gustave Eiffel"),
        ("It was designed by Gustave Eiffel.", "gustave  eiffel"),
        ("The `yield` statement", "a yield statement"),
        ("in 1,912 or so", "1912"),
        ("twelve", "12"),
        ("5 percent", "5%"),
        ("On 3 May 2001", "3 May"),
        ("the organization of labour", "organisation of labour"),
        ("several tokens", "token"),
        ("You write += there", "+="),
        ("巴黎是法国的首都", "巴黎"),
        ("ＡＢＣ", "abc"),
    ],
)
def test_equivalent_answers_match(answer, reference):
    assert likeness(answer, reference) >= RIGHT


@pytest.mark.parametrize(
    "answer, reference",
    [
        ("1913", "1912"),
        ("On 4 May 2001", "3 May 2001"),
        ("5.5 kg", "5 kg"),
        ("-5", "5"),
        ("12,000", "12"),
        ("immutable", "mutable"),
        ("hypoglycemia", "hyperglycemia"),
        ("affect", "effect"),
        ("north", "no"),  # a substring, not a word
        ("Louis Pasteur", "Gustave Eiffel"),
        ("", "Gustave Eiffel"),
        ("Gustave Eiffel", ""),
        ("-=", "+="),
        ("Gustave Eiffel in 1890", "Gustave Eiffel in 1889"),  # the name right, the number another
    ],
)
def test_different_answers_do_not_match(answer, reference):
    assert likeness(answer, reference) <= WRONG


@pytest.mark.parametrize(
    "answer, reference",
    [
        ("Eiffel", "Gustave Eiffel"),
        ("Gustave Flaubert", "Gustave Eiffel"),
        ("Gustave Eiffel", "Gustave Eiffel in 1889"),  # the number is missing
        ("It is not allowed", "It is allowed"),
        ("It isn't a statement", "a statement"),
    ],
)
def test_partial_agreement_is_undecided(answer, reference):
    assert WRONG < likeness(answer, reference) < RIGHT


def test_a_repeated_question_is_not_an_answer():
    question = "Is Python compiled or interpreted?"
    assert likeness("Python is compiled or interpreted", "interpreted", question) < RIGHT
    assert likeness("interpreted", "interpreted", question) == 1


def test_a_sentence_is_compared_by_what_it_adds_to_the_question():
    question = "Who designed the tower that stands in Paris?"
    sentence = "The tower that stands in Paris was designed by Gustave Eiffel."
    stop = {"was", "by", "in", "that"}
    assert essence(sentence, question, stop) == ["gustave", "eiffel"]
    assert likeness("Gustave Eiffel", sentence, question, stop) == 1
    assert likeness("The tower in Paris was designed by Louis Pasteur", sentence, question, stop) <= WRONG


@given(st.text(max_size=40), st.text(max_size=40))
def test_likeness_is_between_0_and_1_and_1_for_equal_texts(one, other):
    assert 0 <= likeness(one, other) <= 1
    if words(one):
        assert likeness(one, one) == 1
        assert likeness(f"{one} {other}", one) > 0 or not words(f"{one} {other}")


def test_containment_ignores_word_order_numbers_and_negation():
    passage = "The tower was designed by Eiffel, Gustave, and opened in 1889."
    assert contained_share("Gustave Eiffel", passage) == 1
    assert contained_share("Louis Pasteur", passage) == 0
    assert 0 < contained_share("designed by Louis Pasteur", passage) < 0.6
    assert contained_share("???", passage) == 0
    assert contained_share("", passage) == 1


@pytest.mark.parametrize(
    "answer",
    [
        "I don't know.",
        "I'm not sure about that.",
        "The answer is unknown.",
        "I cannot say",
        "As an AI ...",
        "The text does not specify.",
    ],
)
def test_declining_answers_are_recognised(answer):
    assert abstains(answer)
    assert not attempts(answer, "Who designed the tower?")


def test_an_attempt_is_not_about_a_text_that_was_not_shown():
    assert not attempts("The text is written by a human.", "What is checked by the attributes?")
    assert not attempts("The text", "What does the mode cut off?")
    assert attempts("Text of the last line", "Which text does the mode cut off?")


def test_an_attempt_adds_to_the_question():
    question = "Who designed the tower?"
    assert attempts("Louis Pasteur", question)
    assert not attempts("The tower designed", question)
    assert not attempts("", question)


@pytest.mark.parametrize(
    "answer", ["The text", "The text must be a string object.", "a string object", "I cannot say."]
)
def test_an_echo_of_the_question_is_not_an_attempt(answer):
    assert not attempts(answer, "What must be a string object?")
    assert attempts("the separator", "What must be a string object?")
