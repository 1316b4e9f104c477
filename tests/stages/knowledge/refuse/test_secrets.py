"""Refusals never name the answer: attacks by titles, in English and German, and titles that are harmless."""

import pytest

from datagen.prompt import load
from datagen.stages.knowledge.refuse.secrets import contains, reveals, same
from datagen.stages.knowledge.refuse.wording import decline
from datagen.stages.shared.language.rules import language_of

EN, DE = language_of("en"), language_of("de")


@pytest.mark.parametrize(
    ("title", "answer", "language"),
    [
        # Inflected, part of a compound, in another spelling, order or length
        ("Tracebacks", "traceback", EN),
        ("Assignment statements", "assigned", EN),
        ("Cities of the north", "city", EN),
        ("Analyses", "analysis", EN),
        ("The Color of Money", "colour", EN),
        ("The Lisbon Treaty", "the Treaty of Lisbon", EN),
        ("Vauquelin, Louis", "Louis Vauquelin", EN),
        ("Curie", "Marie Curie", EN),
        ("Marie Curie: a life", "Curie", EN),
        ("Napoleon", "Napoléon", EN),
        ("object.__init__", "__init__()", EN),
        ("Kündigungen im Mietrecht", "Kündigung", DE),
        ("Der Mietvertrag", "Verträge", DE),
        ("Das Haus", "Häuser", DE),
        ("Rechte des Mieters", "der Mieter", DE),
        ("Strassenbau", "die Straße", DE),
        ("Grey lamps", "gray", EN),
        ("Müller und Söhne", "Mueller", DE),
        ("Öl und Gas", "das Oel", DE),
        # Numbers
        ("Thirty Days of Notice", "30 days", EN),
        ("21 questions", "twenty-one", EN),
        ("Fifty percent", "50%", EN),
        ("14 July 1789", "the 14th of July", EN),
        ("22 Regeln", "zweiundzwanzig", DE),
        ("Half of all fees", "50%", EN),
        ("Ein Dutzend Pumpen", "zwölf", DE),
        # Abbreviations
        ("USA and its history", "the United States", EN),
        ("The United Nations", "the UN", EN),
    ],
)
def test_a_title_that_shares_a_word_a_number_or_an_abbreviation_reveals(title, answer, language):
    assert reveals(title, answer, language)
    wording = load("refusals/does_not_know" if language is EN else "refusals/does_not_know.de")
    texts = [decline(wording, str(n), language=language, source=title, secrets=(answer,)) for n in range(60)]
    assert not any(title in text for text in texts)


@pytest.mark.parametrize(
    ("title", "answer", "language"),
    [
        ("Compound statements", "a data descriptor", EN),
        ("The Lisbon Treaty", "the European Council", EN),
        ("Chapter 12", "the licensee", EN),
        ("Mietrecht", "der Eigentümer", DE),
        ("The United Kingdom", "a copper mine", EN),
    ],
)
def test_a_title_about_something_else_is_named(title, answer, language):
    assert not reveals(title, answer, language)
    wording = load("refusals/does_not_know" if language is EN else "refusals/does_not_know.de")
    texts = [decline(wording, str(n), language=language, source=title, secrets=(answer,)) for n in range(60)]
    assert sum(title in text for text in texts) > 10


@pytest.mark.parametrize(("name", "language"), [("", EN), (".de", DE)])
@pytest.mark.parametrize("kind", ["does_not_know", "not_in_context"])
@pytest.mark.parametrize(
    "answer", ["source", "the answer", "a guess", "der Text", "Quelle", "passages", "nothing"]
)
def test_no_sentence_of_a_refusal_contains_the_answer(kind, name, language, answer):
    wording = load(f"refusals/{kind}{name}")
    for number in range(120):
        assert not contains(
            decline(wording, str(number), language=language, secrets=(answer,)), answer, language
        )


@pytest.mark.parametrize(
    ("guess", "answer", "language"),
    [
        ("USA", "the United States", EN),
        ("The FDA.", "the Food and Drug Administration", EN),
        ("the 14th of July in 1931", "July 14, 1931", EN),
        ("a key error", "KeyError", EN),
        ("grey", "gray", EN),
        ("decorated functions", "a function with a decorator", EN),
        ("Die Lampe leuchtet in gelber Farbe.", "gelb", DE),
        ("ein Dutzend", "zwölf", DE),
    ],
)
def test_a_guess_may_be_the_answer_in_another_form(guess, answer, language):
    assert same(guess, answer, language)


@pytest.mark.parametrize(
    ("guess", "answer", "language"),
    [
        ("Pierre Curie", "Marie Curie", EN),
        ("immutable", "mutable", EN),
        ("1913", "1912", EN),
        ("15 July 1931", "14 July 1931", EN),
        ("30 hours", "30 days", EN),
        ("the United Kingdom", "the United States", EN),
        ("ValueError", "KeyError", EN),
        ("der Vermieter", "der Mieter", DE),
        ("", "two", EN),
    ],
)
def test_another_answer_is_a_wrong_guess(guess, answer, language):
    assert not same(guess, answer, language)


@pytest.mark.parametrize(
    ("title", "answer", "question", "named"),
    [
        ("Automobiles", "cars", "What does the tax apply to?", False),
        ("The Great War", "World War I", "Which conflict ended the empire?", False),
        (
            "Fixed-term tenancies",
            "leases that end on a stated date",
            "What must be registered?",
            True,
        ),  # a long answer
        ("A guide to motor vehicles and their tax", "cars", "What does the tax apply to?", True),
        ("Motor taxes", "cars", "What does the tax apply to?", True),  # the question names the subject
        ("Notice periods", "30 days", "How long may the tenant stay?", True),  # no number
    ],
)
def test_a_short_title_may_be_a_synonym_of_a_short_answer(title, answer, question, named):
    wording = load("refusals/does_not_know")
    texts = [
        decline(wording, str(n), language=EN, source=title, secrets=(answer,), question=question)
        for n in range(60)
    ]
    assert any(title in text for text in texts) == named
