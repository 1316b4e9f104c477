"""
The words of a text: one definition for all that counts or compares them, with the variants it is used in.

In scripts with spaces a word is a run of letters, marks, digits and underscores. Scripts without spaces
(Han, kana, Thai, Lao, Khmer, Myanmar, ...) give a word per cluster: a letter with its marks and the letters
stacked below it. No word begins with a combining mark, so none is cut off its letter. Digits are one run in
every script.

==========  ===========================================================  ==========================
variant     besides                                                      used by
==========  ===========================================================  ==========================
`WORDS`     "3.11" and "don't" are one word                              checks, counts, phrases
`ANSWERS`   "%", "-5" and "2.5" are one word, "don't" is two             comparing answers
`COMPOUND`  "state-of-the-art", "and/or" and "U.S" are one word, too     finding answers in sentences
`columns`   a column of texts at once; "3.11" and "don't" are two,       dedup, decontaminate, search
            symbols are words where asked for
==========  ===========================================================  ==========================

The last is `datagen.stages.shared.language.columns.words`; `count` counts the words of `WORDS` in a column.
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property

import pyarrow as pa
import pyarrow.compute as pc

from datagen.stages.shared.language.scripts import (
    EXTENDERS,
    JOINERS,
    STACKERS,
    characters,
    marks,
    unspaced_bases,
)

DECIMAL = r"\d+(?:[.,]\d+)*"
SIGNED = r"(?<![\w.])[-\u2212]\d[\d.]*\d|(?<![\w.])[-\u2212]\d|\d+(?:\.\d+)+|%"  # -273.15, 2.5
EXACT = r"\d+(?:[.,]\d+)+(?!\w)"
NUMBER = re.compile(DECIMAL)

APOSTROPHE = "['’]"
HYPHENS = "[-'’./]"


@dataclass(frozen=True)
class Tokenizer:
    """
    A variant of the words of a text.

    Parameters
    ----------
    numbers
        A regular expression of the numbers that are words, tried first.
    inside
        One that joins two runs of letters to one word, such as an apostrophe; "" for none.
    fold
        What is done to a text before its words are compared.
    """

    numbers: str
    inside: str
    fold: Callable[[str], str]

    def __call__(self, text: str) -> list[str]:
        """List the words of a text, folded."""
        folded = self.fold(text)
        return self._pattern(folded).findall(folded)

    def spans(self, text: str) -> list[tuple[int, int]]:
        """List where the words of a text stand, in code points, unfolded."""
        return [match.span() for match in self._pattern(text).finditer(text)]

    def _pattern(self, text: str) -> re.Pattern[str]:
        return self._ascii if text.isascii() else self._full

    @cached_property
    def _ascii(self) -> re.Pattern[str]:
        return re.compile(self._expression(r"\w+"), re.ASCII)

    @cached_property
    def _full(self) -> re.Pattern[str]:
        return re.compile(f"{self._expression(run())}|{cluster()}")

    def _expression(self, letters: str) -> str:
        joined = f"(?:{self.inside}{letters})*" if self.inside else ""
        return f"{self.numbers}|{letters}{joined}"


@cache
def letter() -> str:
    """Give the class of letters, digits and underscores of scripts with spaces."""
    return rf"[^\W{characters(unspaced_bases())}{EXTENDERS}]"


@cache
def run() -> str:
    """Give the regular expression of a word in scripts with spaces; marks belong to the letter before."""
    return rf"{letter()}+(?:[{characters(marks())}{STACKERS}{JOINERS}]+{letter()}*)*"


@cache
def cluster(mark: str = "") -> str:
    """Give the regular expression of a cluster: a letter of a script without spaces, with its marks."""
    mark = mark or f"[{characters(marks())}{JOINERS}{EXTENDERS}]"
    base = f"[{characters(unspaced_bases())}]{mark}*"
    return f"{base}(?:[{STACKERS}]+(?:{base})?)*"


def case_folded(text: str) -> str:
    """Fold case and the kind of apostrophe; leave out what is invisible inside words."""
    if text.isascii():
        return text.lower()
    return text.casefold().replace("’", "'").translate(INVISIBLE)


def compatible(text: str) -> str:
    """Fold compatible forms (NFKC), without taking the letters of `EXTENDERS` apart."""
    folded = unicodedata.normalize("NFKC", text)
    return folded if folded.isascii() else TAKEN_APART.sub(lambda match: WHOLE[match[0]], folded)


def edges(text: str, *, ascii_only: bool) -> tuple[str, str]:
    """
    Give lookarounds for where a text stands in another one without cutting a word or a letter.

    Parameters
    ----------
    text
        What is looked for.
    ascii_only
        Whether what it is looked for in is ASCII, which keeps the classes small.

    Returns
    -------
    before, after
        Regular expressions; "" where the edge may be anywhere.
    """
    trimmed = text.strip()
    opens, ends = re.match(letter(), trimmed), re.search(rf"{run()}\Z", trimmed[-8:])
    if ascii_only:
        return r"(?<![A-Za-z0-9_])" if opens else "", r"(?![A-Za-z0-9_])" if ends else ""
    mark = f"[{characters(marks())}{EXTENDERS}]"
    return (
        rf"(?<!{letter()})(?<!{mark})" if opens else "",
        rf"(?!{mark})" + (rf"(?!{letter()})" if ends else ""),
    )


INVISIBLE = dict.fromkeys(map(ord, JOINERS))
WHOLE = {unicodedata.normalize("NFKC", letter): letter for letter in EXTENDERS}
TAKEN_APART = re.compile("|".join(WHOLE))
THOUSANDS = re.compile(r"(?<=\d)[,\u202f'’](?=\d{3}(?!\d))")


def as_answer(text: str) -> str:
    """Fold case and compatible forms; leave out the marks between thousands."""
    return THOUSANDS.sub("", compatible(text)).casefold().replace("\u2212", "-").translate(INVISIBLE)


WORDS = Tokenizer(DECIMAL, APOSTROPHE, case_folded)
ANSWERS = Tokenizer(SIGNED, "", as_answer)
COMPOUND = Tokenizer(EXACT, HYPHENS, case_folded)

words_of = WORDS


def count(texts: pa.Array) -> pa.Array:
    """Count the words of each text of a column, as `WORDS` cuts them; null counts as empty."""
    return pc.count_substring_regex(pc.fill_null(texts, ""), _in_columns())


@cache
def _in_columns() -> str:
    r"""Write `WORDS` for Arrow's engine, which is RE2: there ``\w`` and ``\d`` know ASCII only."""
    bases = characters(unspaced_bases())
    spaced = rf"(?:[^\P{{L}}{bases}{EXTENDERS}]|[^\P{{N}}{bases}]|_)"
    letters = rf"{spaced}(?:{spaced}|[\p{{M}}{JOINERS}])*"
    return rf"\p{{Nd}}+(?:[.,]\p{{Nd}}+)*|{letters}(?:{APOSTROPHE}{letters})*|{columnar_cluster()}"


@cache
def columnar_cluster() -> str:
    """Write `cluster` for Arrow's engine."""
    return cluster(rf"(?:[^\P{{M}}{STACKERS}]|[{JOINERS}{EXTENDERS}])")
