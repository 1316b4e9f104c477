"""What an assistant says around an answer, in English and German, and texts that only look like it."""

import pytest

from datagen.stages.shared import checks
from datagen.stages.shared.language.rules import language_of
from datagen.stages.shared.passage import Passage
from tests.support.rejections import rejection

TEXT = {
    "en": "A reader who returns a book late pays a fee of 50 cents a day. The desk closes at ten.",
    "de": "Wer ein Buch zu spät zurückbringt, zahlt eine Gebühr von 50 Cent am Tag. Das Haus schließt um zehn.",
}
ANSWER = {
    "en": "Late readers pay 50 cents for each day.",
    "de": "Säumige Leser zahlen 50 Cent für jeden Tag.",
}
AROUND = {
    "en": [
        "Sure! {}", "Certainly. {}", "Of course! {}", "Great question! {}", "Thank you for your question. {}",
        "Here is the answer: {}", "Here's a possible answer:\n\n{}", "**Sure!** {}", "Below is my answer: {}",
        "{} I hope this helps!", "{} Hope this helps!", "{} At least, I think so.", "{} Please let me know if you have questions.", "{} Feel free to ask for more.",
        "{} Is there anything else you would like to know?", "{}\n\nNote: This answer is based on the text.",
        "Sure thing — {}", "Hi! {}", "Hello there! {}", "Ok so {}", "As a language model, I say: {}", "{} I am happy to help.",
        "{} I’m glad to assist!", "{} Hope that's clear!", "{} Is there anything else?", "{} — ChatGPT", "{} ~ by GPT-4",
        "{} [citation needed]", "{} (see above)",
        "{}\n\nI used the first sentence of the passage.", "{} (Word count: 31)",
    ],
    "de": [
        "Gerne! {}", "Natürlich. {}", "Gute Frage! {}", "Vielen Dank für Ihre Frage. {}", "Hier ist die Antwort: {}",
        "{} Ich hoffe, das hilft!", "{} So glaube ich.", "{} Wenn Sie weitere Fragen haben, melden Sie sich.",
        "{} Kann ich sonst noch helfen?", "{}\n\nHinweis: Diese Antwort beruht nur auf dem Text.",
        "{}\n\nIch habe den ersten Satz des Abschnitts verwendet. Ich habe den Text genutzt.", "{} (Wortzahl: 12)",
    ],
}  # fmt: skip


def passage(language, more=""):
    row = {"id": "p", "text": TEXT[language] + more, "title": "", "section": [], "language": language}
    return Passage(row, language_of(language))


CASES = [(language, around) for language, texts in AROUND.items() for around in texts]


@pytest.mark.parametrize(("language", "around"), CASES)
def test_phrases_of_an_assistant_are_rejected(language, around):
    text = around.format(ANSWER[language])
    assert rejection(checks.clean, text, passage(language), "") == "assistant's phrase"


@pytest.mark.parametrize(("language", "around"), CASES)
def test_a_passage_that_has_the_phrase_may_be_quoted(language, around):
    text = around.format(ANSWER[language])
    assert rejection(checks.clean, text, passage(language, f"\n\n{text}"), "") == ""


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "Of course, a reader may also pay at once."),
        ("en", "Certainly the fee is due each day until the book is back."),
        ("en", "Let the desk know if the book is lost."),
        (
            "en",
            "The fee is due:\n1. on the first day,\n2. on every day after it.\nNote: the desk closes at ten.",
        ),
        ("en", "Here the reader pays 50 cents a day."),
        ("de", "Natürlich zahlen auch Kinder die Gebühr."),
        ("de", "Hier zahlt der Leser 50 Cent: die Gebühr eines Tages."),
        ("de", "Das hilft dem Haus, weil die Bücher zurückkommen."),
    ],
)
def test_answers_that_only_look_like_it_are_kept(language, text):
    assert rejection(checks.clean, text, passage(language), "") == ""


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "Readers pay a fee.\n\nQuestion: When does the desk close?"),
        ("en", "Readers pay a fee.\n**Answer:** 50 cents"),
        ("en", "Readers pay a fee.\n### Assistant: The desk"),
        ("de", "Leser zahlen.\n\nFrage: Wann schließt das Haus?"),
        ("en", "Readers pay a fee.\nQuestion: When does the desk close? Answer: At ten."),
    ],
)
def test_a_second_part_with_a_label_is_rejected(language, text):
    assert rejection(checks.clean, text, passage(language), "") == "template leftover"
    label = text.partition("\n")[2].strip()
    assert rejection(checks.clean, text, passage(language, f"\n{label}"), "") == ""


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "The desk wraps returned books (see section Returned Books)."),
        ("de", "Das Haus verpackt Bücher (siehe Abschnitt Rückgabe)."),
    ],
)
def test_a_statement_that_refers_to_a_section_does_not_stand_alone(language, text):
    assert rejection(checks.stands_alone, text, language_of(language)) == "refers to the passage"


@pytest.mark.parametrize("label", ["Question: When does the desk close?", "**Answer:** At ten."])
def test_a_sentence_with_a_label_is_rejected(label):
    text = f"Readers pay a fee. {label}"
    assert rejection(checks.clean, text, passage("en"), "") == "template leftover"
    assert rejection(checks.clean, text, passage("en", f"\n{text}"), "") == ""


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("LATE READERS PAY 50 CENTS A DAY.", "written in capitals"),
        ("The desk closes at ten. LATE READERS PAY A FEE.", "written in capitals"),
        ("Late readers pay in USD, EUR or CHF.", ""),
        ("ISO 9001 ABC", ""),
        ("Late readers pay 50 cents...", "unfinished sentence"),
        ("Late readers pay… The desk closes at ten.", "unfinished sentence"),
        ("The name f(...) stands for a call.", ""),
        ("A reader pays “a fee ... of 50 cents”.", ""),
        ("Late readers\u200bpay 50 cents.", "invisible character"),
        ("Late readers pay 50 cents.\0", "invisible character"),
        ("\u202eLate readers pay 50 cents.", "invisible character"),
        ("Late readers pay \u200f50 cents.", ""),  # a mark of direction
        ('Late readers pay 50 cents."}', "template leftover"),
        ("Late readers pay <b>50 cents</b>.", "template leftover"),
        ("Late readers pay 50 cents, see https://example.com/fees.", "template leftover"),
        ("null", "template leftover"),
        ("PAYS A FEE", "written in capitals"),
        ("Late Readers Pay A Fee Of Fifty Cents.", "written in capitals"),
        ("The A And B Desks Of A Fee", ""),  # no sentence: a heading
        ("US", ""),
        ("…pay 50 cents.", "begins inside a sentence"),
        ("Late readers pay pay 50 cents.", "repetition loop"),
        ("Late readers of the the desk pay 50 cents.", "repetition loop"),
        ("Readers had had to pay 50 cents.", ""),
        ("50 cents 50 cents", "repetition loop"),
        ("At night, readers pay porque la tarifa lo dice.", "another language"),
        ("Readers pay, mais le lecteur doit payer.", "another language"),
        ("Readers who say “mais le lecteur doit payer” pay 50 cents.", ""),
        ("- Late readers pay 50 cents.", "template leftover"),
        ("1. Late readers pay 50 cents.", "template leftover"),
        ("A) 50 cents", "template leftover"),
        ("> 50 cents", "template leftover"),
        ("**50 cents**", "template leftover"),
        ('"Late readers pay 50 cents."', "template leftover"),
        ('"50 cents"', ""),
        ("['50 cents']", "template leftover"),
        ("- Late readers pay.\n- Others do not.", ""),
        ("## Answer\nLate readers pay 50 cents.", "template leftover"),
        ("Late readers pay 50 cents. ###", "template leftover"),
        ("Late readers pay 50 cents.\n---", "template leftover"),
        ("\\boxed{50 cents}", "template leftover"),
        ("50&nbsp;cents", "template leftover"),
        ("50\\u0020cents", "template leftover"),
        ("Late readers pay 50 cents <0x0A>", "template leftover"),
        ("▁Late▁readers▁pay", "template leftover"),
        ("Late Ġreaders pay 50 cents.", "template leftover"),
        ("Late readersâ€™ fee is 50 cents.", "template leftover"),
        ("Late readers pay 50 cents 【4†source】.", "template leftover"),
        ("Late readers pay 50 cents [1].", "template leftover"),
        ("The call a[1] returns 50 cents.", ""),
        ("Late readers pay 50 cents ![fee](fee.png).", "template leftover"),
        ("Late readers write to desk@library.org.", "template leftover"),
        ("TGF0ZSByZWFkZXJzIHBheSA1MCBjZW50cw==", "template leftover"),
        ("50 cents Human: next", "template leftover"),
        ("N/A", "template leftover"),
    ],
)
def test_residue_is_rejected_unless_the_passage_has_it(text, why):
    assert rejection(checks.clean, text, passage("en"), "") == why
    if text != "N/A":  # the name of no answer, whatever the passage
        assert rejection(checks.clean, text, passage("en", f"\n\n{text}"), "") == ""
