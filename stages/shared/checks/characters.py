"""
Characters that a text should not have: invisible ones, letters of another script, symbols and stray marks.

A generator copies them from its training data, and an attacker hides instructions in them. What the passage
contains itself is never rejected.
"""

import re
import unicodedata
from itertools import pairwise

from datagen.request import Reject
from datagen.stages.shared.passage import Passage

# Shown as nothing, although not in the categories of `HIDDEN`: fillers, a vowel separator, a lost character.
BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180e\u3164\uffa0\ufffd")
HIDDEN = frozenset({"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"})
BREAKS = frozenset("\t\n\r")
DIRECTION = frozenset("\u061c\u200e\u200f")  # marks of the direction, which may be next to any number
# Belong to the spelling of Arabic, Persian and the languages of India, not to that of `PLAIN` scripts.
JOINERS = frozenset("\u200c\u200d")
PLAIN = frozenset({"LATIN", "GREEK", "CYRILLIC", "EAST ASIAN"})
LOOKALIKE = frozenset({"GREEK", "CYRILLIC", "ARMENIAN", "CHEROKEE"})  # have letters that look like Latin ones
EAST_ASIAN = frozenset(
    {"CJK", "IDEOGRAPHIC", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "BOPOMOFO", "FULLWIDTH", "HALFWIDTH"}
)
# Symbols of formulas, unlike any Latin letter: "Δmax", "πr²".
SYMBOLIC = frozenset("βγδεζηθλμξπστφψωΓΔΘΛΞΠΣΦΨΩ")
ACCENTS = frozenset("\u0302\u0303\u0304\u0305\u0307\u0308\u20d7")  # make a symbol of a letter: the mean x̄
OVERLAY = 1  # the combining class of marks that strike a letter through
MIXED = 3  # least letters of a word with Latin and Greek ones: "hν" is a formula
SYMBOL = re.compile(
    "[\u231a-\u23ff\u2600-\u27bf\u2b00-\u2bff\ufe00-\ufe0f\U0001f000-\U0001faff\U000e0100-\U000e01ef]"
)
WORD = re.compile(r"[^\W\d_]+")
NOT_ASCII = re.compile(r"[^\x20-\x7e\n]")


def legible(text: str, passage: Passage) -> None:
    """Reject a text with a character that its passage does not have and no reader of its script expects."""
    if not NOT_ASCII.search(text):
        return
    for sign in set(NOT_ASCII.findall(text)) - set(passage.text) - BREAKS - DIRECTION:
        hidden = sign in BLANK or unicodedata.category(sign) in HIDDEN
        if hidden and not (sign in JOINERS and not _scripts(text) <= PLAIN):
            raise Reject("invisible character", f"U+{ord(sign):04X} in: {text}")
        if SYMBOL.match(sign):
            raise Reject("stray symbol", f"U+{ord(sign):04X} in: {text}")
    _own_scripts(text, passage)
    _own_marks(text, passage)


def _own_scripts(text: str, passage: Passage) -> None:
    """Reject letters of a script that the passage lacks, and those in a word that look like its others."""
    known = passage.once(_scripts_of)
    for word in WORD.findall(text):
        scripts = _scripts(word)
        single = len(word) == 1  # "α" is a symbol
        foreign = (scripts & LOOKALIKE - {"GREEK"} if single else scripts - {"LATIN"}) - known
        alike = _scripts("".join(set(word) - SYMBOLIC)) & LOOKALIKE
        mixed = "LATIN" in scripts and alike and (alike != {"GREEK"} or len(word) >= MIXED)
        if (foreign and scripts == foreign) or (mixed and word not in passage.text):
            raise Reject("another script", f"{word} in: {text}")


def _own_marks(text: str, passage: Passage) -> None:
    """
    Reject marks on Latin letters that form no letter together: struck through, or several at once.

    Not one mark in a language that has such letters ("ọ̀"), or on a symbol.
    """
    known = passage.once(_marks_of)
    composed = unicodedata.normalize("NFC", text)
    for place, (letter, mark) in enumerate(pairwise(composed)):
        marked = unicodedata.category(mark) in ("Mn", "Me") and _scripts(letter) == {"LATIN"}
        around = composed[max(0, place - 1) : place] + composed[place + 2 : place + 3]
        single = not any(map(unicodedata.combining, around))
        symbol = mark in ACCENTS and not any(map(str.isalpha, around))
        spelt = known and unicodedata.combining(mark) > OVERLAY
        if marked and letter + mark not in passage.text and not (single and (symbol or spelt)):
            raise Reject("stray symbol", f"U+{ord(mark):04X} in: {text}")


def _marks_of(passage: Passage) -> bool:
    """Check whether a passage has Latin letters with a mark that Unicode does not compose."""
    pairs = pairwise(unicodedata.normalize("NFC", passage.text))
    return any(
        unicodedata.combining(mark) > OVERLAY and _scripts(letter) == {"LATIN"} for letter, mark in pairs
    )


def _scripts_of(passage: Passage) -> frozenset[str]:
    return _scripts(passage.text)


def _scripts(text: str) -> frozenset[str]:
    """Return the scripts of the letters of a text, by their names in Unicode."""
    names = (unicodedata.name(letter, "").partition(" ")[0] for letter in set(text) if letter.isalpha())
    return frozenset("EAST ASIAN" if name in EAST_ASIAN else name for name in names)
