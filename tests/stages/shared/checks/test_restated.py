"""A text that restates another keeps its numbers, negations and conditions."""

import pytest

from datagen.request import Reject
from datagen.stages.shared.checks.restated import denies_no_more, keeps, not_reversed
from datagen.stages.shared.language.rules import language_of
from datagen.stages.shared.passage import Passage

EN = language_of("en")
RENT = "The rent is due on the first day of each month. A tenant without a receipt may not sublet the land."
TERM = "A standard lease lasts 12 years and ends in autumn. It ends earlier only if the owner objects in writing."
BOTH = (
    "A fee is due in spring. A reduced fee is not due in spring. A seasonal lease is renewed on the first day. "
    "A seasonal lease is renewed on the last day."
)
PASSAGE = Passage({"id": "p", "title": "Leases", "section": [], "text": f"{RENT} {TERM} {BOTH}"}, EN)
OBJECTION = "It ends in autumn, unless the owner objects within 30 days and is not a minor."


def reason(check, *given, **options):
    try:
        check(*given, **options)
    except Reject as why:
        return why.reason
    return None


@pytest.mark.parametrize(
    ("text", "lost"),
    [
        ("Unless the owner objects within 30 days and is not a minor, it ends in autumn.", None),
        ("It ends in autumn, unless an owner who isn't a minor objects within 30 days.", None),
        ("It ends in autumn, unless the owner objects in time and is not a minor.", "loses a number"),
        ("It ends in autumn, unless the owner objects within 30 days and is a minor.", "loses a negation"),
        ("It ends in autumn, if the owner objects within 30 days and is not a minor.", "loses a condition"),
    ],
)
def test_a_restatement_keeps_numbers_negations_and_conditions(text, lost):
    assert reason(keeps, text, OBJECTION, EN) == lost


def test_numbers_may_be_written_in_words_and_those_of_list_items_are_none():
    assert reason(keeps, "It takes twelve days.", "It takes 12 days.", EN) is None
    assert reason(keeps, "It takes 12 days.", "It takes twelve days.", EN) is None
    assert reason(keeps, "Ask, and wait.", "1. Ask.\n2. Wait.", EN) is None
    assert reason(keeps, "It takes 5 per cent.", "It takes 5 percent.", EN) is None
    assert reason(keeps, "It takes days.", "It takes twelve days.", EN) == "loses a number"


@pytest.mark.parametrize(
    ("text", "original", "lost"),
    [
        # Another spelling or word for the same.
        ("It has 1,000 seats and costs 3.0 marks.", "It has 1000 seats and costs 3 marks.", None),
        ("It ended on 1912-03-05.", "It ended on 5 March 1912.", None),
        ("The term is ١٢ years.", "The term is 12 years.", None),
        ("It takes 20 days.", "It takes twenty days.", None),
        ("Nobody may sublet.", "No one may sublet.", None),
        ("Every tenant can object.", "All tenants may object.", None),
        ("When the term ends, it typically has to be renewed.", "If the term ends, it usually must be renewed.", None),
        # Another number, month or meaning.
        ("It costs 5 billion marks.", "It costs 5 million marks.", "loses a number"),
        ("It takes thirty days.", "It takes twenty days.", "loses a number"),
        ("It ended in April 1912.", "It ended in March 1912.", "loses a number"),
        ("It has 1.5 seats.", "It has 1.500 seats.", "loses a number"),
        ("5 guests may stay.", "Up to 5 guests may stay.", "loses a condition"),
        ("At most 5 guests may stay.", "Up to 5 guests may stay.", None),
        ("A tenant may object.", "Every tenant may object.", "loses a condition"),
        ("The sublease is legal.", "The sublease is illegal.", "says the opposite"),
        ("It ends. Fewer than 5 tenants may object.", "It ends. More than 5 tenants may object.", "says the opposite"),
    ],
)  # fmt: skip
def test_other_spellings_and_words_are_the_same_and_other_facts_are_not(text, original, lost):
    assert reason(keeps, text, original, EN) == lost


def test_an_article_is_no_number():
    german = language_of("de")
    assert (
        reason(
            keeps,
            "Der Vertrag endet bei jeder Kündigung.",
            "Ein Vertrag endet bei allen Kündigungen.",
            german,
        )
        is None
    )
    assert reason(keeps, "Er dauert Tage.", "Er dauert zwei Tage.", german) == "loses a number"


def test_question_words_are_no_conditions_of_a_question():
    asked = "When may a lease end if nobody objects?"
    assert reason(keeps, "At which time does a lease end if nobody objects?", asked, EN, asks=True) is None
    assert (
        reason(keeps, "When may a lease end although nobody objects?", asked, EN, asks=True)
        == "loses a condition"
    )
    assert (
        reason(keeps, "At which time does a lease end if nobody objects?", asked, EN) == "loses a condition"
    )


def test_a_restatement_denies_no_more():
    assert reason(denies_no_more, "It does not end.", "It does not end in autumn.", EN) is None
    assert reason(denies_no_more, "It doesn't end in autumn.", "It ends in autumn.", EN) == "adds a negation"
    assert reason(denies_no_more, "It ends in autumn.", "It never ends in autumn.", EN) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("A standard lease lasts 12 years.", True),
        ("A standard lease does not last 12 years.", False),
        ("A lease never lasts 12 years and never ends in autumn.", False),
        ("The rent is not due on the first day of each month.", False),
        ("The rent is due on the last day of each month.", False),  # an opposite
        ("A tenant without a receipt may not sublet.", True),
        ("A tenant may not sublet the land if there is no receipt.", True),
        ("It does not end earlier if the owner is silent.", True),  # "only if" says so
        ("A standard lease lasts 12.0 years.", True),  # the same number
        ("The lease is not free.", True),  # the passage does not say so, which other checks find
        ("A standard lease lasts 12 years. It does not end in autumn.", False),
        ("No tenant has to object in writing each month.", True),  # few of its words are in one sentence
        ("Not the lease.", True),
        ("In spring, a reduced fee is not due.", True),  # another sentence denies it, too
        ("In spring, a fee is never due.", True),
        ("A seasonal lease is renewed on the last day.", True),  # another sentence says so
        ("A seasonal lease is renewed on the first day.", True),
    ],
)
def test_a_sentence_that_reverses_one_of_the_passage_is_found(text, said):
    assert reason(not_reversed, text, PASSAGE) == (None if said else "says the opposite")


def test_a_language_without_lists_has_no_such_checks():
    unknown = language_of("xx")
    passage = Passage({"id": "p", "title": "", "section": [], "text": TERM}, unknown)
    assert reason(not_reversed, "A standard lease does not last 12 years.", passage) is None
    assert reason(denies_no_more, "It doesn't end.", "It ends.", unknown) is None
