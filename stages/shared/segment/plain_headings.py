"""
Headings of plain text that no mark shows: numbered, in capitals, or named as a chapter.

A line alone proves little, so the whole document decides: headings stand alone between blank lines, there
are several of a kind, numbers follow one another, and there is text between them, which a list has not.
"""

import re
from collections.abc import Mapping, Sequence

NUMBERED = re.compile(r"(\d{1,2}(?:\.\d{1,2}){0,4})[.)]?[ \t]+(?=[^\W\d_])")
CHAPTER = re.compile(
    r"(?:chapter|part|appendix|book|kapitel|teil|anhang|chapitre|partie|annexe|cap[ií]tulo|parte)"
    r"\s+(?:\d{1,3}|[IVXLC]{1,7}|[A-Z])(?:[.:)]|\s*[–—-]|\s|$)",
    re.IGNORECASE,
)
ENDS_AS_SENTENCE = re.compile(r"[.!?;,:]\Z")
MAX_LENGTH, MAX_WORDS = 80, 12
MIN_LETTERS = 4  # of a heading in capitals
MIN_COUNT = 3  # headings of a kind; one alone may be anything
MIN_WITH_TEXT = 0.5  # of them followed by text


def plain_headings(lines: Sequence[str]) -> Mapping[int, int]:
    """
    Find the headings of a text without marked ones.

    Returns
    -------
    Number of a line -> level of the heading on it, 1 for the highest
    """
    alone = [at for at in range(len(lines)) if _stands_alone(lines, at)]
    if len(alone) < MIN_COUNT:
        return {}
    chapters = [at for at in alone if CHAPTER.match(lines[at])]
    capitals = [at for at in alone if _in_capitals(lines[at]) and at not in chapters]
    depths = _numbered([(at, NUMBERED.match(lines[at])) for at in alone])
    found: dict[int, int] = {}
    level = 1
    for kind in (chapters, capitals):
        kind = [at for at in kind if at not in depths]
        if _are_headings(kind, lines):
            found |= dict.fromkeys(kind, level)
            level += 1
    if _are_headings(list(depths), lines):
        found |= {at: level + depth - 1 for at, depth in depths.items()}
    return found


def _stands_alone(lines: Sequence[str], at: int) -> bool:
    line = lines[at].rstrip()
    if not line or line[0].isspace() or len(line) > MAX_LENGTH or len(line.split()) > MAX_WORDS:
        return False
    if (at and lines[at - 1].strip()) or (at + 1 < len(lines) and lines[at + 1].strip()):
        return False
    return not ENDS_AS_SENTENCE.search(line)


def _in_capitals(line: str) -> bool:
    letters = [sign for sign in line if sign.isalpha()]
    return len(letters) >= MIN_LETTERS and all(sign.isupper() for sign in letters)


def _numbered(candidates: Sequence[tuple[int, re.Match[str] | None]]) -> dict[int, int]:
    """Keep the lines whose numbers follow one another: number of a line -> parts of its number."""
    depths: dict[int, int] = {}
    last: tuple[int, ...] = (0,)
    for at, match in candidates:
        if match is None:
            continue
        number = tuple(map(int, match[1].split(".")))
        if number in _successors(last):
            depths[at], last = len(number), number
    return depths


def _successors(number: tuple[int, ...]) -> list[tuple[int, ...]]:
    """List the numbers that may follow: of 2.3: 2.3.1, 2.4 and 3; first of all 1, 1.1 or 0."""
    if number == (0,):
        return [(0,), (1,), (1, 1)]
    following = [(*number[:depth], number[depth] + 1) for depth in range(len(number))]
    return [*following, (*number, 1), (*number, 0)]


def _are_headings(found: Sequence[int], lines: Sequence[str]) -> bool:
    """Tell whether lines of a kind are headings: several, most of them with text before the next."""
    if len(found) < MIN_COUNT:
        return False
    ends = [*found[1:], len(lines)]
    with_text = sum(
        any(line.strip() for line in lines[at + 1 : end]) for at, end in zip(found, ends, strict=True)
    )
    return with_text >= MIN_WITH_TEXT * len(found)
