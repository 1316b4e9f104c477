"""
Whether a text reveals an answer.

The fixed sentences of a refusal reveal an answer that they contain. A title is chosen by the document's
author, so it is compared loosely: it must share no word with the answer in any form (inflected, part of a
compound, in another spelling), no number, and no abbreviation. Other sentences remain for the refusal.
"""

import re
import unicodedata
from functools import lru_cache

from datagen.stages.shared.language.matching import words
from datagen.stages.shared.language.rules import Language
from datagen.stages.shared.similarity.meaning import numerals

PREFIX, SHARE = 3, 0.6  # letters, and share of the shorter word, with which forms of one word begin
COMPOUND = 5  # letters of a word inside a compound
NUMERAL = 4  # letters of a numeral inside a word: "zwanzig" in "zweiundzwanzig"
ABBREVIATION = re.compile(r"\b[A-Z]{2,6}\b")
DIGIT = re.compile(r"\d")


def contains(text: str, answer: str, language: Language) -> bool:
    """Test whether a text contains the words of an answer."""
    return _line(answer, language) in _line(text, language)


def reveals(title: str, answer: str, language: Language) -> bool:
    """Test whether a title shares a word, a number or an abbreviation with an answer, or is part of it."""
    if contains(title, answer, language) or contains(answer, title, language):
        return True
    title_words, answer_words = _content(title, language), _content(answer, language)
    if any(map(_is_number, answer_words)) and any(map(_is_number, title_words)):
        return True
    if any(_alike(one, other, language) for one in answer_words for other in title_words):
        return True
    return _abbreviated(title, answer) or _abbreviated(answer, title)


@lru_cache(maxsize=4096)
def _line(text: str, language: Language) -> str:
    """Return the words of a text between spaces, so that phrases match whole words only."""
    return f" {' '.join(words(text, language=language))} "


@lru_cache(maxsize=4096)
def _content(text: str, language: Language) -> tuple[str, ...]:
    """Return the distinct words of a text that are not stop words, without accents."""
    plain = unicodedata.normalize("NFKD", text.replace("ß", "ss"))
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return tuple(
        dict.fromkeys(re.findall(r"[^\W_]+", " ".join(words(plain, language.stop, language=language))))
    )


def _is_number(word: str) -> bool:
    """Test whether a word has a digit or is a number, also within a compound."""
    listed = numerals()
    return bool(DIGIT.search(word)) or any(
        numeral == word or (len(numeral) >= NUMERAL and numeral in word) for numeral in listed
    )


def _alike(one: str, other: str, language: Language) -> bool:
    """Test whether two words are forms or spellings of one word, or one is part of the other."""
    shorter, longer = sorted((one, other), key=len)
    stem = language.stem(shorter)
    if stem == language.stem(longer) or (len(stem) >= COMPOUND and stem in longer):
        return True
    common = next(
        (at for at, (a, b) in enumerate(zip(shorter, longer, strict=False)) if a != b), len(shorter)
    )
    return common >= max(PREFIX, SHARE * len(shorter))


def _abbreviated(text: str, name: str) -> bool:
    """Test whether a text has an abbreviation of a name: "USA" of "United States"."""
    initials = "".join(word[0] for word in re.findall(r"\w+", name) if word[0].isupper())
    return len(initials) > 1 and any(
        initials in abbreviation or abbreviation in initials for abbreviation in ABBREVIATION.findall(text)
    )
