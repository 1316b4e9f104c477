"""Sentences with planted answers: the rules mark these, and nothing that is not worth asking for."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.stages.exercises.marked.candidates import WHOLE, Candidate, candidates, offered
from datagen.stages.exercises.marked.sentence import PAUSE
from datagen.stages.shared.language.rules import language_of
from datagen.stages.shared.passage import Passage

ENGLISH = language_of("en")


def candidates_in(text, most=99):
    passage = Passage({"id": "p", "title": "", "section": [], "text": text}, ENGLISH)
    return candidates(passage, most)


def answers(text, kind=None):
    return {candidate.answer for candidate in candidates_in(text) if kind in (None, candidate.kind)}


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
def test_an_answer_is_marked_with_its_kind(kind, answer, text):
    assert answer in answers(text, kind)


@pytest.mark.parametrize(
    ("unsuitable", "text"),
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
def test_an_answer_that_nobody_would_ask_for_is_not_marked(unsuitable, text):
    assert unsuitable not in answers(text)


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
def test_an_unsuitable_sentence_has_no_candidates(text):
    assert candidates_in(text) == []


def test_a_us_code_note_has_no_candidates_if_its_word_list_is_enabled():
    text = "Pub. L. 109–163 substituted “Navy Reserve” for “Naval Reserve” in the heading and text."
    row = {"id": "p", "title": "", "section": "", "text": text}
    assert list(offered(Passage(row, language_of("en", None, ("us-code",))))) == []


TEXT = """\
The mint of Ruritania strikes silver coins in spring and copper coins in autumn. A coin that was struck in
spring carries the mark of a heron, because herons return to Ruritania in March 1912.

(a) The clerks of the river guild must keep accounts for seven years, unless the Duke of Strelsau objects.
"""


def test_the_first_candidates_are_spread_over_sentences_and_kinds():
    first = candidates_in(TEXT, 3)
    assert len({candidate.sentence for candidate in first}) == 3
    assert len({candidate.kind for candidate in first}) == 3
    assert candidates_in(TEXT, 3) == first == candidates_in(TEXT)[:3]
    assert len(candidates_in(TEXT, 4)) == 4


def test_a_verb_of_state_is_not_an_action():
    assert not answers("The first object of each item becomes a key in the new dictionary.", "action")


def test_kinds_that_make_good_questions_come_before_a_bare_name():
    text = "If Rhineland is lost to the Allies of Ruritania, the treaty of the two rivers ends at once."
    assert {candidate.kind for candidate in candidates_in(text, 2)} == {"consequence", "clause"}


def test_a_list_marker_is_not_part_of_the_sentence():
    item = next(candidate for candidate in candidates_in(TEXT) if candidate.answer == "seven years")
    assert item.sentence.startswith("The clerks")


def test_no_answer_contains_another_answer_of_its_sentence():
    by_sentence = {}
    for candidate in candidates_in(TEXT):
        if candidate.kind not in WHOLE:
            by_sentence.setdefault(candidate.sentence, []).append(f" {candidate.answer} ")
    for spans in by_sentence.values():
        assert not [(inner, outer) for inner in spans for outer in spans if inner != outer and inner in outer]


def test_a_candidate_round_trips_through_its_dump():
    candidate = Candidate('a "b"', "Ünï [code].", "term")
    assert Candidate.load(candidate.dump()) == candidate


PIECES = st.sampled_from(
    ["The ", "Duke of ", "Strelsau ", "is a ", "because ", "if ", "79 ", "columns ", "in ", "March ", "1912", ". ", ", ", "\n",
     '"', "*", "`", "“", "”", "(a) ", "- ", "must ", "to ", "section 4 ", "U.S.", "名は", "。", "that ", "means ", "$", "%", "(", ")", "—"]
)  # fmt: skip


@given(st.one_of(st.text(max_size=200), st.lists(PIECES, max_size=60).map("".join)))
@settings(max_examples=150, deadline=None)
def test_every_answer_occurs_in_its_sentence_and_every_sentence_in_the_passage(text):
    passage = Passage({"id": "p", "title": "", "section": [], "text": text}, ENGLISH)
    selected = candidates(passage, 5)
    assert len(selected) == len(set(selected)) <= 5
    lines = {line for _, line in passage.sentences}
    for candidate in selected:
        assert candidate.answer in candidate.sentence
        assert candidate.sentence in lines
        assert passage.find(candidate.answer) is not None
        assert "\n" not in candidate.sentence


@pytest.mark.timeout(30)
def test_a_long_run_of_marks_takes_linear_time():
    assert not PAUSE.search("Wait" + "!" * 500_000 + " here")
