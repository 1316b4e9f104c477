"""
The lists of critical words: ``prompts/meaning/telling.yaml`` joined with the lists of ``prompts/languages``.

They are applied to texts in all languages, and folded like the words of a column.
"""

import re
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from datagen.prompt import load
from datagen.stages.shared.language.columns import Words
from datagen.stages.shared.language.joined import built_in_languages
from datagen.stages.shared.language.words import compatible
from datagen.stages.shared.similarity.ngrams import Hashes

SHORT = re.compile(r"[a-z\u00c0-\u024f]{1,3}")
EXCLUDED = frozenset(("more",))  # its opposites and "than" are listed


class Lists(BaseModel):
    """The file ``prompts/meaning/telling.yaml``: words by language, numerals by number."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    negations: dict[str, list[str]]
    qualifiers: dict[str, list[str]]
    parts_of_names: dict[str, list[str]]
    numerals: dict[str, list[str]]
    units: list[str]
    common: dict[str, list[str]]
    requests: dict[str, list[str]]
    plain: dict[str, list[str]]
    denying: dict[str, list[str]]
    not_denying: dict[str, list[str]]
    verbatim: dict[str, list[str]]


@dataclass(frozen=True)
class Lexicon:
    """
    Words as hashes, each list in ascending order.

    Parameters
    ----------
    critical, same_as
        The critical words, and the hash by which each is compared: that of the digits for a numeral.
    short
        Whether each critical word only counts in natural language.
    common
        The most frequent words of languages.
    stop, plain
        Stop words of the languages that have any, and the words that do not change the meaning in them.
    """

    critical: Hashes
    same_as: Hashes
    short: npt.NDArray[np.bool_]
    common: Hashes
    stop: Hashes
    plain: Hashes


@cache
def lists() -> Lists:
    """Read the lists."""
    return load("meaning/telling").checked(Lists, "write no, on, yes and true in quotes")


@cache
def listed_negations() -> frozenset[str]:
    """Join the negations of all languages."""
    return frozenset(_folded(word) for words in lists().negations.values() for word in words)


@cache
def numerals() -> dict[str, str]:
    """Map numbers written as words to digits, in all languages."""
    digits = {_folded(word): number for number, words in lists().numerals.items() for word in words}
    for language in built_in_languages():
        digits |= {_folded(word): sign for word, sign in language.written_out.items() if sign.isdigit()}
    return digits


@cache
def critical_words() -> frozenset[str]:
    """Join the critical words of all languages."""
    listed, languages = lists(), built_in_languages()
    return frozenset(
        _folded(word)
        for words in (
            *listed.negations.values(),
            *listed.qualifiers.values(),
            *listed.parts_of_names.values(),
            *listed.numerals.values(),
            listed.units,
            *(language.negations | language.numerals for language in languages),
            *(pair for language in languages for pair in language.opposites),
        )
        for word in words
        if " " not in word and word not in EXCLUDED
    )


@cache
def qualifiers() -> frozenset[str]:
    """Select the critical words that are neither negations nor numerals, units or single characters."""
    listed = lists()
    qualifying = {_folded(word) for words in listed.qualifiers.values() for word in words if len(word) > 1}
    return frozenset(qualifying & critical_words()) - listed_negations() - numerals().keys() - {*listed.units}


@cache
def request_words() -> frozenset[str]:
    """Join the words that open sentences and questions in all languages, and are no names."""
    listed = lists()
    groups = [listed.common, listed.requests, listed.plain]
    opening = {word for group in groups for words in group.values() for word in words}
    stop = {word for language in built_in_languages() for word in language.stop}
    return frozenset(map(_folded, opening | stop))


@cache
def lexicon() -> Lexicon:
    """Hash the lists."""
    listed, languages = lists(), built_in_languages()
    digits = numerals()
    words = sorted(critical_words())
    hashes, same_as = _hash(words), _hash([digits.get(word, word) for word in words])
    short = np.array([SHORT.fullmatch(word) is not None for word in words])
    order = np.argsort(hashes)
    stop = {word for language in languages for word in language.stop}
    return Lexicon(
        hashes[order],
        same_as[order],
        short[order],
        _hash(sorted({*stop, *(word for words in listed.common.values() for word in words)})),
        np.sort(_hash(sorted(stop))),
        np.sort(_hash(sorted({word for words in listed.plain.values() for word in words}))),
    )


def _hash(words: list[str]) -> Hashes:
    folded = pa.array(map(_folded, words), pa.string())
    return Words(folded, np.ones(len(words), np.int64)).hashes


def _folded(word: str) -> str:
    """Fold a word like the words of a column."""
    return compatible(word).casefold()


def of_all_languages(words: dict[str, list[str]]) -> list[str]:
    return sorted({word for listed in words.values() for word in listed})
