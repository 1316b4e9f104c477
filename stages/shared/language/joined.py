"""
The rules of all built-in languages joined, for texts whose language is not known yet, or that mix languages.

Languages without a file of their own add to them in ``prompts/languages/lists/other-languages.yaml``.
"""

import re
from collections.abc import Iterable
from functools import cache
from importlib import resources

from datagen.prompt import load
from datagen.stages.shared.language.rules import FOLDER, NEVER, Language, language_of
from datagen.stages.shared.language.word_lists import Abbreviations


@cache
def built_in_languages() -> list[Language]:
    """Read the rules of all built-in languages."""
    files = (resources.files("datagen.prompts") / FOLDER).iterdir()
    return [language_of(file.name[:-5]) for file in sorted(files, key=str) if file.name.endswith(".yaml")]


@cache
def all_languages() -> list[Language]:
    """Read the rules of all built-in languages, and those for other languages."""
    others = load(f"{FOLDER}/lists/other-languages").checked(Language, "compare prompts/languages/en.yaml")
    return [*built_in_languages(), others]


@cache
def all_negations() -> frozenset[str]:
    """Join the negations of all built-in languages."""
    return frozenset(
        word for language in built_in_languages() for word in (*language.negations, *language.contracted)
    )


@cache
def abbreviations() -> Abbreviations:
    """Join the abbreviations of all languages, for splitting into sentences."""
    lists = [language.abbreviations for language in all_languages()]
    return Abbreviations(
        before_names=tuple(word for list_ in lists for word in list_.before_names),
        before_numbers=tuple(word for list_ in lists for word in list_.before_numbers),
        after_ordinals=tuple(word for list_ in lists for word in list_.after_ordinals),
    )


@cache
def heading_numbers() -> str:
    """Return a pattern of the words before the number of a heading or of a caption, with their case."""
    return _any(pattern for language in all_languages() for pattern in language.heading_numbers)


@cache
def chapters() -> str:
    """Return a pattern of the words that open the heading of a chapter."""
    return _any(pattern for language in all_languages() for pattern in language.chapters)


@cache
def licences() -> re.Pattern[str]:
    """Match the phrases of software licences, in lower case."""
    return re.compile(_any(pattern for language in all_languages() for pattern in language.licences))


@cache
def licence_lines() -> re.Pattern[str]:
    """Match what a line about the licence or the copyright of a text contains."""
    listed = _any(pattern for language in all_languages() for pattern in language.licence_lines)
    return re.compile(rf"\b(?:CC[- ]BY|SPDX-License|{listed})|©\s?\d{{4}}", re.IGNORECASE)


def _any(patterns: Iterable[str]) -> str:
    return rf"(?:{'|'.join(patterns) or NEVER})"
