"""
What two texts must share to say the same: numbers, negations, qualifiers, units, signs and flags, in order.

"At most 500 mg daily" and "at most 250 mg daily" share nearly all their words. So the words that tell are
hashed in their order, and only texts with the same hash are compared further. Numerals compare equal to
digits. A flag (`-c`), a sign before a number and a unit that its case changes (mW, MW) are compared as they
are written.

Which words tell is data: ``prompts/meaning/telling.yaml`` and the lists of ``prompts/languages``. They hold
for each text, whatever its language. A listed word of up to three Latin letters counts only in short texts,
behind a number, and in natural language. A short text in a language with stop words is strict: every word
tells but the few that change nothing.

Names are compared by pairs (`datagen.stages.shared.similarity.alike`).
"""

import re
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict

from datagen.prompt import load
from datagen.stages.shared.language.columns import Words
from datagen.stages.shared.language.rules import built_in_languages
from datagen.stages.shared.language.words import compatible
from datagen.stages.shared.similarity.ngrams import Hashes, Numbers, digest

STRICT_BELOW = 30  # words of the shorter of two texts
MARGIN = 1.5  # a text of up to so many times as many words may be compared with a strict one
NATURAL = 0.1  # share of frequent words from which a text is in a natural language
SHORT = re.compile(r"[a-z\u00c0-\u024f]{1,3}")

UNTOLD = frozenset(("more",))  # its opposites tell, and so does "than"

OF_NUMBERS = np.zeros(256, bool)
OF_NUMBERS[[*b"0123456789"]] = True
OF_SIGNS = np.zeros(256, bool)
OF_SIGNS[[*b"+<=>~$%^"]] = True
OF_SYMBOLS = np.ones(256, bool)
OF_SYMBOLS[[*b"0123456789_abcdefghijklmnopqrstuvwxyz", *range(128, 256)]] = False
FOREIGN = r"^[\p{Sm}\p{Sc}\p{So}]|\pN"  # signs and digits beyond ASCII

# What is compared as it is written: flags, signed numbers, and units whose case counts.
AS_WRITTEN = (
    r"(?:^|[\s(\[`'\"=,|])(--?[A-Za-z][\w-]*|[-−+±]\d[\d.,]*)"
    r"|\d\s?([mMkKGTuµ]?(?:Wh?|Hz|bit|[bB]ps|[bB]|V|A|J|Pa|[mM]ol))\b"
)
WRITTEN = re.compile(AS_WRITTEN)


class Lists(BaseModel):
    """``prompts/meaning/telling.yaml``: words by language, numerals by number."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    negations: dict[str, list[str]]
    qualifiers: dict[str, list[str]]
    parts_of_names: dict[str, list[str]]
    numerals: dict[str, list[str]]
    units: list[str]
    common: dict[str, list[str]]
    plain: dict[str, list[str]]


@dataclass(frozen=True)
class Lexicon:
    """
    Words as hashes, each list in ascending order.

    Parameters
    ----------
    telling, same_as
        Those that tell, and the hash by which each is compared: that of the digits for a numeral.
    short
        Which of them count in natural language only.
    common
        The most frequent words of languages.
    stop, plain
        Stop words of the languages that have any, and the words that change nothing in these.
    """

    telling: Hashes
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
    given = lists().numerals
    digits = {_folded(word): number for number, words in given.items() for word in words}
    for language in built_in_languages():
        digits |= {_folded(word): sign for word, sign in language.written_out.items() if sign.isdigit()}
    return digits


@cache
def telling_words() -> frozenset[str]:
    """Join the words that tell, in all languages."""
    given, languages = lists(), built_in_languages()
    return frozenset(
        _folded(word)
        for some in (
            *given.negations.values(),
            *given.qualifiers.values(),
            *given.parts_of_names.values(),
            *given.numerals.values(),
            given.units,
            *(language.negations | language.numerals for language in languages),
            *(pair for language in languages for pair in language.opposites),
        )
        for word in some
        if " " not in word and word not in UNTOLD
    )


@cache
def lexicon() -> Lexicon:
    """Hash the lists."""
    given, languages = lists(), built_in_languages()
    digits = numerals()
    words = sorted(telling_words())
    hashes, same_as = _hash(words), _hash([digits.get(word, word) for word in words])
    short = np.array([SHORT.fullmatch(word) is not None for word in words])
    order = np.argsort(hashes)
    stop = {word for language in languages for word in language.stop}
    return Lexicon(
        hashes[order],
        same_as[order],
        short[order],
        _hash(sorted({*stop, *(word for some in given.common.values() for word in some)})),
        np.sort(_hash(sorted(stop))),
        np.sort(_hash(sorted({word for some in given.plain.values() for word in some}))),
    )


def _hash(words: list[str]) -> Hashes:
    folded = pa.array(map(_folded, words), pa.string())
    return Words(folded, np.ones(len(words), np.int64)).hashes


def _folded(word: str) -> str:
    """Fold a word as the words of a column are."""
    return compatible(word).casefold()


def digests(cut: Words, written: Hashes) -> tuple[Hashes, Hashes]:
    """
    Hash what tells in each text, in its order.

    Parameters
    ----------
    cut
        The words of the texts.
    written
        Hash of what is compared as it is written, for each text (`as_written`).

    Returns
    -------
    loose, strict
        For pairs of texts; the second for those of which one has less than `STRICT_BELOW` words. Of a text
        that is too long for such a pair both are the same.
    """
    known, hashes, owners = lexicon(), cut.hashes, cut.owners()
    values = hashes.copy()
    at = pc.index_in(pa.array(hashes), value_set=pa.array(known.telling)).fill_null(-1).to_numpy()
    listed = at >= 0
    values[listed] = known.same_as[at[listed]]
    small = cut.lengths < STRICT_BELOW * MARGIN
    natural = small | (_shares(hashes, known.common, cut.lengths) >= NATURAL)
    numeric, sign, symbol = _kinds(cut.words)
    measures = np.zeros(len(hashes), bool)  # the words behind a number
    measures[1:] = numeric[:-1] & (owners[1:] == owners[:-1])
    listed[listed] = natural[owners[listed]] | measures[listed] | ~known.short[at[listed]]
    loose = _digest(values, listed | numeric | sign, cut.lengths, written)
    spoken = small & (_shares(hashes, known.stop, cut.lengths) >= 2 * NATURAL)
    added = ~_among(hashes, known.plain)
    tells = np.where(spoken[owners], added, listed | numeric | sign | symbol)
    strict = np.where(small, _digest(values, tells, cut.lengths, written), loose)
    return loose, strict


def is_common(hashes: Hashes) -> npt.NDArray[np.bool_]:
    """Find the words that are among the most frequent of a language."""
    return _among(hashes, lexicon().common)


def _digest(values: Hashes, telling: npt.NDArray[np.bool_], lengths: Numbers, written: Hashes) -> Hashes:
    counts = np.bincount(np.repeat(np.arange(len(lengths)), lengths)[telling], minlength=len(lengths))
    result: Hashes = digest(values[telling], counts) + written
    return result


def _shares(hashes: Hashes, of: Hashes, lengths: Numbers) -> npt.NDArray[np.float64]:
    """Give the share of each text's words that are in a list."""
    owners = np.repeat(np.arange(len(lengths)), lengths)
    held = np.bincount(owners[_among(hashes, of)], minlength=len(lengths))
    result: npt.NDArray[np.float64] = held / np.maximum(lengths, 1)
    return result


def _among(hashes: Hashes, of: Hashes) -> npt.NDArray[np.bool_]:
    result: npt.NDArray[np.bool_] = pc.is_in(pa.array(hashes), value_set=pa.array(of)).to_numpy(
        zero_copy_only=False
    )
    return result


def _kinds(words: pa.StringArray) -> tuple[npt.NDArray[np.bool_], ...]:
    """Tell of each word whether it has a digit, is a sign that counts, and is a symbol."""
    if not len(words):
        return (np.zeros(0, bool),) * 3
    ends = np.frombuffer(words.buffers()[1], np.int32)[words.offset :][: len(words) + 1]
    letters = np.frombuffer(words.buffers()[2], np.uint8)
    starts = ends[:-1].astype(np.int64)
    inner = letters[starts[0] : ends[-1]]
    numeric = np.add.reduceat(OF_NUMBERS[inner], starts - starts[0]) > 0
    foreign = np.flatnonzero(np.add.reduceat(inner > 127, starts - starts[0]) > 0)
    sign, symbol = OF_SIGNS[letters[starts]], OF_SYMBOLS[letters[starts]]
    if len(foreign):
        found = pc.match_substring_regex(words.take(pa.array(foreign)), FOREIGN).to_numpy(
            zero_copy_only=False
        )
        sign[foreign] |= found
    return numeric, sign, symbol


def as_written(texts: pa.Array) -> Hashes:
    """Hash the flags, signed numbers and units of each text as they are written; 0 where there are none."""
    has = pc.fill_null(pc.match_substring_regex(texts, AS_WRITTEN), False).to_numpy(zero_copy_only=False)
    result = np.zeros(len(texts), np.uint64)
    if has.any():
        said = texts.filter(pa.array(has)).to_pylist()
        written = pa.array([" ".join(map("".join, WRITTEN.findall(text))) for text in said], pa.string())
        result[has] = Words(written, np.ones(len(written), np.int64)).hashes
    return result
