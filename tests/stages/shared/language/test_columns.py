"""Words of a column: where capitals of non-ASCII texts get their marks."""

import re
import sys
import unicodedata
from functools import cache
from unittest import mock

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from datagen.stages.shared.language import columns
from datagen.stages.shared.language.columns import MARKED, NAME, OPENING, SMALL, words

TEXTS = st.text(st.sampled_from("abÄÉΩ𐐀Ⓐ7 ,;)'’-_.\n\x02漢"), max_size=12) | st.text(max_size=20)


@cache
def by_pattern() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Define the marks by regular expressions, which are too slow for a corpus."""
    letters = map(chr, range(sys.maxunicode))
    capital = f"(?=[{''.join(letter for letter in letters if letter.isupper() and letter.isalpha())}])"
    inside = rf"(?:(?<=[^\W_] )|(?<=[^\W_][,;)] )|(?<=[^\W_]['’])){capital}"
    return re.compile(inside), re.compile(rf"(?<![\w{MARKED[NAME]}'’-]){capital}")


@given(st.lists(TEXTS, max_size=5), st.sampled_from([0, 10, 2**17]))
def test_the_marks_are_those_of_the_regular_expressions(texts, block):
    inside, opening = by_pattern()
    with mock.patch.object(columns, "BLOCK", block):  # characters processed together
        marked = list(columns._marked(texts))
    assert marked == [opening.sub(MARKED[OPENING], inside.sub(MARKED[NAME], text)) for text in texts]


def test_a_capital_inside_a_sentence_is_a_name_in_any_alphabet():
    cut = words(pa.array(["Die alte Ärztin. Über Österreich, Ungarn", "plain Ascii Text"]), cased=True)
    assert cut.of(0) == ["die", "alte", "ärztin", "über", "österreich", "ungarn"]
    assert cut.capitals is not None
    assert cut.capitals.tolist()[:6] == [OPENING, SMALL, NAME, OPENING, NAME, NAME]


PUNCTUATED = st.text(
    st.sampled_from(f"abABéÄ7 ,;)(-'!:=._+\n\x02{columns.SEPARATORS}\u00a0\u00ad…漢"), max_size=15
)


@given(st.lists(PUNCTUATED, max_size=5), st.booleans(), st.booleans())
def test_texts_with_punctuation_beyond_ascii_have_the_words_of_other_texts(texts, symbols, cased):
    column = pa.array(texts, pa.string())
    found = words(column, symbols, cased)
    with mock.patch.object(columns, "FOREIGN", r"[^\x00-\x7f]"):  # all are folded
        expected = words(column, symbols, cased)
    assert found.words.equals(expected.words)
    assert found.lengths.tolist() == expected.lengths.tolist()
    if cased:
        assert found.capitals.tolist() == expected.capitals.tolist()


def test_separators_are_punctuation_that_no_folding_changes():
    for sign in columns.SEPARATORS:
        assert unicodedata.category(sign)[0] == "P" and unicodedata.normalize("NFKC", sign) == sign


@given(st.lists(PUNCTUATED | st.none(), max_size=8), st.booleans(), st.booleans(), st.integers(1, 20))
def test_words_do_not_depend_on_how_many_texts_are_cut_at_once(texts, symbols, cased, block):
    column = pa.array(texts, pa.string())
    whole = words(column, symbols, cased)
    with mock.patch.object(columns, "BLOCK", block):
        cut = words(column, symbols, cased)
    one_by_one = [
        word for text in texts for word in words(pa.array([text], pa.string()), symbols).words.to_pylist()
    ]
    assert cut.words.to_pylist() == whole.words.to_pylist() == one_by_one
    assert cut.lengths.tolist() == whole.lengths.tolist()
    if cased:
        assert cut.capitals.tolist() == whole.capitals.tolist()
