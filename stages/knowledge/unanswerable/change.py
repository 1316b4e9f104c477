"""A question made into one that its passage leaves open: a name, a number or a date in it becomes another."""

import re
from collections.abc import Iterable, Iterator
from functools import cache

from datagen.schema import content_id
from datagen.stages.shared.language.matching import standing, words
from datagen.stages.shared.language.rules import Language

QUOTED = re.compile(r"`[^`\n]{1,40}`|\"[^\"\n]{1,40}\"|“[^”\n]{1,40}”")
CAPITAL = r"[A-Z][\w'’.-]*\w"
NUMBER = re.compile(r"(?<![\w.,/-])\d{1,9}(?![\w/-]|[.,]\d)")
STEPS = (3, 4, 7, 12, 19, 26, 41)  # by which a number is changed
OVERLAP = 0.6  # share of a new name that may stand in the passage: "court" of "Federal Court"


def names(text: str, language: Language) -> list[str]:
    """List the names and quoted terms in a question, each once."""
    quoted = QUOTED.findall(text)
    name = _name(language.linking, language.capitalised)
    return list(dict.fromkeys([*quoted, *name.findall(QUOTED.sub(" ", text))]))


@cache
def _name(linking: tuple[str, ...], capitalised: tuple[str, ...]) -> re.Pattern[str]:
    """Compile what a name is: words with a capital behind another word, with linking words between them."""
    link = f"(?:{'|'.join(f'{re.escape(word)} ' for word in linking)})?" if linking else ""
    others = f"(?!(?:{'|'.join(map(re.escape, capitalised))})\\b)" if capitalised else ""
    return re.compile(rf"(?<=[a-z,)] ){others}{CAPITAL}(?: {link}{CAPITAL})*")


def changed(
    question: str, passage: str, others: Iterable[str], language: Language, overlap: float = OVERLAP
) -> tuple[str, str] | None:
    """
    Change a name or a number of a question that its passage holds into one that it does not.

    Parameters
    ----------
    question, passage
        What is asked, and the passage that answers it.
    others
        Names to choose from, the fittest first.
    language
        What is known of the question's language.
    overlap
        Share of a new name's words that may stand in the passage.

    Returns
    -------
    The new question and what was changed, ``name`` or ``number``; None where nothing can be.
    """
    pool = list(others)
    made = [*_renamed(question, passage, pool, overlap, language), *_renumbered(question, passage, language)]
    return min(made, key=lambda one: content_id(question, one[1])) if made else None


def _renamed(
    question: str, passage: str, pool: list[str], overlap: float, language: Language
) -> Iterator[tuple[str, str]]:
    for name in names(question, language):
        if standing(name, passage, language=language) < 1:
            continue
        for other in pool:
            strange = all(standing(other, text, language=language) < overlap for text in (passage, question))
            if strange and _shape(other) == _shape(name):
                yield question.replace(name, other), "name"
                return


def _shape(name: str) -> str:
    """Tell names of one kind: quoted alike, with the same signs; letters and words count as one."""
    if name[0] not in '`"“':
        return "name"
    return re.sub(r"[A-Z]\w*", "A", re.sub(r"(?<![^\W_])[a-z0-9][^\W_]*", "a", name))


def _renumbered(question: str, passage: str, language: Language) -> Iterator[tuple[str, str]]:
    """Change a number into one beyond all numbers of the passage, which may speak of a range."""
    stated = [int(word) for word in words(passage, language=language) if word.isdigit() and len(word) < 10]
    for number in NUMBER.findall(question):
        value = int(number)
        if value not in stated:
            continue
        turned = sorted(STEPS, key=lambda step: content_id(question, str(step)))
        beyond = [max(stated) + turned[0], *(value - step for step in turned)]
        for other in sorted(beyond, key=lambda new: abs(new - value)):
            if other > 0 and not min(stated) <= other <= max(stated):
                yield re.sub(rf"(?<![\w.,/-]){number}(?![\w/-]|[.,]\d)", str(other), question), "number"
                return
