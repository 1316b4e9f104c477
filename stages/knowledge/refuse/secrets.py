"""
Whether a text reveals an answer, and whether a guess is the answer in another form.

The fixed sentences of a refusal reveal an answer that they contain. A title is chosen by the document's
author, so it is compared loosely: it must share no word with the answer in any form (inflected, part of a
compound, in another spelling), no number, and no abbreviation, and must not be a possible synonym. Other
sentences remain for the refusal.

A guess is compared less loosely: another number, or another person of the same name, is a wrong guess.
"""

import re
import unicodedata
from functools import cache, lru_cache

from rapidfuzz.distance import Levenshtein

from datagen.stages.shared.language.matching import words
from datagen.stages.shared.language.rules import Language
from datagen.stages.shared.similarity.critical_words import numerals

PREFIX, SHARE = 3, 0.6  # letters, and share of the shorter word, with which forms of one word begin
COMPOUND = 5  # letters of a word inside a compound
NUMERAL = 4  # letters of a numeral inside a word: "zwanzig" in "zweiundzwanzig"
NAME = 3  # maximum words, without stop words, of a title or an answer that is a name or a term
ABBREVIATION = re.compile(r"\b[A-Z]{2,6}\b")
DIGIT = re.compile(r"\d")
ORDINAL = re.compile(r"(\d+)(?:st|nd|rd|th)")
SPELLED = 4  # letters of words that are alike if one letter differs: gray and grey
TRANSCRIBED = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss"})


def contains(text: str, answer: str, language: Language) -> bool:
    """Test whether a text contains the words of an answer."""
    return _line(answer, language) in _line(text, language)


def reveals(title: str, answer: str, language: Language) -> bool:
    """Test whether a title shares a word, a number or an abbreviation with an answer, or is part of it."""
    if contains(title, answer, language) or contains(answer, title, language):
        return True
    title_words, answer_words = _content(title, language), _content(answer, language)
    sides = (answer_words, title_words)
    if all(any(_is_number(word, language) for word in side) for side in sides):
        return True
    if any(_alike(one, other, language) for one in answer_words for other in title_words):
        return True
    transcribed = [{*_content(text.translate(TRANSCRIBED), language)} for text in (title, answer)]
    if transcribed[0] & transcribed[1]:
        return True
    return _abbreviated(title, answer) or _abbreviated(answer, title)


def may_paraphrase(title: str, answer: str, question: str, language: Language) -> bool:
    """
    Test whether a title may be another word for an answer: "Automobiles" for "cars".

    No list has all synonyms, so every title of up to `NAME` words may be one of an answer of up to `NAME`
    words, unless the question has one of its words: then it is what the question is about. A title without a
    number is no synonym of an answer with one.
    """
    in_title, in_answer, asked = (_content(text, language) for text in (title, answer, question))
    if len(in_title) > NAME or len(in_answer) > NAME:
        return False
    if any(_is_number(word, language) for word in in_answer):
        return False
    return not any(_inflected(one, other, language) for one in in_title for other in asked)


def same(guess: str, answer: str, language: Language) -> bool:
    """
    Test whether a guess may be the answer in another form.

    It is if one abbreviates the other, if both have the same letters, or if it has the answer's numbers, and
    all other words of the answer in any form, in any order. Stop words are ignored.
    """
    if _abbreviated(guess, answer) or _abbreviated(answer, guess):
        return True
    if "".join(_content(guess, language)) == "".join(_content(answer, language)) != "":
        return True
    digits = _numerals(language)
    mine, theirs = (
        [ORDINAL.sub(r"\1", digits.get(word, word)) for word in _content(text, language)]
        for text in (guess, answer)
    )
    numbers = [{word for word in side if DIGIT.search(word)} for side in (mine, theirs)]
    others = [word for word in theirs if not DIGIT.search(word)]
    return (
        bool(theirs)
        and numbers[0] == numbers[1]
        and all(any(_inflected(word, other, language) for other in mine) for word in others)
    )


@lru_cache(maxsize=4096)
def _line(text: str, language: Language) -> str:
    """Return the words of a text between spaces, so that phrases match whole words only."""
    return f" {' '.join(words(text, language=language))} "


@lru_cache(maxsize=4096)
def _content(text: str, language: Language) -> tuple[str, ...]:
    """Return the distinct words of a text that are not stop words, without accents."""
    spaced = " ".join(words(_plain(text), language.stop, language=language))
    return tuple(dict.fromkeys(re.findall(r"[^\W_]+", spaced)))


def _plain(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.replace("ß", "ss"))
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))


@cache
def _numerals(language: Language) -> dict[str, str]:
    """Map numbers written as words, without accents, to digits, or to themselves if these are unknown."""
    listed = {word: word for word in language.numerals} | numerals()
    return {_plain(word): digits for word, digits in listed.items()}


def _is_number(word: str, language: Language) -> bool:
    """Test whether a word has a digit or is a number, also within a compound."""
    return bool(DIGIT.search(word)) or any(
        numeral == word or (len(numeral) >= NUMERAL and numeral in word) for numeral in _numerals(language)
    )


def _alike(one: str, other: str, language: Language) -> bool:
    """Test whether two words are forms or spellings of one word, or one is part of the other."""
    shorter, longer = sorted((one, other), key=len)
    stem = language.stem(shorter)
    if stem == language.stem(longer) or (len(stem) >= COMPOUND and stem in longer):
        return True
    if _one_letter(shorter, longer):
        return True
    common = next(
        (at for at, (a, b) in enumerate(zip(shorter, longer, strict=False)) if a != b), len(shorter)
    )
    return common >= max(PREFIX, SHARE * len(shorter))


def _inflected(one: str, other: str, language: Language) -> bool:
    """Test whether two words are forms of one word, or spellings that differ in a letter."""
    stems = sorted((language.stem(one), language.stem(other)), key=len)
    return stems[0] == stems[1] or _one_letter(one, other)


def _one_letter(one: str, other: str) -> bool:
    """Test whether two words without digits differ in one letter after the first."""
    return (
        min(len(one), len(other)) >= SPELLED
        and one[0] == other[0]
        and not DIGIT.search(one + other)
        and Levenshtein.distance(one, other, score_cutoff=1) <= 1
    )


def _abbreviated(text: str, name: str) -> bool:
    """Test whether a text has an abbreviation of a name: "USA" of "United States"."""
    initials = "".join(word[0] for word in re.findall(r"\w+", name) if word[0].isupper())
    return len(initials) > 1 and any(
        initials in abbreviation or abbreviation in initials for abbreviation in ABBREVIATION.findall(text)
    )
