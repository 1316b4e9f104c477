"""
Normalise texts before comparison: remove Markdown markup, and replace look-alike letters of other alphabets.

The markup of emphasis, headings and their underlines, bullets, quotes and links is removed; operators such as
``2 ** 3`` and names such as ``__init__`` are kept. A Cyrillic letter within a Latin word is replaced by the
Latin letter that it looks like, as is a whole word of such letters in a text that is mostly Latin.
"""

import re
from collections.abc import Callable
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from datagen.stages.shared.language.words import only_ascii_words

# For RE2, the regular expression engine of Arrow; applied in this order, to the texts that have the sign.
# The underline of a heading, or a rule across the page.
RULED = r"(?m)^[ \t]*(?:={3,}|-{3,}|~{3,}|\^{3,}|\*{3,}|_{3,}|\+{3,}|\"{3,}|#{3,})[ \t]*$"
MARKDOWN = (
    ("", RULED, ""),
    ("](", r"!?\[([^\]\n]+)\]\((?:https?:|mailto:|[/#.])[^)\s]*\)", r"\1"),
    ("#", r"(?m)^[ \t]{0,3}#{1,6}[ \t]+", ""),
    ("", r"(?m)^[ \t]*[-*+][ \t]+", ""),
    (">", r"(?m)^[ \t]{0,3}>[ \t]?([\pL\"'*_(])", r"\1"),
    ("#", r"(?m)[ \t]#+$", ""),
    *[("*", r"(^|[^\pL\pN_*])\*{1,3}([^\s*](?:[^*\n]*[^\s*])?)\*{1,3}([^\pL\pN_*]|$)", r"\1\2\3")] * 2,
    *[("_", r"(^|[^\pL\pN_])_([^\s_](?:[^_\n]*[^\s_])?)_([^\pL\pN_]|$)", r"\1\2\3")] * 2,
    ("__", r"(^|[^\pL\pN_])__([^\s_][^_\n]*\s[^_\n]*[^\s_])__([^\pL\pN_]|$)", r"\1\2\3"),
    ("~~", r"~~([^\s~][^~\n]*)~~", r"\1"),
)
MARKS = rf"[*_#\]>~]|(?m)^[ \t]*[-+][ \t]|{RULED}"
# Digits that are raised, or parts of a mixed number: folded (NFKC), 10² would be 102, and 2½ 21/2.
RAISED, FRACTIONS = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", "¼½¾⅐-⅞"
NUMBERS = ((rf"(\d)([{RAISED}])", r"\1^\2"), (rf"(\d)([{FRACTIONS}])", r"\1 \2"))

CYRILLIC = "АВСЕНІЈКМОРЅТХҮаԁсеһіјӏорѕухԝѵ"
GREEK = "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧο"
LATIN = "ABCEHIJKMOPSTXYadcehijlopsyxwv" + "ABEZHIKMNOPTYXo"
LETTERS = str.maketrans(CYRILLIC + GREEK, LATIN)
ALIKE = f"[{CYRILLIC}{GREEK}]"
FOREIGN = f"[{RAISED}{FRACTIONS}{CYRILLIC}{GREEK}]"
MIXED = re.compile(rf"(?<!\w)\w*(?:[A-Za-z]{ALIKE}|{ALIKE}[A-Za-z])\w*")  # once per word: linear
ALONE = re.compile(rf"(?<!\w)[{CYRILLIC}]+(?!\w)")
OF_CYRILLIC, OF_LATIN = re.compile(r"[\u0400-\u04ff]"), re.compile(r"[A-Za-z]")


def plain(texts: pa.Array | pa.ChunkedArray) -> pa.StringArray:
    """Remove markup and look-alike letters from a column of texts; null stays null."""
    column = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    column = column.cast(pa.string())
    column = _rewritten(column, pc.match_substring_regex(column, MARKS), _without_markup)
    return _rewritten(column, pc.match_substring_regex(column, FOREIGN), _without_foreign)


def _rewritten(
    texts: pa.StringArray, which: pa.BooleanArray, rewrite: Callable[[pa.StringArray], pa.StringArray]
) -> pa.StringArray:
    """Rewrite some of the texts, which is faster than all."""
    which = pc.fill_null(which, False)
    if not pc.any(which).as_py():
        return texts
    return pc.replace_with_mask(texts, which, rewrite(texts.filter(which)))


def _without_markup(texts: pa.StringArray) -> pa.StringArray:
    narrow = only_ascii_words(texts)
    for sign, pattern, by in MARKDOWN:
        if narrow:
            pattern = pattern.replace(r"\pL", "A-Za-z").replace(r"\pN", "0-9")
        remove = partial(pc.replace_substring_regex, pattern=pattern, replacement=by)
        texts = _rewritten(texts, pc.match_substring(texts, sign), remove) if sign else remove(texts)
    return texts


def _without_foreign(texts: pa.StringArray) -> pa.StringArray:
    """Separate raised digits and fractions from numbers, and replace letters of other alphabets."""
    for pattern, by in NUMBERS:
        texts = pc.replace_substring_regex(texts, pattern, by)
    mixed = pc.and_(pc.match_substring_regex(texts, ALIKE), pc.match_substring_regex(texts, "[A-Za-z]"))
    return _rewritten(
        texts, mixed, lambda some: pa.array(map(in_one_alphabet, some.to_pylist()), pa.string())
    )


def in_one_alphabet(text: str) -> str:
    """Replace the Cyrillic and Greek letters of a text that look like Latin letters."""
    text = MIXED.sub(lambda word: word[0].translate(LETTERS), text)
    if len(OF_LATIN.findall(text)) > 4 * len(OF_CYRILLIC.findall(text)):
        text = ALONE.sub(lambda word: word[0].translate(LETTERS), text)
    return text
