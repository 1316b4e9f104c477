"""
The table of scripts: their letters, whether they put spaces between words, and what a word is in each.

This is the only such table. All code that depends on a text's script derives its character classes from it.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import NamedTuple

Ranges = Sequence[tuple[int, int]]  # first and last code points


class Script(NamedTuple):
    """
    A script, or several scripts that a language mixes.

    Parameters
    ----------
    name
        As in the Unicode names of its characters.
    letters
        Code points of its letters and marks, without digits and punctuation.
    spaced
        Whether words are separated by spaces.
    """

    name: str
    letters: Ranges
    spaced: bool = True


SCRIPTS = (
    Script(
        "LATIN",
        (
            *(
                (0x41, 0x5A),
                (0x61, 0x7A),
                (0xAA, 0xAA),
                (0xBA, 0xBA),
                (0xC0, 0xD6),
                (0xD8, 0xF6),
                (0xF8, 0x2AF),
            ),
            *((0x1D00, 0x1D25), (0x1D62, 0x1D65), (0x1D6B, 0x1DBF), (0x1E00, 0x1EFF), (0x2C60, 0x2C7F)),
            *((0xA722, 0xA787), (0xA78B, 0xA7FF), (0xAB30, 0xAB64), (0xFB00, 0xFB06), (0xFF21, 0xFF3A)),
            (0xFF41, 0xFF5A),
        ),
    ),
    Script("GREEK", ((0x370, 0x3FF), (0x1F00, 0x1FFF))),
    Script("CYRILLIC", ((0x400, 0x52F), (0x1C80, 0x1C8A), (0x2DE0, 0x2DFF), (0xA640, 0xA69F))),
    Script("ARMENIAN", ((0x531, 0x556), (0x559, 0x559), (0x560, 0x588), (0xFB13, 0xFB17))),
    Script("HEBREW", ((0x591, 0x5F2), (0xFB1D, 0xFB4F))),
    Script(
        "ARABIC",
        (
            *((0x610, 0x61A), (0x620, 0x65F), (0x66E, 0x6D3), (0x6D5, 0x6DC), (0x6DF, 0x6EF), (0x6FA, 0x6FF)),
            *((0x750, 0x77F), (0x870, 0x8FF), (0xFB50, 0xFDFB), (0xFE70, 0xFEFC)),
        ),
    ),
    Script("DEVANAGARI", ((0x900, 0x963), (0x971, 0x97F), (0xA8E0, 0xA8FF))),
    Script("BENGALI", ((0x980, 0x9E3), (0x9F0, 0x9F1), (0x9FC, 0x9FE))),
    Script("GURMUKHI", ((0xA01, 0xA5E), (0xA70, 0xA75))),
    Script("GUJARATI", ((0xA81, 0xAE3), (0xAF9, 0xAFF))),
    Script("ORIYA", ((0xB01, 0xB63), (0xB71, 0xB71))),
    Script("TAMIL", ((0xB82, 0xBD7),)),
    Script("TELUGU", ((0xC00, 0xC63),)),
    Script("KANNADA", ((0xC80, 0xCE3), (0xCF1, 0xCF3))),
    Script("MALAYALAM", ((0xD00, 0xD57), (0xD5F, 0xD63), (0xD7A, 0xD7F))),
    Script("SINHALA", ((0xD81, 0xDDF), (0xDF2, 0xDF3))),
    Script("THAI", ((0xE01, 0xE3A), (0xE40, 0xE4E)), spaced=False),
    Script("LAO", ((0xE81, 0xEBD), (0xEC0, 0xECE), (0xEDC, 0xEDF)), spaced=False),
    Script("TIBETAN", ((0xF00, 0xF00), (0xF40, 0xF84), (0xF86, 0xFBC))),  # syllables end in a tsheg
    Script(
        "MYANMAR",
        (
            (0x1000, 0x103F),
            (0x1050, 0x108F),
            (0x109A, 0x109D),
            (0xA9E0, 0xA9EF),
            (0xA9FA, 0xA9FE),
            (0xAA60, 0xAA7F),
        ),
        spaced=False,
    ),
    Script("GEORGIAN", ((0x10A0, 0x10FF), (0x1C90, 0x1CBF), (0x2D00, 0x2D2D))),
    Script("ETHIOPIC", ((0x1200, 0x135A), (0x1380, 0x138F), (0x2D80, 0x2DDE), (0xAB01, 0xAB2E))),
    Script("KHMER", ((0x1780, 0x17D3), (0x17D7, 0x17D7), (0x17DC, 0x17DD)), spaced=False),
    Script("TAI", ((0x1950, 0x19C9), (0x1A20, 0x1A7C), (0x1AA7, 0x1AA7), (0xAA80, 0xAADD)), spaced=False),
    Script("JAVANESE", ((0xA980, 0xA9C0), (0xA9CF, 0xA9CF)), spaced=False),
    Script("BALINESE", ((0x1B00, 0x1B4C),), spaced=False),
    Script(
        "HANGUL", ((0x1100, 0x11FF), (0x3131, 0x318E), (0xA960, 0xA97C), (0xAC00, 0xD7FB), (0xFFA0, 0xFFDC))
    ),
    Script(  # Han, kana and Bopomofo: Japanese and Chinese mix them
        "CJK",
        (
            *((0x2E80, 0x2FD5), (0x3005, 0x3007), (0x3021, 0x3029), (0x3031, 0x3035), (0x3038, 0x303C)),
            *((0x3041, 0x309A), (0x309D, 0x309F), (0x30A1, 0x30FA), (0x30FC, 0x312F), (0x31A0, 0x31BF)),
            *((0x31F0, 0x31FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0xFF66, 0xFF9F)),
            (0x1AFF0, 0x1B16F),
            (0x20000, 0x3FFFF),
        ),
        spaced=False,
    ),
)

# Marks that stack the next letter below the previous one: Khmer, Myanmar, Tai Tham, Balinese, Javanese.
STACKERS = "\u17d2\u1039\u1a60\u1b44\ua9c0"
COMMON = "\u30fc\uff70"  # prolonged sound marks, used in both Hiragana and Katakana
EXTENDERS = "\u0e33\u0eb3"  # letters that attach to the previous one like marks: Thai and Lao AM
JOINERS = "\u00ad\u200c\u200d\u2060"  # invisible, inside words: soft hyphen, (non-)joiner, word joiner

# Blocks with combining marks.
MARKED = ((0x300, 0x3100), (0xA600, 0xAC00), (0xFB00, 0xFE30), (0x10000, 0x1F000), (0xE0100, 0xE01F0))

# Blocks of double-width characters, including punctuation and full-width forms. Text in these is three times
# as dense, which the length of passages takes into account.
WIDE = ((0x3040, 0x30FF), (0x3400, 0x9FFF), (0xF900, 0xFAFF), (0xFF00, 0xFFEF), (0x20000, 0x3FFFF))

# Between two characters of these blocks a line break does not represent a space.
SEAMLESS = ((0x2E80, 0x9FFF), (0xAC00, 0xD7AF), (0xF900, 0xFAFF), (0xFF00, 0xFFEF))


def characters(ranges: Ranges) -> str:
    """Return ranges as the content of a character class, for Python's and Arrow's regular expressions."""
    return "".join(chr(first) if first == last else f"{chr(first)}-{chr(last)}" for first, last in ranges)


@cache
def marks() -> Ranges:
    """List the combining marks of all scripts except `STACKERS`; text is never split before one."""
    return tuple(_runs(code for block in MARKED for code in range(*block) if _is_mark(chr(code))))


def _is_mark(character: str) -> bool:
    return unicodedata.category(character)[0] == "M" and character not in STACKERS


@cache
def unspaced_bases() -> Ranges:
    """List the letters of scripts without spaces, without marks."""
    letters = sorted(part for script in SCRIPTS if not script.spaced for part in script.letters)
    others = sorted([*marks(), *((ord(sign), ord(sign)) for sign in STACKERS + EXTENDERS)])
    return tuple(_without(letters, others))


@cache
def letter() -> str:
    """Return the character class of letters, digits and underscores of scripts with spaces."""
    return rf"[^\W{characters(unspaced_bases())}{EXTENDERS}]"


@cache
def spaced_word() -> str:
    """Return the regular expression of a word in scripts with spaces; marks belong to the previous letter."""
    return rf"{letter()}+(?:[{characters(marks())}{STACKERS}{JOINERS}]+{letter()}*)*"


@cache
def cluster(mark: str = "") -> str:
    """Return the regular expression of a cluster: a letter of a script without spaces, with its marks."""
    mark = mark or f"[{characters(marks())}{JOINERS}{EXTENDERS}]"
    base = f"[{characters(unspaced_bases())}]{mark}*"
    return f"{base}(?:[{STACKERS}]+(?:{base})?)*"


def _runs(codes: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Join ascending code points into ranges."""
    first = last = -1
    for code in codes:
        if first >= 0 and code != last + 1:
            yield first, last
            first = code
        first, last = (code if first < 0 else first), code
    if first >= 0:
        yield first, last


def _without(ranges: Ranges, others: Ranges) -> Iterator[tuple[int, int]]:
    """Subtract sorted ranges from sorted ranges."""
    for first, last in ranges:
        for low, high in others:
            if first <= high and low <= last:
                if first < low:
                    yield first, low - 1
                first = high + 1
        if first <= last:
            yield first, last
