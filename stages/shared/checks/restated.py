"""
Whether a text that restates another keeps what decides its truth: numbers, negations and conditions.

Most words of "It ends in autumn, unless the owner objects" are also in "It never ends in autumn": a share of
words cannot show that a rewritten answer says the same.
"""

import re

from datagen.request import Reject
from datagen.stages.shared.checks.entailment import verdict
from datagen.stages.shared.checks.form import sentences
from datagen.stages.shared.language.rules import Language
from datagen.stages.shared.language.words import NUMBER, words_of
from datagen.stages.shared.passage import Passage, overlap, phrase_in

SHORTEST = 2  # content words of a sentence that can be compared
SAME = 0.75  # share of a sentence's content words in another from which it restates that one
NUMBERED = re.compile(r"(?m)^\s*\d+[.)] ")  # the number of a list item


def keeps(text: str, original: str, words: Language, *, asks: bool = False) -> None:
    """
    Reject a text that lacks a number, a negation or a condition of the text that it restates.

    With `asks` both are questions, whose question words ("when", "may") are not conditions.
    """
    numbers, spelled = _numbers(text, words), words.spelled(text)
    if lost := sorted(_numbers(original, words) - numbers):
        raise Reject("loses a number", f"{', '.join(lost)} in: {text}")
    original_words = words.spelled(original)
    if _negations(spelled, words) < _negations(original_words, words):
        raise Reject("loses a negation", f"{original} -> {text}")
    for condition in (word for word in words.conditions if not (asks and word in words.asking)):
        if phrase_in(original_words, [condition]) and not phrase_in(spelled, [condition]):
            raise Reject("loses a condition", f"{condition!r} in: {text}")


def denies_no_more(text: str, original: str, words: Language) -> None:
    """Reject a text with more negations than the text that it restates."""
    if _negations(words.spelled(text), words) > _negations(words.spelled(original), words):
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
        verdicts = [verdict(sentence, line, words) for line in lines]
        opposite = [line for line, told in zip(lines, verdicts, strict=True) if told is False]
        if True not in verdicts and (opposite := opposite or _denied(sentence, lines, words)):
            raise Reject("says the opposite", f"{sentence}, by: {opposite[0]}")


def _denied(sentence: str, lines: list[str], words: Language) -> list[str]:
    """Return the sentences that a negated one denies."""
    spelled = words.spelled(sentence)
    plain = [words.stem(word) for word in spelled if word not in words.negations | words.stop]
    if len(plain) < SHORTEST or not _negations(spelled, words):
        return []
    told = [words.spelled(line) for line in lines]
    alike = [at for at, line in enumerate(told) if overlap(plain, {*map(words.stem, line)}) >= SAME]
    if any(_negations(told[at], words) for at in alike):
        return []
    limits = {at: [limit for limit in words.conditions if phrase_in(told[at], [limit])] for at in alike}
    return [lines[at] for at in alike if all(phrase_in(spelled, [limit]) for limit in limits[at])]


def _negations(spelled: list[str], words: Language) -> int:
    return sum(word in words.negations for word in spelled)


def _numbers(text: str, words: Language) -> set[str]:
    """Return the numbers of a text, those in words as digits; items of a list are not numbers."""
    plain = NUMBERED.sub("", text)
    written = " ".join(words.written_out.get(word, "") for word in words_of(plain))
    return {*NUMBER.findall(plain), *NUMBER.findall(written)}
