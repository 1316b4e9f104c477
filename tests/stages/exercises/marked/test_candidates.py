"""Sentences with planted answers: the rules find them, and leave alone what nobody could ask for."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.stages.exercises.marked.candidates import WHOLE, Candidate, candidates, offered
from datagen.stages.shared.language.rules import language_of
from datagen.stages.shared.passage import Passage

KNOWN = language_of("en")


def found(text, most=99):
    passage = Passage({"id": "p", "title": "", "section": [], "text": text}, KNOWN)
    return candidates(passage, most)


def answers(text, kind=None):
    return {one.answer for one in found(text) if kind in (None, one.kind)}


@pytest.mark.parametrize(
    ("kind", "answer", "text"),
    [
        ("definition", "a piece of program text", "A block is a piece of program text, and a module is one as well."),
        ("definition", "a statute", "In that treaty the word refers to a statute, but not to the rules made under it."),
        ("subject", "A closed shop", "A closed shop is a place of work, and the union alone chooses who enters."),
        ("term", "SyntaxError", 'The compiler of the module raises "SyntaxError", which nothing can catch there.'),
        ("term", "free variable", "A name that is used there but not bound is a *free variable* of the block."),
        ("term", "customer", "The term “customer” covers whoever enters into a contract with a promoter."),
        ("quantity", "79 columns", "The limit of a line in the library is 79 columns, without the line's end."),
        ("quantity", "three years", "The commission keeps the records of each hearing for three years, or longer."),
        ("quantity", "$300", "The fee for the first copy of a certificate was raised to $300 by the board."),
        ("quantity", "20%", "In the last week of the strike 20% of the stations of the city had no fuel."),
        ("date", "December 31, 2010", "The exemption shall not apply to a hearing after December 31, 2010."),
        ("quantity", "415,000 square", "In a decade the area of lost forest fell to 415,000 square, or so they said."),
        ("name", "World War I", "After the end of World War I the river was open to the ships of the merchants."),
        ("date", "1777", "The name oxygen was coined in 1777 by a chemist who doubted the phlogiston theory."),
        ("name", "Government Publishing Office", "The Director of the Government Publishing Office prints the record."),
        ("name", "Treaty of Versailles", "After the war the Rhineland was subject to the Treaty of Versailles."),
        ("name", "U.S.", "The embargo caused immediate demands to look after the energy security of the U.S. at once."),
        ("clause", "because herons return when the ice breaks", "A coin of the mint carries a heron, because herons return when the ice breaks."),
        ("clause", "unless the owner objects in writing", "The office may publish the work, unless the owner objects in writing."),
        ("consequence", "the owner is told by letter", "If the fee was paid twice, the owner is told by letter."),
        ("consequence", "the oldest copy of it is removed", "When the disk is full, then the oldest copy of it is removed."),
        ("action", "keeps the records of each hearing", "The harbour commission keeps the records of each hearing."),
        ("object", "the records of each hearing", "The commission keeps the records of each hearing for years."),
        ("object", "a key", "The first object of each item becomes a key in the new dictionary."),
        ("object", "a row of figures", "The table denotes a row of figures and is kept in the vault of the bank."),
        ("object", "an oath", "In all such cases, the Director shall take an oath before the court."),
        ("object", "an integer", 'The "__hash__()" method should return an integer between zero and nine.'),
        ("subject", "the accepted keys", "For mapping types, the accepted keys should be sortable and of one type."),
        ("phrase", "the shared library file", "For a module in an extension it is the pathname of the shared library file."),
    ],
)  # fmt: skip
def test_an_answer_is_found_with_its_kind(kind, answer, text):
    assert answer in answers(text, kind)


@pytest.mark.parametrize(
    ("none", "text"),
    [
        ("4", "The authority described in section 4 covers the sale of any property of the agency."),
        ("204", "Such provisions of sections 202 through 204 are carried out by agencies of the state."),
        ("Federal", "The Archivist shall write rules on how a Federal agency must preserve its messages."),
        ("Support", "Changed in the last version: Support for parentheses has arrived in the grammar."),
        ("III", "The annual rate of pay of the Deputy is equal to the rate for level III of the schedule."),
        ("nullify", "Nothing in the agreement shall be read to nullify, void, or cancel a pending request."),
        ("f", "A decision problem can be solved in time f(n) if a machine exists that runs as long."),
        ("one", "Of the many methods that the library offers the programmer prefers that one."),
        ("August", "The assembly of the villages met in August and again in the winter of that year."),
    ],
)
def test_what_nobody_could_ask_for_is_no_answer(none, text):
    assert none not in answers(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "for_stmt ::= target_list",
        "This decides which of the records of the archive are kept for more than three years.",
        "Records are kept.",
        "x = f(1) if the value of the name is bound in 1912 by the Treaty of Versailles.",
    ],
)
def test_a_sentence_that_nothing_should_be_asked_about_gives_none(text):
    assert found(text) == []


def test_a_note_of_the_us_code_gives_none_where_its_list_is_enabled():
    text = "Pub. L. 109–163 substituted “Navy Reserve” for “Naval Reserve” in the heading and text."
    row = {"id": "p", "title": "", "section": "", "text": text}
    assert list(offered(Passage(row, language_of("en", None, ("us-code",))))) == []


TEXT = """\
The mint of Ruritania strikes silver coins in spring and copper coins in autumn. A coin that was struck in
spring carries the mark of a heron, because herons return to Ruritania in March 1912.

(a) The clerks of the river guild must keep accounts for seven years, unless the Duke of Strelsau objects.
"""


def test_the_first_ones_are_spread_over_sentences_and_kinds():
    first = found(TEXT, 3)
    assert len({one.sentence for one in first}) == len({one.kind for one in first}) == 3
    assert found(TEXT, 3) == first == found(TEXT)[:3]
    assert len(found(TEXT, 4)) == 4


def test_what_says_what_a_thing_is_is_nothing_that_it_does():
    assert not answers("The first object of each item becomes a key in the new dictionary.", "action")


def test_what_good_questions_are_asked_for_comes_before_a_bare_name():
    text = "If Rhineland is lost to the Allies of Ruritania, the treaty of the two rivers ends at once."
    assert {one.kind for one in found(text, 2)} == {"consequence", "clause"}


def test_the_mark_of_a_list_is_no_part_of_a_sentence():
    item = next(one for one in found(TEXT) if one.answer == "seven years")
    assert item.sentence.startswith("The clerks")


def test_no_answer_is_part_of_another_one_of_its_sentence():
    by_sentence = {}
    for one in found(TEXT):
        if one.kind not in WHOLE:
            by_sentence.setdefault(one.sentence, []).append(one.answer)
    for said in by_sentence.values():
        assert not [
            (one, other) for one in said for other in said if one != other and f" {one} " in f" {other} "
        ]


def test_a_candidate_survives_its_text():
    one = Candidate('a "b"', "Ünï [code].", "term")
    assert Candidate.load(one.dump()) == one


PIECES = st.sampled_from(
    ["The ", "Duke of ", "Strelsau ", "is a ", "because ", "if ", "79 ", "columns ", "in ", "March ", "1912", ". ", ", ", "\n",
     '"', "*", "`", "“", "”", "(a) ", "- ", "must ", "to ", "section 4 ", "U.S.", "名は", "。", "that ", "means ", "$", "%", "(", ")", "—"]
)  # fmt: skip


@given(st.one_of(st.text(max_size=200), st.lists(PIECES, max_size=60).map("".join)))
@settings(max_examples=150, deadline=None)
def test_every_answer_stands_in_its_sentence_and_that_in_the_passage(text):
    passage = Passage({"id": "p", "title": "", "section": [], "text": text}, KNOWN)
    taken = candidates(passage, 5)
    assert len(taken) == len(set(taken)) <= 5
    lines = {line for _, line in passage.sentences}
    for one in taken:
        assert one.answer in one.sentence
        assert one.sentence in lines
        assert passage.find(one.answer) is not None
        assert "\n" not in one.sentence
