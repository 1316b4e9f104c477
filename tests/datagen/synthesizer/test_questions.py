"""Rule-based questions about a sentence are correct, and none is generated where it would be wrong."""

import pytest

from datagen.stages.exercises.marked.candidates import Candidate
from datagen.stages.shared.language.rules import language_of
from datagen.stages.shared.passage import Passage
from datagen.synthesizer.questions import question_to

LANGUAGE = language_of("en")


def ask(sentence: str, answer: str, text: str = "") -> str:
    row = {"id": "p", "title": "", "section": [], "text": text or sentence}
    return question_to(Candidate(answer, sentence, ""), Passage(row, LANGUAGE))


@pytest.mark.parametrize(
    ("sentence", "answer", "question"),
    [
        # the subject
        (
            "The class variables must be accessed through the first parameter of a method.",
            "class variables",
            "What must be accessed through the first parameter of a method?",
        ),
        (
            "The Secretary shall assess and monitor injury to System unit resources.",
            "Secretary",
            "Who shall assess and monitor injury to System unit resources?",
        ),
        (
            "The return value must be a string object in version two, which is checked.",
            "The return value",
            "What must be a string object in version two?",
        ),
        # a reason, a condition
        (
            "The statements are executed faster because a commit needs significant disk activity.",
            "because a commit needs significant disk activity",
            "Why are the statements executed faster?",
        ),
        (
            "If a key is already present in the mapping, the keyword argument replaces the old value.",
            "If a key is already present in the mapping",
            "When does the keyword argument replace the old value?",
        ),
        # the object of the verb or of a preposition
        (
            "The expression always evaluates the operands in parallel.",
            "the operands in parallel",
            "What does the expression always evaluate?",
        ),
        (
            'The "async for" statement allows asynchronous iterables inside coroutine functions.',
            "asynchronous iterables inside coroutine functions",
            'What does the "async for" statement allow?',
        ),
        (
            "When a handler is entered, the stack trace is made available to the program.",
            "program",
            "What is the stack trace made available to when a handler is entered?",
        ),
        (
            "The manual was first published in 1996.",
            "1996",
            "When was the manual first published?",
        ),
    ],
)
def test_a_sentence_becomes_a_question_about_the_marked_answer(sentence, answer, question):
    assert ask(sentence, answer) == question


@pytest.mark.parametrize(
    ("sentence", "answer", "why"),
    [
        ("The value is the value of the last expression.", "value", "the answer occurs twice"),
        (
            "A list is a mutable sequence of arbitrary objects.",
            "A list",
            "a question for a definition has another answer",
        ),
        ("The file must be an ordinary file of the server.", "The file", "ambiguous subject"),
        ("It was moved to another server over the weekend.", "another server", "the subject is a pronoun"),
        (
            "The block is not read from the disk of the server.",
            "the disk of the server",
            "the sentence is negated",
        ),
        (
            "The database name is read from the environment if this is not specified.",
            "if this is not specified",
            "the condition refers to an earlier sentence",
        ),
        (
            "Iowa (in the Middle West) was settled by farmers from Ohio.",
            "farmers",
            "the sentence has brackets",
        ),
    ],
)
def test_no_question_is_generated_where_it_would_be_wrong(sentence, answer, why):
    assert ask(sentence, answer) == "", why


def test_a_name_keeps_its_capital_and_another_word_does_not():
    sentence = "{} was formally renamed in 1996."
    assert ask(sentence.format("Postgres"), "1996", "They say that Postgres was renamed.") == (
        "When was Postgres formally renamed?"
    )
    assert (
        ask(sentence.format("Software"), "1996", "All software was renamed.")
        == "When was software formally renamed?"
    )
    assert ask(sentence.format("Ingres"), "1996") == ""  # the case inside a sentence is unknown


@pytest.mark.parametrize("answer", ["Python", "die übergebenen Argumente"])
def test_a_language_without_these_rules_gets_no_english_question(answer):
    sentence = "Python prüft die übergebenen Argumente."
    row = {"id": "p", "title": "", "section": [], "text": f"{sentence} So steht es in Python."}
    assert question_to(Candidate(answer, sentence, ""), Passage(row, language_of("de"))) == ""
