"""
Headings of plain text without markup: numbered, in capitals, or named as chapters.

A single line is weak evidence, so the whole document decides: headings are between blank lines, there are
several of a kind, their numbers are consecutive, and, unlike list items, they have text between them.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache

from datagen.stages.shared.language.joined import chapters

NUMBERED = re.compile(r"(\d{1,2}(?:\.\d{1,2}){0,4})[.)]?[ \t]+(?=[^\W\d_])")
NUMBER_OF_CHAPTER = r"\s+(?:\d{1,3}|[IVXLC]{1,7}|[A-Z])(?:[.:)]|\s*[–—-]|\s|$)"
ENDS_AS_SENTENCE = re.compile(r"[.!?;,:]\Z")
MAX_LENGTH, MAX_WORDS = 80, 12
MIN_LETTERS = 4  # of a heading in capitals
MIN_COUNT = 3  # headings of a kind
MIN_WITH_TEXT = 0.5  # share of the headings that are followed by text


def plain_headings(lines: Sequence[str]) -> Mapping[int, int]:
    """
    Find the headings of a text without marked headings.

    Returns
    -------
    Index of a line -> level of the heading on it, 1 for the highest
    """
    isolated = [at for at in range(len(lines)) if _is_isolated(lines, at)]
    if len(isolated) < MIN_COUNT:
        return {}
    named = [at for at in isolated if _chapter().match(lines[at])]
    capitals = [at for at in isolated if _in_capitals(lines[at]) and at not in named]
    depths = _numbered([(at, NUMBERED.match(lines[at])) for at in isolated])
    levels: dict[int, int] = {}
    level = 1
    for kind in (named, capitals):
        kind = [at for at in kind if at not in depths]
        if _are_headings(kind, lines):
            levels |= dict.fromkeys(kind, level)
            level += 1
    if _are_headings(list(depths), lines):
        levels |= {at: level + depth - 1 for at, depth in depths.items()}
    return levels


@cache
def _chapter() -> re.Pattern[str]:
    return re.compile(chapters() + NUMBER_OF_CHAPTER, re.IGNORECASE)


def _is_isolated(lines: Sequence[str], at: int) -> bool:
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
    """Keep the lines with consecutive numbers: index of a line -> number of parts of its number."""
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
    """List the possible next numbers: after 2.3 these are 2.3.1, 2.4 and 3; at the start 1, 1.1 and 0."""
    if number == (0,):
        return [(0,), (1,), (1, 1)]
    following = [(*number[:depth], number[depth] + 1) for depth in range(len(number))]
    return [*following, (*number, 1), (*number, 0)]


def _are_headings(candidates: Sequence[int], lines: Sequence[str]) -> bool:
    """Check whether lines of a kind are headings: several, most of them followed by text."""
    if len(candidates) < MIN_COUNT:
        return False
    ends = [*candidates[1:], len(lines)]
    with_text = sum(
        any(line.strip() for line in lines[at + 1 : end]) for at, end in zip(candidates, ends, strict=True)
    )
    return with_text >= MIN_WITH_TEXT * len(candidates)
