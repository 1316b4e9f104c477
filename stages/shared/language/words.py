"""
The word tokenizer, with a variant for each use.

In scripts with spaces a word is a run of letters, marks, digits and underscores. In scripts without spaces
(Han, kana, Thai, Lao, Khmer, Myanmar, ...) each cluster is a word: a letter with its marks and the letters
stacked below it. No word starts with a combining mark, so none is separated from its letter. Digits form one
run in every script.

==========  ===========================================================  ==========================
variant     differences                                                  used for
==========  ===========================================================  ==========================
`WORDS`     "3.11" and "don't" are one word                              checks, counts, phrases
`ANSWERS`   "%", "-5" and "2.5" are one word, "don't" is two             comparing answers
`COMPOUND`  "state-of-the-art", "and/or" and "U.S" are one word          finding answers in sentences
`columns`   processes a column; "3.11" and "don't" are two words,        dedup, decontaminate, search
            symbols are optionally words
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

from datagen.scripts import (
    EXTENDERS,
    JOINERS,
    STACKERS,
    characters,
    cluster,
    letter,
    marks,
    spaced_word,
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
    A variant of the word tokenizer.

    Parameters
    ----------
    numbers
        Regular expression of numbers that are words, tried first.
    inside
        Regular expression of characters that join two runs of letters, such as an apostrophe; "" for none.
    fold
        Normalisation of the text before its words are compared.
    """

    numbers: str
    inside: str
    fold: Callable[[str], str]

    def __call__(self, text: str) -> list[str]:
        """List the words of a text, folded."""
        folded = self.fold(text)
        return self._pattern(folded).findall(folded)

    def spans(self, text: str) -> list[tuple[int, int]]:
        """List the spans of a text's words, in code points of the unfolded text."""
        return [match.span() for match in self._pattern(text).finditer(text)]

    def _pattern(self, text: str) -> re.Pattern[str]:
        return self._ascii if text.isascii() else self._full

    @cached_property
    def _ascii(self) -> re.Pattern[str]:
        return re.compile(self._expression(r"\w+"), re.ASCII)

    @cached_property
    def _full(self) -> re.Pattern[str]:
        return re.compile(f"{self._expression(spaced_word())}|{cluster()}")

    def _expression(self, letters: str) -> str:
        joined = f"(?:{self.inside}{letters})*" if self.inside else ""
        return f"{self.numbers}|{letters}{joined}"


def case_folded(text: str) -> str:
    """Fold case and the type of apostrophe; remove invisible characters inside words."""
    if text.isascii():
        return text.lower()
    return text.casefold().replace("’", "'").translate(INVISIBLE)


def compatible(text: str) -> str:
    """Fold compatible forms (NFKC), without decomposing the letters of `EXTENDERS`."""
    folded = unicodedata.normalize("NFKC", text)
    return folded if folded.isascii() else TAKEN_APART.sub(lambda match: WHOLE[match[0]], folded)


def edges(text: str, within: str) -> tuple[str, str]:
    """
    Return lookarounds to find a text in another one at word or grapheme boundaries.

    Parameters
    ----------
    text
        The text to find.
    within
        The characters of the text to search. Classes of these alone compile in a fraction of the time.

    Returns
    -------
    before, after
        Regular expressions; "" if any position is allowed.
    """
    trimmed = text.strip()
    opens, ends = re.match(letter(), trimmed), re.search(rf"{spaced_word()}\Z", trimmed[-8:])
    letters, marked = ("".join(found.findall(within)) for found in _boundaries())
    before = [letters, marked] if opens else []
    after = [marked, letters if ends else ""]
    return "".join(f"(?<![{some}])" for some in before if some), "".join(
        f"(?![{some}])" for some in after if some
    )


@cache
def _boundaries() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Match a letter of a script with spaces; and a mark, before which no word or grapheme ends."""
    return re.compile(letter()), re.compile(f"[{characters(marks())}{EXTENDERS}]")


INVISIBLE = dict.fromkeys(map(ord, JOINERS))
WHOLE = {unicodedata.normalize("NFKC", letter): letter for letter in EXTENDERS}
TAKEN_APART = re.compile("|".join(WHOLE))
THOUSANDS = re.compile(r"(?<=\d)[,\u202f'’](?=\d{3}(?!\d))")


def as_answer(text: str) -> str:
    """Fold case and compatible forms; remove thousands separators."""
    return THOUSANDS.sub("", compatible(text)).casefold().replace("\u2212", "-").translate(INVISIBLE)


WORDS = Tokenizer(DECIMAL, APOSTROPHE, case_folded)
ANSWERS = Tokenizer(SIGNED, "", as_answer)
COMPOUND = Tokenizer(EXACT, HYPHENS, case_folded)

words_of = WORDS


def count(texts: pa.Array) -> pa.Array:
    """Count the words (`WORDS`) of each text of a column; null counts as empty."""
    texts = pc.fill_null(texts, "")
    if only_ascii_words(texts):
        return pc.count_substring_regex(texts, rf"{DECIMAL}|\w+(?:{APOSTROPHE}\w+)*")
    return pc.count_substring_regex(texts, _in_columns())


def only_ascii_words(texts: pa.Array) -> bool:
    """
    Check whether a column has only ASCII and dashes, quotation marks and the like (U+2010 to U+2027).

    Arrow compiles a regular expression at each call, which takes 3 to 17 ms with all letters of Unicode
    and 0.03 ms with those of ASCII.
    """
    return not pc.any(pc.match_substring_regex(texts, r"[^\x00-\x7f\x{2010}-\x{2027}]")).as_py()


@cache
def _in_columns() -> str:
    r"""Return `WORDS` for Arrow's RE2 engine, in which ``\w`` and ``\d`` match ASCII only."""
    bases = characters(unspaced_bases())
    spaced = rf"(?:[^\P{{L}}{bases}{EXTENDERS}]|[^\P{{N}}{bases}]|_)"
    letters = rf"{spaced}(?:{spaced}|[\p{{M}}{JOINERS}])*"
    return rf"\p{{Nd}}+(?:[.,]\p{{Nd}}+)*|{letters}(?:{APOSTROPHE}{letters})*|{columnar_cluster()}"


@cache
def columnar_cluster() -> str:
    """Return `cluster` for Arrow's engine."""
    return cluster(rf"(?:[^\P{{M}}{STACKERS}]|[{JOINERS}{EXTENDERS}])")
