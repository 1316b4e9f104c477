"""Questions that are clear beside their passage only: planted ones, and clear ones, of several kinds of text."""

import pytest

from datagen.stages.shared.checks import needs_no_passage
from datagen.stages.shared.language.rules import UNKNOWN, language_of
from tests.support.rejections import rejection

EN, DE = language_of("en"), language_of("de")
NEEDS = "needs its context"


@pytest.mark.parametrize(
    "question",
    [
        # Manual
        "What happens if *count* is omitted?",
        "Which method is called repeatedly until *count* exceeds zero elements?",
        "What are the outermost *chars* argument values stripped from?",
        "What can be retrieved from its code object?",
        "Which option rounds negative zero to positive zero before formatting?",
        "What happens if no arguments are given?",
        "What happens if any comparison operations fail?",
        "When are all aliases listed?",
        "What is the new copy wrapped in?",
        "What is printed directly before the first word of the command line?",
        # Statute
        "When must the licensee pay the annual fee for renewal?",
        "Which paragraph requires every applicant to submit a written statement?",
        "What happens if the court finds that the notice was never served on a party?",
        "Who shall promote the competition of Halden Foods established under subsection (b)?",
        "What may the Director waive under paragraph (1)(A)?",
        # Encyclopaedia, news, dialogue
        "Why did the mayor resign only two weeks after winning re-election?",
        "What did she find behind a wall of an abandoned kitchen?",
        "Where did they move after selling a farm near the coast?",
        "How many passengers were on board when the ferry capsized?",
    ],
)
def test_questions_about_something_that_only_the_passage_names(question):
    assert rejection(needs_no_passage, question, EN) in (NEEDS, "refers to the passage")


@pytest.mark.parametrize(
    "question",
    [
        'What does the "nonlocal" statement do?',
        "What happens if the first operand of `divmod` is a complex number?",
        "What can types with a `__lt__` method customize?",
        "What are always considered to be a substring of any other string?",
        "What is the main module for a script always called?",
        "What happens if a variable is used in a code block but not defined there?",
        "Who may claim compensation under a contract of insurance?",
        "Within how many days must a tenant give notice under section 12?",
        "Who may the Director name under subsection (b) of section 12?",
        "What does the Python call `round (x)` return?",
        "When did Theodor Fontane publish Effi Briest?",
        "What is the capital of the state of Victoria?",
        "In which town does the Hanseatic company keep its ledger?",
        "Why does a lunar eclipse only occur at full moon?",
    ],
)
def test_questions_that_stand_alone(question):
    assert rejection(needs_no_passage, question, EN) == ""


def test_a_question_for_the_passage_is_rejected_with_its_own_reason():
    assert rejection(needs_no_passage, "What does the passage say about Rome?", EN) == "refers to the passage"


@pytest.mark.parametrize("language", [DE, UNKNOWN])
def test_languages_without_the_lists_are_not_judged(language):
    assert rejection(needs_no_passage, "Wann tritt das neue Gesetz in Kraft?", language) == ""
    assert rejection(needs_no_passage, "何が必要ですか?", language) == ""
