"""
What is known of a language: the lists and patterns of a file such as ``prompts/languages/en.yaml``.

No rule of a language is in the code. A row is read by the rules of its document's language; for a language
without a file every list is empty, and only the rules that hold for all languages apply.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, model_validator

from datagen.prompt import Prompt, exists, load
from datagen.stage import Context
from datagen.stages.shared.language.detect import UNDETERMINED, detect_language
from datagen.stages.shared.language.words import words_of

FOLDER = "languages"
NEVER = r"[^\s\S]"  # matches nothing


class Abbreviations(BaseModel):
    """Regular expressions of words that end no sentence with their full stop: before a name, or a number."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    before_names: tuple[str, ...] = ()
    before_numbers: tuple[str, ...] = ()


class Language(BaseModel):
    """The rules of a language; ``prompts/languages/en.yaml`` says what each list is for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    stop: frozenset[str] = frozenset()
    auxiliary: frozenset[str] = frozenset()
    endings: tuple[str, ...] = ()
    asking: frozenset[str] = frozenset()
    open_ended: frozenset[str] = frozenset()
    malformed: tuple[str, ...] = ()
    counting: tuple[str, ...] = ()
    naming: frozenset[str] = frozenset()
    things: frozenset[str] = frozenset()
    happening: tuple[str, ...] = ()
    doing: frozenset[str] = frozenset()
    numerals: frozenset[str] = frozenset()
    outside: tuple[str, ...] = ()
    pointing: frozenset[str] = frozenset()
    demonstrative: frozenset[str] = frozenset()
    genitive: frozenset[str] = frozenset()
    dangling: tuple[str, ...] = ()
    subjectless: frozenset[str] = frozenset()
    negations: frozenset[str] = frozenset()
    verbs: frozenset[str] = frozenset()
    spellings: dict[str, str] = {}
    opposites: tuple[tuple[str, str], ...] = ()
    conditions: tuple[str, ...] = ()
    defining: tuple[str, ...] = ()
    binding: tuple[str, ...] = ()
    placeholders: frozenset[str] = frozenset()
    labels: frozenset[str] = frozenset()
    articles: frozenset[str] = frozenset()
    connectives: tuple[str, ...] = ()
    relative: frozenset[str] = frozenset()
    prepositions: frozenset[str] = frozenset()
    modals: frozenset[str] = frozenset()
    particles: frozenset[str] = frozenset()
    actions: frozenset[str] = frozenset()
    states: frozenset[str] = frozenset()
    people: frozenset[str] = frozenset()
    months: frozenset[str] = frozenset()
    numbered: frozenset[str] = frozenset()
    vague: frozenset[str] = frozenset()
    joining: frozenset[str] = frozenset()
    apparatus: tuple[str, ...] = ()
    written_out: dict[str, str] = {}
    plural: str = ""
    negation: tuple[str, ...] = ()
    contracted: tuple[str, ...] = ()
    declines: tuple[str, ...] = ()
    shown: frozenset[str] = frozenset()
    exercise: frozenset[str] = frozenset()
    verdicts: tuple[str, ...] = ()
    unended: tuple[str, ...] = ()
    spoken_labels: tuple[str, ...] = ()
    assistant: tuple[str, ...] = ()
    fill_in: tuple[str, ...] = ()
    coordinating: tuple[str, ...] = ()
    consequent: frozenset[str] = frozenset()
    unplain: frozenset[str] = frozenset()
    linking: tuple[str, ...] = ()
    capitalised: tuple[str, ...] = ()
    being: frozenset[str] = frozenset()
    agent: frozenset[str] = frozenset()
    support: frozenset[str] = frozenset()
    stranded: dict[str, frozenset[str]] = {}
    adrift: frozenset[str] = frozenset()
    unspecific: tuple[str, ...] = ()
    obliging: frozenset[str] = frozenset()
    reasons: tuple[str, ...] = ()
    definite: frozenset[str] = frozenset()
    second: tuple[str, ...] = ()
    subordinate: tuple[str, ...] = ()
    abbreviations: Abbreviations = Abbreviations()

    @model_validator(mode="after")
    def _compile(self) -> "Language":
        for name in ("negation", "contracted", "declines", "assistant", "plural"):
            patterns = getattr(self, name)
            for pattern in (patterns,) if isinstance(patterns, str) else patterns:
                try:
                    re.compile(pattern)
                except re.error as error:
                    raise ValueError(f"{name}: {pattern!r} is no regular expression: {error}") from error
        return self

    def __hash__(self) -> int:
        """Hash it by a part that differs between languages: results are kept by language."""
        return hash((self.stop, self.articles))

    @property
    def is_known(self) -> bool:
        """Tell whether there are any rules of this language."""
        return self != UNKNOWN

    @cached_property
    def denying(self) -> re.Pattern[str]:
        """What one of two answers has that deny each other."""
        return re.compile(words_pattern(self.negation), re.IGNORECASE)

    @cached_property
    def declining(self) -> re.Pattern[str]:
        """What an answer has that declines to answer."""
        return re.compile(words_pattern(self.declines), re.IGNORECASE)

    @cached_property
    def verdict(self) -> re.Pattern[str]:
        """An answer that only says which of two or three it is."""
        return re.compile(rf"\W*{words_pattern(self.verdicts)}\W*", re.IGNORECASE)

    @cached_property
    def _plural(self) -> re.Pattern[str]:
        return re.compile(rf"(?:{self.plural or NEVER})\Z")

    @cached_property
    def _endings(self) -> tuple[str, ...]:
        return tuple(sorted(self.endings, key=len, reverse=True))

    def singular(self, word: str) -> str:
        """Cut the ending of a plural off a word."""
        return self._plural.sub("", word)

    def stem(self, word: str) -> str:
        """Cut the longest known ending off a word, so that its forms compare equal."""
        for ending in self._endings:
            if word.endswith(ending) and len(word) - len(ending) >= 3:
                return word[: -len(ending)]
        return word

    def spelled(self, text: str) -> list[str]:
        """List the words of a text, each in one spelling."""
        return [part for word in words_of(text) for part in self.spellings.get(word, word).split()]

    def content(self, text: str) -> list[str]:
        """List the stems of the words that are not stop words, in their order."""
        return [self.stem(word) for word in words_of(text) if word not in self.stop]

    def said(self, text: str) -> list[str]:
        """List the stems of all words but the auxiliary ones: what decides whether a sentence is true."""
        return [self.stem(word) for word in self.spelled(text) if word not in self.auxiliary]


UNKNOWN = Language()  # every list is empty, and so every rule of a language is off


def words_pattern(patterns: Iterable[str]) -> str:
    """Write the regular expression of any of some words or patterns as whole words; nothing for none."""
    joined = "|".join(patterns)
    return rf"\b(?:{joined})\b" if joined else NEVER


class Additions(BaseModel):
    """A file such as ``prompts/languages/lists/us-code.yaml``: what a kind of text adds to a language."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    language: str
    apparatus: tuple[str, ...] = ()
    numbered: frozenset[str] = frozenset()
    remains: tuple[str, ...] = ()


@cache
def additions(name: str, folder: Path | None = None) -> Additions:
    """
    Read a list that a recipe enables.

    Raises
    ------
    UserError
        When there is no such list, or it has a key that there is not.
    """
    return load(f"{FOLDER}/lists/{name}", folder).checked(
        Additions, "compare prompts/languages/lists/us-code.yaml"
    )


@cache
def language_of(code: str, folder: Path | None = None, lists: tuple[str, ...] = ()) -> Language:
    """
    Read the rules of a language, with the lists that add to it; `UNKNOWN` for one without a file.

    Raises
    ------
    UserError
        When a file has a key that there is not, or something else than its lists of words.
    """
    name = f"{FOLDER}/{code}"
    if code == UNDETERMINED or not exists(name, folder):
        return UNKNOWN
    language = load(name, folder).checked(Language, "write on, no, yes and true in quotes")
    for added in (additions(one, folder) for one in lists):
        if added.language == code:
            language = language.model_copy(
                update={
                    "apparatus": (*language.apparatus, *added.apparatus),
                    "numbered": language.numbered | added.numbered,
                }
            )
    return language


class Languages:
    """The languages of a run's rows."""

    def __init__(self, context: Context) -> None:
        self._folder, self._lists = context.prompts, context.lists

    def __getitem__(self, code: str) -> Language:
        """Read the rules of a language by its code."""
        return language_of(code, self._folder, self._lists)

    def of(self, row: Mapping[str, Any]) -> Language:
        """Read the rules for a row."""
        return self[code_of(row)]

    def wording(self, name: str, code: str) -> Prompt | None:
        """
        Find the wordings of a language: NAME.CODE, the recipe's own NAME, or for English NAME; else None.

        What is worded in another language than the row's own would teach a model to answer in that one.
        """
        if exists(f"{name}.{code}", self._folder):
            return load(f"{name}.{code}", self._folder)
        own = self._folder is not None and (self._folder / f"{name}.yaml").is_file()
        return load(name, self._folder) if own or code == "en" else None

    def remains(self, code: str) -> tuple[str, ...]:
        """List what the enabled lists add to the residue that a mined sentence must not have."""
        added = (additions(name, self._folder) for name in self._lists)
        return tuple(part for one in added if one.language == code for part in one.remains)


def by_language(rows: pa.Table) -> Iterator[tuple[str, list[int]]]:
    """Give each language of some rows with the places of its rows."""
    places: dict[str, list[int]] = {}
    columns = [name for name in (*TEXTS, "language", "lineage") if name in rows.column_names]
    for place, row in enumerate(rows.select(columns).to_pylist()):
        places.setdefault(code_of(row), []).append(place)
    yield from sorted(places.items())


def code_of(row: Mapping[str, Any]) -> str:
    """
    Give the code of a row's language: that of its document.

    A row that came without one, such as from a stage of the recipe's own, is told by its own text.
    """
    code = row.get("language") or (row.get("lineage") or {}).get("language")
    return code or detect_language(" ".join(filter(None, map(row.get, TEXTS))))


TEXTS = ("text", "context", "question", "answer", "evidence")


@cache
def abbreviations() -> Abbreviations:
    """Join the abbreviations of all built-in languages: sentences are cut before their language is known."""
    found = [language.abbreviations for language in _built_in()]
    found.append(Abbreviations.model_validate(load(f"{FOLDER}/lists/abbreviations").fields))
    return Abbreviations(
        before_names=tuple(word for one in found for word in one.before_names),
        before_numbers=tuple(word for one in found for word in one.before_numbers),
    )


@cache
def all_negations() -> frozenset[str]:
    """Join the negations of all built-in languages."""
    return frozenset(word for language in _built_in() for word in (*language.negations, *language.contracted))


def _built_in() -> list[Language]:
    files = (resources.files("datagen.prompts") / FOLDER).iterdir()
    return [language_of(file.name[:-5]) for file in sorted(files, key=str) if file.name.endswith(".yaml")]
