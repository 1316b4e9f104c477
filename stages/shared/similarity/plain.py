"""
Normalise texts before comparison: remove Markdown markup, and replace look-alike letters of other alphabets.

The markup of emphasis, headings and their underlines, bullets, quotes and links is removed; operators such as
``2 ** 3`` and names such as ``__init__`` are kept. A Cyrillic letter within a Latin word is replaced by the
Latin letter that it looks like, as is a whole word of such letters in a text that is mostly Latin.
"""

import re

import pyarrow as pa
import pyarrow.compute as pc

# For RE2, the regular expression engine of Arrow; applied in this order.
# The underline of a heading, or a rule across the page.
RULED = r"(?m)^[ \t]*(?:={3,}|-{3,}|~{3,}|\^{3,}|\*{3,}|_{3,}|\+{3,}|\"{3,}|#{3,})[ \t]*$"
MARKDOWN = (
    (RULED, ""),
    (r"!?\[([^\]\n]+)\]\((?:https?:|mailto:|[/#.])[^)\s]*\)", r"\1"),
    (r"(?m)^[ \t]{0,3}#{1,6}[ \t]+", ""),
    (r"(?m)^[ \t]*[-*+][ \t]+", ""),
    (r"(?m)^[ \t]{0,3}>[ \t]?([\pL\"'*_(])", r"\1"),
    (r"(?m)[ \t]#+$", ""),
    *[(r"(^|[^\pL\pN_*])\*{1,3}([^\s*](?:[^*\n]*[^\s*])?)\*{1,3}([^\pL\pN_*]|$)", r"\1\2\3")] * 2,
    *[(r"(^|[^\pL\pN_])_([^\s_](?:[^_\n]*[^\s_])?)_([^\pL\pN_]|$)", r"\1\2\3")] * 2,
    (r"(^|[^\pL\pN_])__([^\s_][^_\n]*\s[^_\n]*[^\s_])__([^\pL\pN_]|$)", r"\1\2\3"),
    (r"~~([^\s~][^~\n]*)~~", r"\1"),
)
# Digits that are raised, or parts of a mixed number: folded (NFKC), 10² would be 102, and 2½ 21/2.
RAISED = r"(\d)([⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ])", r"\1^\2"
FRACTION = r"(\d)([¼½¾⅐-⅞])", r"\1 \2"
MARKS = rf"[*_#\]>~]|(?m)^[ \t]*[-+][ \t]|{RULED}"

CYRILLIC = "АВСЕНІЈКМОРЅТХҮаԁсеһіјӏорѕухԝѵ"
GREEK = "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧο"
LATIN = "ABCEHIJKMOPSTXYadcehijlopsyxwv" + "ABEZHIKMNOPTYXo"
LETTERS = str.maketrans(CYRILLIC + GREEK, LATIN)
ALIKE = f"[{CYRILLIC}{GREEK}]"
MIXED = re.compile(rf"(?<!\w)\w*(?:[A-Za-z]{ALIKE}|{ALIKE}[A-Za-z])\w*")  # once per word: linear
ALONE = re.compile(rf"(?<!\w)[{CYRILLIC}]+(?!\w)")
OF_CYRILLIC, OF_LATIN = re.compile(r"[\u0400-\u04ff]"), re.compile(r"[A-Za-z]")


def plain(texts: pa.Array | pa.ChunkedArray) -> pa.StringArray:
    """Remove markup and look-alike letters from a column of texts; null stays null."""
    column = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    column = column.cast(pa.string())
    marked = pc.fill_null(pc.match_substring_regex(column, MARKS), False)
    if pc.any(marked).as_py():
        unmarked = column.filter(marked)
        for pattern, by in MARKDOWN:
            unmarked = pc.replace_substring_regex(unmarked, pattern, by)
        column = pc.replace_with_mask(column, marked, unmarked)
    for pattern, by in (RAISED, FRACTION):
        if pc.any(pc.match_substring_regex(column, pattern)).as_py():
            column = pc.replace_substring_regex(column, pattern, by)
    mixed = pc.fill_null(pc.match_substring_regex(column, ALIKE), False)
    mixed = pc.and_(mixed, pc.fill_null(pc.match_substring_regex(column, "[A-Za-z]"), False))
    if pc.any(mixed).as_py():
        latin = pa.array(map(in_one_alphabet, column.filter(mixed).to_pylist()), pa.string())
        column = pc.replace_with_mask(column, mixed, latin)
    return column


def in_one_alphabet(text: str) -> str:
    """Replace the Cyrillic and Greek letters of a text that look like Latin letters."""
    text = MIXED.sub(lambda word: word[0].translate(LETTERS), text)
    if len(OF_LATIN.findall(text)) > 4 * len(OF_CYRILLIC.findall(text)):
        text = ALONE.sub(lambda word: word[0].translate(LETTERS), text)
    return text
