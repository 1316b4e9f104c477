"""The word lists and patterns in a language's file, such as ``prompts/languages/en.yaml``."""

import re

from pydantic import BaseModel, ConfigDict, model_validator

from datagen.stages.shared.language.inversion import Inversion

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


class WordLists(BaseModel):
    """The content of a language's file; ``prompts/languages/en.yaml`` explains each list."""

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
    def _compile(self) -> "WordLists":
        for name in PATTERNS:
            patterns = getattr(self, name)
            for pattern in (patterns,) if isinstance(patterns, str) else patterns:
                try:
                    re.compile(pattern)
                except re.error as error:
                    raise ValueError(f"{name}: {pattern!r} is not a regular expression: {error}") from error
        return self
