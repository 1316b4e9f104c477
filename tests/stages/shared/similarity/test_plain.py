"""Markup and look-alike letters that are removed before comparison."""

import re

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.stages.shared.similarity.plain import MARKDOWN, NUMBERS, in_one_alphabet, plain


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("# Fees\n\nThe **fee** is *due* in `May`.", "Fees\n\nThe fee is due in `May`."),
        ("Fees\n====\n\nDue in May.", "Fees\n\n\nDue in May."),
        ("Fees\n-----\n", "Fees\n\n"),
        ("  ^^^^^ \nFees", "\nFees"),
        ("- one\n* two\n+ three", "one\ntwo\nthree"),
        ("> The court held", "The court held"),
        ("see [the act](https://example.org/act) now", "see the act now"),
        ("an _old_ and __very old__ ~~rule~~", "an old and very old rule"),
        ("**a** **b** *c*", "a b c"),
        ("the аgеncy", "the agency"),
        ("10² m, 10⁻⁶ m, m² and 2½", "10^² m, 10^⁻⁶ m, m² and 2 ½"),  # not 102 or 21/2
        ("Тhe Οffice", "The Office"),
        (
            "It is а fact that the fee is due",
            "It is a fact that the fee is due",
        ),  # a Cyrillic word of one letter
    ],
)
def test_markup_and_look_alike_letters_are_removed(text, left):
    assert plain(pa.array([text, None])).to_pylist() == [left, None]


@pytest.mark.parametrize(
    "text",
    [
        "2 ** 3 is 8",
        "f(*args, **kwargs)",
        "__init__ and _name",
        "a_b_c",
        "C# and F#",
        "x[0](y)",
        "p > 4",
        "-5 degrees",
        "a == b",
        "if x ===\n  y",
        "rm -rf -- x",
        ">>> x\n==",
        "run it with -c",
        "Суд решил, что плата взимается",
        "Слово API в тексте",
        "α and β",
    ],
)
def test_operators_names_and_other_scripts_are_kept(text):
    assert plain(pa.array([text])).to_pylist() == [text]


@pytest.mark.timeout(30)
def test_a_long_word_takes_linear_time():
    """Such as a sequence of DNA."""
    assert plain(pa.array(["zа" + "z" * 300_000])).to_pylist() == ["za" + "z" * 300_000]


def plain_in_full(texts):
    """Apply every replacement to every text."""
    column = pa.array(texts, pa.string())
    for _, pattern, by in MARKDOWN:
        column = pc.replace_substring_regex(column, pattern, by)
    for pattern, by in NUMBERS:
        column = pc.replace_substring_regex(column, pattern, by)
    return [in_one_alphabet(text) if re.search("[A-Za-z]", text) else text for text in column.to_pylist()]


NARROW = [*"#*_~>[](-+=`\n\t abZ9.’“—", "](/x)", "__", "~~", "***", "---", "\n# ", "https:", "_A b_"]


def texts_of(signs):
    return st.lists(st.lists(st.sampled_from(signs), max_size=25).map("".join), max_size=5)


@given(texts_of([*NARROW, *"²½⅓аοé"]) | texts_of(NARROW))
def test_texts_without_a_sign_need_not_be_searched_for_its_markup(texts):
    assert plain(pa.array(texts, pa.string())).to_pylist() == plain_in_full(texts)
