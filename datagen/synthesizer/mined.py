"""
Rule-based training targets that no labelled set provides: definitions, false statements, yes-no questions.

Each function takes a sentence on one line and returns "" if no rule applies. The words are those of its
language (`inversion` in ``prompts/languages/en.yaml``). The rules are narrow, and the results must pass the
stages' checks, so they are simple but correct.
"""

import re
from collections.abc import Iterator

from datagen.schema import content_id, pick
from datagen.stages.shared.language.inversion import Inversion
from datagen.stages.shared.language.rules import NEVER, Language
from datagen.stages.shared.language.words import NUMBER, words_of
from datagen.stages.shared.passage import phrase_in

LONGEST_TERM = 5  # words
LONGEST_SUBJECT = 9


def term(sentence: str, language: Language) -> str:
    """Return the term that a sentence defines: the words before a phrase such as "is a"."""
    for phrase in sorted(language.defining, key=len, reverse=True):
        match = re.search(rf"\s{re.escape(phrase)}\s", sentence, re.IGNORECASE)
        if not match:
            continue
        article = rf"(?:{'|'.join(sorted(language.articles)) or NEVER})\s+"
        name = re.sub(article, "", sentence[: match.start()], count=1, flags=re.IGNORECASE).strip()
        name_words = words_of(name)
        if (
            name_words
            and len(name_words) <= LONGEST_TERM
            and not set(name_words) & (_clauses(language) | language.auxiliary)
            and "," not in name
        ):
            return name
    return ""


def falsified(sentence: str, language: Language) -> Iterator[str]:
    """Contradict a sentence: with another number, an opposite word, or "not" after an auxiliary."""
    for number in NUMBER.finditer(sentence):
        start, end = number.span()
        if start and (sentence[start - 1].isalnum() or sentence[start - 1] in "-–."):
            continue
        yield sentence[:start] + _another(number[0], sentence) + sentence[end:]
    for pair in language.opposites:
        for word, opposite in (pair, pair[::-1]):
            if len(matches := list(re.finditer(rf"\b{word}\b", sentence))) == 1:
                yield sentence[: matches[0].start()] + opposite + sentence[matches[0].end() :]
    rules = language.inversion
    if rules and not phrase_in(words_of(sentence), tuple(language.negations)):
        for verb in (*sorted(language.verbs), *rules.deniable):
            if len(matches := list(re.finditer(rf"\b{verb}\b", sentence))) == 1:
                yield f"{sentence[: matches[0].end()]} {rules.denial}{sentence[matches[0].end() :]}"


def inverted(sentence: str, text: str, language: Language) -> str:
    """
    Turn a sentence into a yes-no question: "The list is empty." becomes "Is the list empty?".

    Returns "" if the spelling of its first word inside a sentence is unknown (`lowered`).
    """
    rules = language.inversion
    copulas = "|".join(sorted(rules.copulas)) if rules else NEVER
    match = re.match(rf"([^,;:()]+?) ({copulas}) ([^,;:()]+)[.]$", sentence)
    if not match or not rules:
        return ""
    subject, verb, rest = match.groups()
    subject_words = words_of(subject)
    complex_ = rules.clauses | rules.copulas | rules.perfect
    if len(subject_words) > LONGEST_SUBJECT or set(subject_words) & complex_:
        return ""
    subject = lowered(subject, text, rules)
    return f"{verb.capitalize()} {subject} {rest}?" if subject else ""


def lowered(subject: str, text: str, rules: Inversion) -> str:
    """
    Return the start of a sentence as written inside a sentence; "" if the case is unknown.

    Lower case if its first word is a determiner or occurs in lower case in `text`; upper case if it occurs so
    inside a sentence of `text`.
    """
    first, _, others = subject.partition(" ")
    if first.lower() in rules.determiners or re.search(rf"\b{re.escape(first.lower())}\b", text):
        return f"{first.lower()} {others}".strip()
    inside = not first[0].isalpha() or re.search(rf"[\w,] {re.escape(first)}\b", text)
    return subject if inside else ""


def _clauses(language: Language) -> frozenset[str]:
    return language.inversion.clauses if language.inversion else language.relative


def _another(number: str, sentence: str) -> str:
    """Replace one digit of a number by another, never by zero."""
    places = [place for place, char in enumerate(number) if char.isdigit()]
    place = pick(places, "place", number, sentence) if len(places) > 1 else places[0]
    choices = [digit for digit in "123456789" if digit != number[place]]
    digit = choices[int(content_id("digit", number, sentence), 16) % len(choices)]
    return number[:place] + digit + number[place + 1 :]
