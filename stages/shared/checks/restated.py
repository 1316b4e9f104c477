"""
Whether a text that restates another keeps what decides its truth: numbers, negations and conditions.

Most words of "It ends in autumn, unless the owner objects" are also in "It never ends in autumn": a share of
words cannot show that a rewritten answer says the same.
"""

import re
import unicodedata

from datagen.request import Reject
from datagen.stages.shared.checks.entailment import verdict
from datagen.stages.shared.checks.form import sentences
from datagen.stages.shared.language.rules import Language
from datagen.stages.shared.language.words import NUMBER, words_of
from datagen.stages.shared.passage import Passage, overlap, phrase_in

SHORTEST = 2  # content words of a sentence that can be compared
SAME = 0.75  # share of a sentence's content words in another from which it restates that one
DATE = re.compile(r"\d[-/.]\d")  # which may have a month in digits
GROUPS = re.compile(r"(?<=\d)[.,](?=\d{3}(?:\D|\Z))")  # of thousands
EMPTY_DECIMALS = re.compile(r"[.,]0+\Z")
NUMBERED = re.compile(r"(?m)^\s*\d+[.)] ")  # the number of a list item


def keeps(text: str, original: str, language: Language, *, asks: bool = False) -> None:
    """
    Reject a text that lacks a number, a month, a negation or a condition of the text that it restates.

    Also one with a sentence that says the opposite of one there. Another word for the same condition
    ("all", "every") is enough. With `asks` both are questions, whose question words ("when", "may") are not
    conditions.
    """
    spelled, original_words = language.spelled(text), language.spelled(original)
    lost = _numbers(original, language, articles=False) - _numbers(text, language)
    named = _magnitudes(language) if DATE.search(text) else _magnitudes(language) | _months(language)
    if lost := lost | (named & {*original_words}) - {*spelled}:
        raise Reject("loses a number", f"{', '.join(sorted(lost))} in: {text}")
    if _negations(spelled, language) < _negations(original_words, language):
        raise Reject("loses a negation", f"{original} -> {text}")
    for condition in (word for word in language.conditions if not (asks and word in language.asking)):
        same = next((group for group in language.alike if condition in group), (condition,))
        same = tuple(word for word in same if not (asks and word in language.asking))
        if phrase_in(original_words, [condition]) and not phrase_in(spelled, same):
            raise Reject("loses a condition", f"{condition!r} in: {text}")
    if (bound := phrase_in(original_words, language.bounding)) and not phrase_in(spelled, language.bounding):
        raise Reject("loses a condition", f"{bound!r} in: {text}")
    denied = _negations(spelled, language) > _negations(original_words, language)  # `denies_no_more`
    for sentence in () if asks or denied else sentences(_in_digits(text)):
        verdicts = [verdict(sentence, line, language) for line in sentences(_in_digits(original))]
        if False in verdicts and True not in verdicts:
            raise Reject("says the opposite", f"{original} -> {text}")


def denies_no_more(text: str, original: str, language: Language) -> None:
    """Reject a text with more negations than the text that it restates."""
    if _negations(language.spelled(text), language) > _negations(language.spelled(original), language):
        raise Reject("adds a negation", f"{original} -> {text}")


def not_reversed(text: str, passage: Passage) -> None:
    """
    Reject a text with a sentence that says the opposite of one in the passage.

    One thing is replaced by its opposite or by another number (`datagen.stages.shared.checks.verdict`); or it
    has a negation, and the sentences that contain a share of `SAME` of its other content words have none, nor
    a condition that it lacks. What another sentence of the passage says is not rejected.
    """
    words, lines = passage.words, [line for _, line in passage.sentences]
    for sentence in sentences(text):
        verdicts = [verdict(_in_digits(sentence), _in_digits(line), words) for line in lines]
        opposite = [line for line, told in zip(lines, verdicts, strict=True) if told is False]
        if True not in verdicts and (opposite := opposite or _denied(sentence, lines, words)):
            raise Reject("says the opposite", f"{sentence}, by: {opposite[0]}")


def _denied(sentence: str, lines: list[str], language: Language) -> list[str]:
    """Return the sentences that a negated one denies."""
    spelled = language.spelled(sentence)
    plain = [language.stem(word) for word in spelled if word not in language.negations | language.stop]
    if len(plain) < SHORTEST or not _negations(spelled, language):
        return []
    told = [language.spelled(line) for line in lines]
    alike = [at for at, line in enumerate(told) if overlap(plain, {*map(language.stem, line)}) >= SAME]
    if any(_negations(told[at], language) for at in alike):
        return []
    limits = {at: [limit for limit in language.conditions if phrase_in(told[at], [limit])] for at in alike}
    return [lines[at] for at in alike if all(phrase_in(spelled, [limit]) for limit in limits[at])]


def _negations(spelled: list[str], language: Language) -> int:
    return sum(word in language.negations for word in spelled)


def _numbers(text: str, language: Language, *, articles: bool = True) -> set[str]:
    """
    Return the numbers of a text in one spelling: "1000" for "1,000", "12" for "twelve", "5" for "05".

    Items of a list are not numbers, nor, without `articles`, is a word for one: "ein", "one of them".
    """
    plain = NUMBERED.sub("", text)
    spelled = [language.written_out.get(word, "") for word in words_of(plain)]
    digits = " ".join(digit for digit in spelled if articles or digit != "1")
    return {_spelt(number) for number in (*NUMBER.findall(plain), *NUMBER.findall(digits))}


def _in_digits(text: str) -> str:
    """Write the numbers of a text as `_numbers` compares them."""
    return NUMBER.sub(lambda number: _spelt(number[0]), text)


def _spelt(number: str) -> str:
    digits = "".join(str(unicodedata.digit(sign, sign)) for sign in GROUPS.sub("", number))
    return EMPTY_DECIMALS.sub("", digits).lstrip("0") or "0"


def _magnitudes(language: Language) -> frozenset[str]:
    """Return words such as "million", which belong to a number."""
    return language.numerals - language.written_out.keys() - language.negations


def _months(language: Language) -> frozenset[str]:
    return language.months - {*language.conditions}
