"""Sentence splitting on cases that need more than a full stop, and on any text."""

import re
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.stages.shared.segment.sentences import END, IDENTIFIER, is_sentence, split_sentences, unwrap


def cut(text):
    return [unwrap(text[start:end]) for start, end in split_sentences(text)]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Rain fell. Dr. Ames stayed in.", ["Rain fell.", "Dr. Ames stayed in."]),
        ("It is U.S. law. See No. 5 and sec. 3(a).", ["It is U.S. law.", "See No. 5 and sec. 3(a)."]),
        ("The answer is no. Ask again!", ["The answer is no.", "Ask again!"]),
        ("Tools, e.g. a saw, help. J. R. Hale sold it.", ["Tools, e.g. a saw, help.", "J. R. Hale sold it."]),
        ("Salt etc. is sold here. Pay 3.50 at most.", ["Salt etc. is sold here.", "Pay 3.50 at most."]),
        ("See Section 4.2.13. The rest follows.", ["See Section 4.2.13.", "The rest follows."]),
        ('He said "stop." Then (as told) we left.', ['He said "stop."', "Then (as told) we left."]),
        ("Ist es so? Ja, z.B. nach Abs. 3 bzw. Nr. 4.", ["Ist es so?", "Ja, z.B. nach Abs. 3 bzw. Nr. 4."]),
        ("ABSCHNITT 2. Der Antrag", ["ABSCHNITT 2. Der Antrag"]),
        ("Abb. 3. Die Pumpe läuft ca. 20 Minuten.", ["Abb. 3. Die Pumpe läuft ca. 20 Minuten."]),
        ("SEC. 203. The fee. It lasts approx. 3 days.", ["SEC. 203. The fee.", "It lasts approx. 3 days."]),
        ("Wirklich… Vielleicht.", ["Wirklich…", "Vielleicht."]),
        ("今日は雨です。明日は晴れ！本当？はい。", ["今日は雨です。", "明日は晴れ！", "本当？", "はい。"]),
        ("他说：“走吧。”我们走了。", ["他说：“走吧。”我们走了。"]),
        ("यह पहला है। यह दूसरा है।", ["यह पहला है।", "यह दूसरा है।"]),
        ("هل هذا صحيح؟ نعم.", ["هل هذا صحيح؟", "نعم."]),
    ],
)
def test_sentences_end_where_readers_expect(text, sentences):
    assert cut(text) == sentences


BEFORE = re.compile(  # without the guard against runs of marks
    r"[.!?…؟۔।。！？｡](?:(?<=[.!?…؟۔।])[.!?…؟۔।]*[\"'”’»)\]]*(?=\s)"
    rf"(?!\s+(?!{IDENTIFIER})[a-z])|(?<=[。！？｡])[。！？｡]*[”’」』）】]*)"
)


@given(st.text(st.sampled_from(list('..!?。！’”)"] \n\taA_')), max_size=30))
def test_the_guard_against_runs_of_marks_changes_no_end(text):
    assert [match.span() for match in END.finditer(text)] == [match.span() for match in BEFORE.finditer(text)]


@pytest.mark.slow
@pytest.mark.parametrize(
    "mark", [".", "!", "…", "。", ".。", '."', "?)", ". ", "i.", "(i)", "c)", "1.", "(c)."]
)
@pytest.mark.parametrize("before", ["a", ""])
def test_a_text_of_marks_takes_linear_time(mark, before):
    """In quadratic time these would take hours, in exponential time years."""
    text = before + mark * 100_000 + "b"
    assert split_sentences(text)[0][0] == 0


def test_wrapped_paragraphs_are_joined_but_not_headings_items_code_and_tables():
    text = """\
Keeping bees in the north
*************************

A hive that stands in the wind loses warmth, and a colony that is
cold eats more than it brings home.  It should face south, e.g.
towards a hedge.

1. Lift the lid slowly and look at the frames one after another
   before you decide.
2. Close it again.

   for frame in hive:
       frame.turn()

| Month | Honey in kg per hive, as an average of ten years |
| ----- | ------------------------------------------------ |
| May   | 4 and sometimes 5 in a year with an early spring |
"""
    spans = cut(text)
    assert spans[:3] == [
        "Keeping bees in the north",
        "*************************",
        "A hive that stands in the wind loses warmth, and a colony that is cold eats more than it brings home.",
    ]
    assert "It should face south, e.g. towards a hedge." in spans
    assert "1. Lift the lid slowly and look at the frames one after another before you decide." in spans
    assert "2. Close it again." in spans
    assert "frame.turn()" in spans
    assert sum(line.startswith("|") for line in spans) == 3
    prose = [sentence for sentence in spans if is_sentence(sentence)]
    assert prose == [spans[2], "It should face south, e.g. towards a hedge."]


def test_long_lines_are_separate_paragraphs():
    heading, body = (
        "§ 12. Notice of sale to the register",
        "The seller shall tell the register within ten days of it.",
    )
    assert cut(f"{heading}\n{body}") == [heading, body]


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("The lamp is lit.", True),
        ("“Lamp” means anything that gives light.", True),
        ('"open()" returns a file.', True),
        ("灯亮了。", True),
        ("(The lamp is lit.)", True),
        ("the lamp is lit.", False),
        ("The lamp is lit", False),
        ("The lamp (which is lit.", False),
        ("The “lamp is lit.", False),
        ("lamp_stmt ::= 'lamp' expression.", False),
        ("§ 3(b), 63 Stat. 807, 12 U.S.C. 5(2), 8.", False),
        ("x = lamp.", False),
        ("", False),
    ],
)
def test_prose_is_distinguished_from_other_spans(text, verdict):
    assert is_sentence(text) is verdict


def test_unwrapping_handles_hyphens_and_scripts_without_blanks():
    assert unwrap("an implementation-\n   dependent   length") == "an implementation-dependent length"
    assert unwrap("他们在北方\n养蜜蜂。") == "他们在北方养蜜蜂。"
    assert unwrap(" a\n b ") == "a b"


WORDS = st.sampled_from(
    ["Go", "no.", "3.", "(a)", "“Hm.”", "e.g.", "。", "\n", "\n\n", "- ", "Dr.", "x", "!", "\t", "雨", "|"]
)


@given(st.one_of(st.text(), st.lists(WORDS, max_size=40).map(" ".join)))
def test_every_character_is_in_exactly_one_span(text):
    spans = split_sentences(text)
    assert all(start < end for start, end in spans)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))
    assert "".join("".join(text[start:end].split()) for start, end in spans) == "".join(text.split())
    assert all(text[start:end].strip() == text[start:end] for start, end in spans)


LABELLED = Path(__file__).parents[3] / "data" / "sentences.txt"


def labelled():
    lines = LABELLED.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if not line.startswith("# ")]


@pytest.mark.parametrize("line", labelled())
def test_labelled_sentences(line):
    text = line.replace("‖ ", "").replace("‖", "")
    expected = [part.strip() for part in line.split("‖")]
    assert [text[start:end] for start, end in split_sentences(text)] == expected


@pytest.mark.timeout(30)
def test_a_long_run_of_blanks_takes_linear_time():
    assert unwrap("a" + " " * 500_000 + "b\nc") == "a b c"
