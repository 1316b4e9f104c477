"""
The rules of a language: word lists and patterns from a file such as ``prompts/languages/en.yaml``.

The code contains no rules of a language. A row is processed with the rules of its document's language. For a
language without a file every list is empty, and only language-independent rules apply.
"""

import re
from collections.abc import Iterable, Iterator
from functools import cache, cached_property
from pathlib import Path

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, model_validator

from datagen.prompt import Prompt, exists, load
from datagen.rows import Row
from datagen.stage import Context
from datagen.stages.shared.language.detect import UNDETERMINED, detect_language
from datagen.stages.shared.language.inversion import Inversion
from datagen.stages.shared.language.words import words_of

FOLDER = "languages"
NEVER = r"[^\s\S]"  # matches nothing
# The lists that are regular expressions.
PATTERNS = (
    "negation",
    "contracted",
    "declines",
    "assistant",
    "chatter",
    "plural",
    "possessive",
    "heading_numbers",
    "chapters",
    "licences",
    "licence_lines",
)


class Abbreviations(BaseModel):
    """Regular expressions of words whose full stop, or that before them, does not end a sentence."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    before_names: tuple[str, ...] = ()
    before_numbers: tuple[str, ...] = ()
    after_ordinals: tuple[str, ...] = ()


class Language(BaseModel):
    """The rules of a language; ``prompts/languages/en.yaml`` explains each list."""

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
    alike: tuple[tuple[str, ...], ...] = ()
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
    chatter: tuple[str, ...] = ()
    coordinating: tuple[str, ...] = ()
    consequent: frozenset[str] = frozenset()
    unplain: frozenset[str] = frozenset()
    linking: tuple[str, ...] = ()
    capitalised: tuple[str, ...] = ()
    being: frozenset[str] = frozenset()
    agent: frozenset[str] = frozenset()
    support: frozenset[str] = frozenset()
    inflecting: frozenset[str] = frozenset()
    choosing: tuple[str, ...] = ()
    of_kind: tuple[str, ...] = ()
    of_time: tuple[str, ...] = ()
    participle_endings: tuple[str, ...] = ()
    indefinite: frozenset[str] = frozenset()
    contrasting: frozenset[str] = frozenset()
    excepting: tuple[str, ...] = ()
    likening: dict[str, tuple[str, ...]] = {}
    stranded: dict[str, frozenset[str]] = {}
    adrift: frozenset[str] = frozenset()
    unspecific: tuple[str, ...] = ()
    obliging: frozenset[str] = frozenset()
    reasons: tuple[str, ...] = ()
    definite: frozenset[str] = frozenset()
    completing: frozenset[str] = frozenset()
    parts: frozenset[str] = frozenset()
    distant: frozenset[str] = frozenset()
    elliptical: frozenset[str] = frozenset()
    second: tuple[str, ...] = ()
    subordinate: tuple[str, ...] = ()
    infinitive: frozenset[str] = frozenset()
    possessive: str = ""
    verb_endings: tuple[str, ...] = ()
    alternatives: dict[str, str] = {}
    trailing: frozenset[str] = frozenset()
    heading_numbers: tuple[str, ...] = ()
    chapters: tuple[str, ...] = ()
    licences: tuple[str, ...] = ()
    licence_lines: tuple[str, ...] = ()
    inversion: Inversion | None = None
    requesting: tuple[str, ...] = ()
    generic: frozenset[str] = frozenset()
    inflections: dict[str, tuple[str, ...]] = {}
    irregular: tuple[tuple[str, ...], ...] = ()
    imperatives: frozenset[str] = frozenset()
    commanding: tuple[str, ...] = ()
    hollow: frozenset[str] = frozenset()
    frequency: frozenset[str] = frozenset()
    adverbs: frozenset[str] = frozenset()
    adverb_endings: tuple[str, ...] = ()
    gerund_endings: tuple[str, ...] = ()
    permitting: dict[str, tuple[str, ...]] = {}
    meaning: frozenset[str] = frozenset()
    bounding: tuple[str, ...] = ()
    ranges: dict[str, frozenset[str]] = {}
    personal: frozenset[str] = frozenset()
    additive: frozenset[str] = frozenset()
    referring: frozenset[str] = frozenset()
    restricting: frozenset[str] = frozenset()
    unreal: frozenset[str] = frozenset()
    unfulfilled: frozenset[str] = frozenset()
    perfect: frozenset[str] = frozenset()
    disowning: frozenset[str] = frozenset()
    exemplifying: tuple[str, ...] = ()
    of_reason: tuple[str, ...] = ()
    of_order: tuple[str, ...] = ()
    of_place: tuple[str, ...] = ()
    of_manner: tuple[str, ...] = ()
    supposing: frozenset[str] = frozenset()
    speaking: frozenset[str] = frozenset()
    object_pronouns: frozenset[str] = frozenset()
    limiting: frozenset[str] = frozenset()
    needs_subject: frozenset[str] = frozenset()
    unrelated: tuple[str, ...] = ()
    abbreviations: Abbreviations = Abbreviations()

    @model_validator(mode="after")
    def _compile(self) -> "Language":
        for name in PATTERNS:
            patterns = getattr(self, name)
            for pattern in (patterns,) if isinstance(patterns, str) else patterns:
                try:
                    re.compile(pattern)
                except re.error as error:
                    raise ValueError(f"{name}: {pattern!r} is not a regular expression: {error}") from error
        return self

    def __hash__(self) -> int:
        """Hash a part that differs between languages, so that results can be cached by language."""
        return hash((self.stop, self.articles))

    @property
    def is_known(self) -> bool:
        """Whether there are any rules for this language."""
        return self != UNKNOWN

    @cached_property
    def opening_words(self) -> frozenset[str]:
        """Words of phrases that open a question or a clause, which name nothing: "what happens", "if"."""
        return frozenset(words_of(" ".join((*self.happening, *self.connectives))))

    @cached_property
    def pasts(self) -> frozenset[str]:
        """Past tenses and participles that do not have a regular ending."""
        return frozenset(form for _, *forms in self.irregular for form in forms)

    @cached_property
    def infinitives(self) -> dict[str, tuple[str, ...]]:
        """The verbs that each irregular form belongs to."""
        found: dict[str, tuple[str, ...]] = {}
        for base, *forms in self.irregular:
            for form in forms:
                found[form] = (*found.get(form, ()), base)
        return found

    @cached_property
    def denying(self) -> re.Pattern[str]:
        """Matches negations."""
        return re.compile(words_pattern(self.negation), re.IGNORECASE)

    @cached_property
    def declining(self) -> re.Pattern[str]:
        """Matches phrases that decline to answer."""
        return re.compile(words_pattern(self.declines), re.IGNORECASE)

    @cached_property
    def chattering(self) -> re.Pattern[str]:
        """Matches what an assistant says around an answer."""
        return re.compile("|".join(self.chatter) or NEVER, re.IGNORECASE)

    @cached_property
    def verdict(self) -> re.Pattern[str]:
        """Matches answers that are only a verdict, such as yes or no."""
        return re.compile(rf"\W*{words_pattern(self.verdicts)}\W*", re.IGNORECASE)

    @cached_property
    def owning(self) -> re.Pattern[str]:
        """Matches the ending of a word that owns something."""
        return re.compile(rf"\w(?:{self.possessive or NEVER})\b")

    @cached_property
    def _plural(self) -> re.Pattern[str]:
        return re.compile(rf"(?:{self.plural or NEVER})\Z")

    @cached_property
    def _endings(self) -> tuple[str, ...]:
        return tuple(sorted(self.endings, key=len, reverse=True))

    def singular(self, word: str) -> str:
        """Remove a plural ending from a word."""
        return self._plural.sub("", word)

    def stem(self, word: str) -> str:
        """Remove the longest known ending from a word, so that its forms compare equal."""
        if word.endswith(self._endings):  # most words have none; checked one by one, that takes longest
            for ending in self._endings:
                if word.endswith(ending) and len(word) - len(ending) >= 3:
                    return word[: -len(ending)]
        return word

    def spelled(self, text: str) -> list[str]:
        """List the words of a text in normalised spelling."""
        return [part for word in words_of(text) for part in self.spellings.get(word, word).split()]

    def content(self, text: str) -> list[str]:
        """List the stems of the words that are not stop words, in order."""
        return [self.stem(word) for word in words_of(text) if word not in self.stop]

    def stems(self, text: str) -> list[str]:
        """List the stems of all words except auxiliaries; these decide whether a sentence is true."""
        return [self.stem(word) for word in self.spelled(text) if word not in self.auxiliary]


UNKNOWN = Language()  # without lists, so that every rule of a language is off


def words_pattern(patterns: Iterable[str]) -> str:
    """Return a regular expression that matches any of the patterns as whole words; none matches nothing."""
    joined = "|".join(patterns)
    return rf"\b(?:{joined})\b" if joined else NEVER


class Additions(BaseModel):
    """A file such as ``prompts/languages/lists/us-code.yaml``: additions for one type of text."""

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
        If the list does not exist or has an unknown key.
    """
    return load(f"{FOLDER}/lists/{name}", folder).checked(
        Additions, "compare prompts/languages/lists/us-code.yaml"
    )


@cache
def language_of(code: str, folder: Path | None = None, lists: tuple[str, ...] = ()) -> Language:
    """
    Read the rules of a language, with additional lists; `UNKNOWN` if it has no file.

    Raises
    ------
    UserError
        If a file has an unknown key or invalid values.
    """
    name = f"{FOLDER}/{code}"
    if code == UNDETERMINED or not exists(name, folder):
        return UNKNOWN
    language = load(name, folder).checked(Language, "put on, no, yes and true in quotes")
    for added in (additions(list_, folder) for list_ in lists):
        if added.language == code:
            language = language.model_copy(
                update={
                    "apparatus": (*language.apparatus, *added.apparatus),
                    "numbered": language.numbered | added.numbered,
                }
            )
    return language


@cache
def function_words() -> dict[str, frozenset[str]]:
    """Read frequent function words of several languages, which show a text's language in half a sentence."""
    return {code: frozenset(words) for code, words in load(f"{FOLDER}/lists/function-words").fields.items()}


class Languages:
    """The languages of a run's rows."""

    def __init__(self, context: Context) -> None:
        self._folder, self._lists = context.prompts, context.lists

    def __getitem__(self, code: str) -> Language:
        """Read the rules of a language by its code."""
        return language_of(code, self._folder, self._lists)

    def of(self, row: Row) -> Language:
        """Read the rules for a row."""
        return self[code_of(row)]

    def wording(self, name: str, code: str) -> Prompt | None:
        """
        Return the wordings for a language, if any: NAME.CODE, the recipe's own NAME, or for English NAME.

        Wordings in another language would teach a model to answer in that language.
        """
        if exists(f"{name}.{code}", self._folder):
            return load(f"{name}.{code}", self._folder)
        own = self._folder is not None and (self._folder / f"{name}.yaml").is_file()
        return load(name, self._folder) if own or code == "en" else None

    def remains(self, code: str) -> tuple[str, ...]:
        """List the residue patterns that the enabled lists add, which a mined sentence must not contain."""
        added = (additions(name, self._folder) for name in self._lists)
        return tuple(pattern for part in added if part.language == code for pattern in part.remains)


def by_language(rows: pa.Table) -> Iterator[tuple[str, list[int]]]:
    """Yield each language of the rows with the indices of its rows."""
    places: dict[str, list[int]] = {}
    columns = [name for name in (*TEXTS, "language", "lineage") if name in rows.column_names]
    for place, row in enumerate(rows.select(columns).to_pylist()):
        places.setdefault(code_of(row), []).append(place)
    yield from sorted(places.items())


def code_of(row: Row) -> str:
    """
    Return the code of a row's language: that of its document.

    For a row without one, for example from a user's own stage, the language is detected from its text.
    """
    code = row.get("language") or (row.get("lineage") or {}).get("language")
    return code or detect_language(" ".join(filter(None, map(row.get, TEXTS))))


TEXTS = ("text", "context", "question", "answer", "evidence")
