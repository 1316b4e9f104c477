"""The word tokenizer and its variants, in languages of many scripts."""

import re
import unicodedata

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.scripts import EXTENDERS, SCRIPTS, STACKERS, characters, letter, marks
from datagen.stages.shared.language.columns import words as columns
from datagen.stages.shared.language.words import ANSWERS, COMPOUND, WORDS, count, edges

# A phrase in each language, with its words.
PHRASES = {
    "English": ("The clause’s rule: don't use 3.11", "the clause's rule don't use 3.11"),
    "German": ("Straßen-Verkehr für 1.000 Äpfel", "strassen verkehr für 1.000 äpfel"),
    "French": ("l’État, c'est à dire", "l'état c'est à dire"),
    "French, decomposed": ("e\u0301te\u0301 a\u0300", "e\u0301te\u0301 a\u0300"),
    "Vietnamese": ("Tiếng Việt có thanh điệu.", "tiếng việt có thanh điệu"),
    "Turkish": ("İstanbul'da çok güzel", "i\u0307stanbul'da çok güzel"),
    "Finnish": ("Yötyö on pitkä.", "yötyö on pitkä"),
    "Greek": ("Η Αθήνα είναι", "η αθήνα είναι"),
    "Russian": ("Длина стены – 8 км", "длина стены 8 км"),
    "Hebrew": ("שָׁלוֹם עולם", "שָׁלוֹם עולם"),
    "Arabic": ("اللُّغَةُ العَرَبِيَّة، ١٢", "اللُّغَةُ العَرَبِيَّة ١٢"),
    "Persian": ("می\u200cخواهم بروم", "میخواهم بروم"),
    "Hindi": ("हिन्दी में क्षत्रिय।", "हिन्दी में क्षत्रिय"),
    "Bengali": ("বাংলা ভাষা", "বাংলা ভাষা"),
    "Gujarati": ("ગુજરાતી ભાષા", "ગુજરાતી ભાષા"),
    "Tamil": ("தமிழ் மொழி", "தமிழ் மொழி"),
    "Telugu": ("తెలుగు భాష", "తెలుగు భాష"),
    "Kannada": ("ಕನ್ನಡ ಭಾಷೆ", "ಕನ್ನಡ ಭಾಷೆ"),
    "Malayalam": ("മലയാളം ഭാഷ", "മലയാളം ഭാഷ"),
    "Sinhala": ("සිංහල භාෂාව", "සිංහල භාෂාව"),
    "Tibetan": ("བོད་སྐད", "བོད སྐད"),
    "Thai": ("ที่น้ำป็น ๑๒", "ที่ น้ำ ป็ น ๑๒"),
    "Lao": ("ນ້ຳໃຈ", "ນ້ຳ ໃ ຈ"),
    "Khmer": ("ខ្ញុំស្រលាញ់។ ១២៣", "ខ្ញុំ ស្រ លា ញ់ ១២៣"),
    "Burmese": ("မြန်မာ၊ သတ္တု ၁၂", "မြ န် မာ သ တ္တု ၁၂"),
    "Chinese": ("长城全长8851.8公里。", "长 城 全 长 8851.8 公 里"),
    "Japanese": ("東京タワーは高い", "東 京 タ ワ ー は 高 い"),
    "Korean": ("한국어 단어, 셋", "한국어 단어 셋"),
    "Georgian": ("ქართული ენა", "ქართული ენა"),
    "Amharic": ("አማርኛ ቋንቋ።", "አማርኛ ቋንቋ"),
    "Armenian": ("Հայոց լեզու", "հայոց լեզու"),
}
ASSIGNED = st.characters(exclude_categories=("Cn", "Cs", "Co"))
UNICODE = st.text(
    st.one_of(
        ASSIGNED,
        st.sampled_from([chr(code) for script in SCRIPTS for code in script.letters[0]]),
        st.sampled_from("aé1.,'’-_ \u0301\u200d\u0e33" + STACKERS),
    ),
    max_size=40,
)


@pytest.mark.parametrize("language", PHRASES)
def test_the_words_of_a_language(language):
    text, words = PHRASES[language]
    assert WORDS(text) == words.split()
    assert count(pa.array([text])).to_pylist() == [len(words.split())]


@pytest.mark.parametrize("language", PHRASES)
def test_no_variant_separates_a_letter_from_its_marks(language):
    text, _ = PHRASES[language]
    for word in (*WORDS(text), *ANSWERS(text), *COMPOUND(text), *columns(pa.array([text])).of(0)):
        assert unicodedata.category(word[0])[0] != "M", word
        assert word[-1] not in STACKERS, word


@pytest.mark.parametrize(
    "language", ["Hindi", "Thai", "Khmer", "Burmese", "Lao", "Tamil", "Arabic", "Chinese"]
)
def test_the_variants_agree_without_numbers_and_apostrophes(language):
    text = "".join(letter for letter in PHRASES[language][0] if not letter.isdigit() and letter != ".")
    assert WORDS(text) == COMPOUND(text) == ANSWERS(text) == columns(pa.array([text])).of(0)


def test_differences_between_the_variants():
    text = "It's 2.5% of state-of-the-art, -5 and/or 1,000 in the U.S"
    assert WORDS(text) == [
        "it's",
        "2.5",
        "of",
        "state",
        "of",
        "the",
        "art",
        "5",
        "and",
        "or",
        "1,000",
        "in",
        "the",
        "u",
        "s",
    ]
    assert ANSWERS(text) == [
        "it",
        "s",
        "2.5",
        "%",
        "of",
        "state",
        "of",
        "the",
        "art",
        "-5",
        "and",
        "or",
        "1000",
        "in",
        "the",
        "u",
        "s",
    ]
    assert COMPOUND(text) == [
        "it's",
        "2.5",
        "of",
        "state-of-the-art",
        "5",
        "and/or",
        "1,000",
        "in",
        "the",
        "u.s",
    ]
    assert columns(pa.array([text]), symbols=False).of(0) == (
        [
            "it",
            "s",
            "2",
            "5",
            "of",
            "state",
            "of",
            "the",
            "art",
            "5",
            "and",
            "or",
            "1",
            "000",
            "in",
            "the",
            "u",
            "s",
        ]
    )


def test_a_soft_hyphen_or_a_joiner_does_not_split_a_word():
    assert WORDS("Ge\u00adbühr") == ["gebühr"]
    assert ANSWERS("क्\u200dष") == ["क्ष"]


@given(UNICODE)
def test_words_and_gaps_add_up_to_the_text(text):
    for variant in (WORDS, ANSWERS, COMPOUND):
        spans = variant.spans(text)
        ends = [0, *(end for _, end in spans)]
        starts = [*(start for start, _ in spans), len(text)]
        gaps = [text[end:start] for end, start in zip(ends, starts, strict=True)]
        words = [text[start:end] for start, end in spans]
        assert gaps[0] + "".join(word + gap for word, gap in zip(words, gaps[1:], strict=True)) == text
        assert all(words)
        # Every letter or digit is in a word, and a mark is never separated from its letter.
        assert not any(letter.isalnum() for gap in gaps for letter in gap)
        assert not any(
            before and gap and unicodedata.category(gap[0])[0] == "M"
            for before, gap in zip(words, gaps[1:], strict=True)
        )


@given(st.lists(UNICODE, max_size=4))
def test_a_column_has_as_many_words_as_its_texts(texts):
    assert count(pa.array(texts, pa.string())).to_pylist() == [len(WORDS.spans(text)) for text in texts]


@given(st.lists(st.text(st.sampled_from("ab1_ ,.'’“—–\u2028٣é²"), max_size=12), max_size=4))
def test_punctuation_does_not_change_how_a_column_is_counted(texts):
    assert count(pa.array(texts, pa.string())).to_pylist() == [len(WORDS.spans(text)) for text in texts]


MARK = f"[{characters(marks())}{EXTENDERS}]"


SIDE = st.text(st.sampled_from("aé_1Ж² -“巴\u0301\u093f\u0e33\u17d2"), max_size=3)


@given(SIDE, st.sampled_from(["ab", "-", "巴", "é"]), SIDE)
def test_edges_see_every_letter_and_mark_around_a_quote(left, quote, right):
    text, opens = left + quote + right, quote in ("ab", "é")
    before, after = edges(quote, "".join(set(text)))
    expected = (
        (rf"(?<!{letter()})(?<!{MARK})" if opens else "")
        + re.escape(quote)
        + rf"(?!{MARK})"
        + (rf"(?!{letter()})" if opens else "")
    )
    found = [match.span() for match in re.finditer(before + re.escape(quote) + after, text)]
    assert found == [match.span() for match in re.finditer(expected, text)]


@given(st.text())
def test_any_text_can_be_tokenized(text):
    for variant in (WORDS, ANSWERS, COMPOUND):
        assert all(variant(text))
