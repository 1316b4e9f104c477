"""Evidence in its passage."""

from hypothesis import given
from hypothesis import strategies as st

from datagen.report.evidence import excerpt, spans

TEXT = st.text(st.sampled_from("ab .*\n\t([\\"), max_size=30)


@given(TEXT, TEXT)
def test_the_parts_of_a_passage_add_up_to_it(passage, evidence):
    cut = spans(passage, evidence)
    assert "".join(text for text, _ in cut) == passage
    marked = [text for text, mark in cut if mark]
    assert len(marked) <= 1
    assert all(text.split() == evidence.split() for text in marked)


def test_line_breaks_do_not_hide_evidence():
    assert spans("One two\n  three. Four", "two three.") == [
        ("One ", False),
        ("two\n  three.", True),
        (" Four", False),
    ]
    assert spans("One two", "two one") == [("One two", False)]
    assert spans("One two", None) == spans("One two", " ") == [("One two", False)]


def test_an_excerpt_keeps_the_evidence_and_its_surroundings():
    cut = [("a" * 500, False), ("b" * 20, True), ("c" * 500, False)]
    assert excerpt(cut, 10) == [("… " + "a" * 10, False), ("b" * 20, True), ("c" * 10 + " …", False)]
    assert excerpt([("a" * 500, False)], 10) == [("a" * 20 + " …", False)]
    assert excerpt([("a", False)], 10) == [("a", False)]
