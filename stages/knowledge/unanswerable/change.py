"""Change a name, number or date in a question, so that its passage leaves it open."""

import re
from collections.abc import Iterable, Iterator
from functools import cache

from datagen.schema import content_id
from datagen.stages.shared.language.matching import contained_share, words
from datagen.stages.shared.language.rules import Language

QUOTED = re.compile(r"`[^`\n]{1,40}`|\"[^\"\n]{1,40}\"|“[^”\n]{1,40}”")
CAPITAL = r"[A-Z][\w'’.-]*\w"
NUMBER = re.compile(r"(?<![\w.,/-])\d{1,9}(?![\w/-]|[.,]\d)")
STEPS = (3, 4, 7, 12, 19, 26, 41)  # differences between an old and a new number
OVERLAP = 0.6  # maximum share of a new name's words in the passage: "court" of "Federal Court"


def names(text: str, language: Language) -> list[str]:
    """List the distinct names and quoted terms in a question."""
    quoted = QUOTED.findall(text)
    name = _name(language.linking, language.capitalised)
    return list(dict.fromkeys([*quoted, *name.findall(QUOTED.sub(" ", text))]))


@cache
def _name(linking: tuple[str, ...], capitalised: tuple[str, ...]) -> re.Pattern[str]:
    """Compile the pattern of a name: capitalised words after another word, joined by linking words."""
    link = f"(?:{'|'.join(f'{re.escape(word)} ' for word in linking)})?" if linking else ""
    others = f"(?!(?:{'|'.join(map(re.escape, capitalised))})\\b)" if capitalised else ""
    return re.compile(rf"(?<=[a-z,)] ){others}{CAPITAL}(?: {link}{CAPITAL})*")


def changed(
    question: str, passage: str, others: Iterable[str], language: Language, overlap: float = OVERLAP
) -> tuple[str, str] | None:
    """
    Replace a name or number that question and passage share with one that the passage lacks.

    Parameters
    ----------
    question, passage
        The question, and the passage that answers it.
    others
        Names to choose from, best first.
    language
        The rules of the question's language.
    overlap
        Share of a new name's words in the passage at which the name is rejected.

    Returns
    -------
    The new question and the kind of change, ``name`` or ``number``; None if there is nothing to change.
    """
    pool = list(others)
    variants = [
        *_renamed(question, passage, pool, overlap, language),
        *_renumbered(question, passage, language),
    ]
    return min(variants, key=lambda variant: content_id(question, variant[1])) if variants else None


def _renamed(
    question: str, passage: str, pool: list[str], overlap: float, language: Language
) -> Iterator[tuple[str, str]]:
    for name in names(question, language):
        if contained_share(name, passage, language=language) < 1:
            continue
        for other in pool:
            absent = all(
                contained_share(other, text, language=language) < overlap for text in (passage, question)
            )
            if absent and _shape(other) == _shape(name):
                yield question.replace(name, other), "name"
                return


def _shape(name: str) -> str:
    """Return the kind of a name: its quotes and symbols, with words and letter sequences collapsed."""
    if name[0] not in '`"“':
        return "name"
    return re.sub(r"[A-Z]\w*", "A", re.sub(r"(?<![^\W_])[a-z0-9][^\W_]*", "a", name))


def _renumbered(question: str, passage: str, language: Language) -> Iterator[tuple[str, str]]:
    """Change a number into one outside the range of the passage's numbers."""
    stated = [int(word) for word in words(passage, language=language) if word.isdigit() and len(word) < 10]
    for number in NUMBER.findall(question):
        value = int(number)
        if value not in stated:
            continue
        steps = sorted(STEPS, key=lambda step: content_id(question, str(step)))
        candidates = [max(stated) + steps[0], *(value - step for step in steps)]
        for replacement in sorted(candidates, key=lambda candidate: abs(candidate - value)):
            if replacement > 0 and not min(stated) <= replacement <= max(stated):
                yield re.sub(rf"(?<![\w.,/-]){number}(?![\w/-]|[.,]\d)", str(replacement), question), "number"
                return
