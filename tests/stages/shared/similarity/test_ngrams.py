"""Words of columns, and their n-grams."""

from unittest import mock

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.stages.shared.language.columns import words
from datagen.stages.shared.similarity.ngrams import ngrams


@pytest.mark.parametrize(
    ("text", "cut", "bare"),
    [
        ("The “Court” held: not so!", "the court held not so", "the court held not so"),
        ("a - b != a+b; x := -1.5", "a - b != a + b x := - 1 5", "a b a b x 1 5"),
        (
            "co-operate, `f(x)[0]`, C++ and C#",
            "co operate f ( x )[ 0 ] c ++ and c #",
            "co operate f x 0 c and c",
        ),
        ("__init__ ﬁne Ｗｉｄｅ STRASSE straße", "__init__ fine wide strasse strasse", None),
        ("我爱北京，カタカナ", "我 爱 北 京 カ タ カ ナ", None),
        ("“العربية” لغة، جميلة؟", "العربية لغة جميلة", None),
        ("हिन्दी भाषा।", "हिन्दी भाषा", None),
        ("soft\u00adhyphen zero\u200bwidth", "softhyphen zerowidth", None),
        (" …?! \n", "", ""),
        ("", "", ""),
        (None, "", ""),
    ],
)
def test_words(text, cut, bare):
    column = pa.array(["before", text, "after"], pa.string())
    assert words(column).texts() == ["before", cut, "after"]
    assert words(column, symbols=False).texts()[1] == (cut if bare is None else bare)
    assert words(column).of(1) == cut.split()


@pytest.mark.parametrize("symbols", [True, False])
@given(st.text("abZ9 -!:=<>_()[].,\n", max_size=20))
def test_a_non_ascii_character_does_not_change_other_words(symbols, text):
    plain, marked = words(pa.array([f"{text} e", f"{text} é"]), symbols).texts()
    assert plain == marked.replace("é", "e")


TEXTS = st.lists(st.lists(st.sampled_from(["ab", "cd", "ef", "是"]), max_size=7), max_size=6)


@given(TEXTS, st.integers(1, 5), st.integers(0, 3), st.sampled_from([1, 4, 2**17]))
def test_ngrams_do_not_cross_texts(texts, n, salt, block):
    cut = words(pa.array([" ".join(text) for text in texts], pa.string()))
    with mock.patch("datagen.stages.shared.similarity.ngrams.BLOCK", block):  # words hashed at once
        hashes, starts = ngrams(cut.hashes, cut.lengths, n, salt)
    runs = [tuple(text[place : place + n]) for text in texts for place in range(len(text) - n + 1)]
    flat = [word for text in texts for word in text]
    assert [tuple(flat[start : start + n]) for start in starts] == runs
    assert len(set(hashes.tolist())) == len(set(runs)) == len(set(zip(hashes.tolist(), runs, strict=True)))


@given(TEXTS)
def test_count(texts):
    cut = words(pa.array([" ".join(text) for text in texts], pa.string()))
    assert cut.count("^ab$").tolist() == [text.count("ab") for text in texts]
