"""
What a sentence yields by rule, where no set holds it: definitions, false statements, yes or no questions.

Each function takes a sentence on one line and returns "" or None where it has nothing to give. The rules
are narrow and their results go through the checks of the stages, so what comes out is right but plain.
"""

import re
from collections.abc import Iterator

from datagen.schema import content_id, pick
from datagen.stages.shared.language.rules import Language
from datagen.stages.shared.language.words import NUMBER, words_of
from datagen.stages.shared.passage import phrase_in

ARTICLE = re.compile(r"(?:the|an?)\s+", re.IGNORECASE)
LONGEST_TERM = 5  # words
LONGEST_SUBJECT = 9
# Language at which the subject of a sentence has ended, or is not a plain one.
COPULAS = frozenset({"is", "are", "was", "were"})
CLAUSE = {
    "that",
    "which",
    "who",
    "whom",
    "whose",
    "when",
    "where",
    "if",
    "as",
    "while",
    "because",
    "although",
}
DETERMINERS = {"the", "a", "an", "this", "these", "most", "many", "some", "several", "all", "both", "another"}


def term(sentence: str, words: Language) -> str:
    """Find what a sentence defines: its first words, up to a phrase such as "is a"."""
    for phrase in sorted(words.defining, key=len, reverse=True):
        found = re.search(rf"\s{re.escape(phrase)}\s", sentence, re.IGNORECASE)
        if not found:
            continue
        name = ARTICLE.sub("", sentence[: found.start()], count=1).strip()
        said = words_of(name)
        if (
            said
            and len(said) <= LONGEST_TERM
            and not set(said) & (CLAUSE | words.auxiliary)
            and "," not in name
        ):
            return name
    return ""


def falsified(sentence: str, words: Language) -> Iterator[str]:
    """Write what contradicts a sentence: another number, an opposite word, "not" after an auxiliary."""
    for found in NUMBER.finditer(sentence):
        if found.start() and (sentence[found.start() - 1].isalnum() or sentence[found.start() - 1] in "-–."):
            continue
        yield sentence[: found.start()] + _another(found[0], sentence) + sentence[found.end() :]
    for pair in words.opposites:
        for one, other in (pair, pair[::-1]):
            if len(found_all := list(re.finditer(rf"\b{one}\b", sentence))) == 1:
                found = found_all[0]
                yield sentence[: found.start()] + other + sentence[found.end() :]
    if not phrase_in(words_of(sentence), tuple(words.negations)):
        for verb in (*sorted(words.verbs), "can", "must", "may"):
            if len(found_all := list(re.finditer(rf"\b{verb}\b", sentence))) == 1:
                yield sentence[: found_all[0].end()] + " not" + sentence[found_all[0].end() :]


def inverted(sentence: str, text: str) -> str:
    """
    Ask whether a sentence is so: "The list is empty." becomes "Is the list empty?".

    Where it is not seen how its first word is written inside a sentence (`lowered`), nothing is asked.
    """
    found = re.match(rf"([^,;:()]+?) ({'|'.join(sorted(COPULAS))}) ([^,;:()]+)[.]$", sentence)
    if not found:
        return ""
    subject, verb, rest = found.groups()
    said = words_of(subject)
    if len(said) > LONGEST_SUBJECT or set(said) & (CLAUSE | COPULAS | {"has", "have", "had"}):
        return ""
    subject = lowered(subject, text)
    return f"{verb.capitalize()} {subject} {rest}?" if subject else ""


def lowered(subject: str, text: str) -> str:
    """
    Write what opens a sentence as it is written inside of one; "" where neither way is seen.

    Small if its first word is a determiner or stands so in `text`, large if it stands so inside a
    sentence there.
    """
    first, _, others = subject.partition(" ")
    if first.lower() in DETERMINERS or re.search(rf"\b{re.escape(first.lower())}\b", text):
        return f"{first.lower()} {others}".strip()
    inside = not first[0].isalpha() or re.search(rf"[\w,] {re.escape(first)}\b", text)
    return subject if inside else ""


def _another(number: str, sentence: str) -> str:
    """Change one digit of a number, not to the same and not the first to nought."""
    places = [place for place, char in enumerate(number) if char.isdigit()]
    drawn = pick(places, "place", number, sentence) if len(places) > 1 else places[0]
    choices = [digit for digit in "123456789" if digit != number[drawn]]
    digit = choices[int(content_id("digit", number, sentence), 16) % len(choices)]
    return number[:drawn] + digit + number[drawn + 1 :]
