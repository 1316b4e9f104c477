"""
What a text is built of: headings, paragraphs, list items, code and tables, each a span.

One reading serves Markdown, plain text that is broken by a margin, and plain text with a paragraph a line.
Headings are Markdown's (``# Title``) and underlined ones, as in reStructuredText and Python's own manual,
whose marks tell their levels; in a text with neither, those of `plain_headings`. A blank line ends a block;
so does a line too long to have been wrapped at a margin, and the mark of a list item.
"""

import re
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate

from datagen.stages.shared.segment.plain_headings import plain_headings

ATX = re.compile(r"(#{1,6})[ \t]+(?=\S)")
RULE = re.compile(r"([=\-~^\"'*+#`:._<>])\1{2,}$")
FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})")
CLOSING = re.compile(r"[ \t]*(?:`{3,}|~{3,})\s*$")
MAX_FENCES = 50  # looked at for the one that closes
ITEM = re.compile(
    r"[ \t]*(?:[-*+•‣◦▪·]|\d{1,3}[.)]|[“\"]?\((?:\d{1,3}|[ivxlc]{1,5}|[A-Za-z]{1,2})\))[ \t]+\S"
)
ROW = re.compile(r"[ \t]*(?:\||\+[-=]{2,}[-=+]*\+$)")
MARGIN = 110  # characters; a longer line is a paragraph of its own
MAX_HEADING = 120  # characters; what is longer and underlined is a paragraph above a rule
MARKUP = re.compile(r"[`*]+|\[([^\]]*)\]\([^)]*\)")


@dataclass(frozen=True, slots=True)
class Block:
    """
    A stretch of a text that belongs together.

    Parameters
    ----------
    start, end
        Its span in code points, from the beginning of its first line's words to the end of its last line.
    kind
        heading, text, item, code or table.
    indent
        Blanks before its first line.
    level
        Of a heading: 1 for the highest.
    title
        Of a heading: its words without marks.
    """

    start: int
    end: int
    kind: str
    indent: int = 0
    level: int = 0
    title: str = ""


def blocks(text: str) -> list[Block]:
    """
    Find the blocks of a text.

    Returns
    -------
    list of Block
        In order and disjoint; together they hold every character that is not blank.
    """
    lines = _Lines(text)
    found: list[Block] = []
    at = 0
    while at < len(lines.lines):
        line = lines.lines[at]
        if not line.strip():
            at += 1
            continue
        size, kind, level, title = lines.measure(at)
        last = at + size - 1
        indent = len(line) - len(line.lstrip())
        end = lines.starts[last] + len(lines.lines[last].rstrip())
        found.append(Block(lines.starts[at] + indent, end, kind, indent, level, title))
        at += size
    return found


def first_heading(text: str) -> str:
    """Return the heading that a text opens with; "" where it opens with something else."""
    opening = next(iter(blocks(text[: 4 * MAX_HEADING])), None)
    return opening.title if opening else ""


class _Lines:
    """The lines of a text, and what is known of its marks."""

    def __init__(self, text: str) -> None:
        self.lines = text.split("\n")
        self.starts = [0, *accumulate(len(line) + 1 for line in self.lines)]
        # Marks of underlined headings, highest first: Markdown's two, or as they come.
        self.underlines = ["=", "-"] if any(ATX.match(line) for line in self.lines) else []
        marked = self.underlines or any(RULE.match(line.rstrip()) for line in self.lines)
        self.plain = {} if marked else plain_headings(self.lines)
        self.closing = [at for at, line in enumerate(self.lines) if CLOSING.match(line)]

    def measure(self, at: int) -> tuple[int, str, int, str]:
        """Tell how many lines the block takes that begins here; its kind; a heading's level and title."""
        line = self.lines[at]
        if size := self._fenced(at):
            return size, "code", 0, ""
        if level := self.plain.get(at):
            return 1, "heading", level, plain(line)
        if ROW.match(line):
            return self._rows(at), "table", 0, ""
        if atx := ATX.match(line):
            return 1, "heading", len(atx[1]), plain(line[atx.end() :])
        for size in (2, 3):
            if mark := self._underlined(at, size):
                if mark not in self.underlines:
                    self.underlines.append(mark)
                level = self.underlines.index(mark) + 1
                return size, "heading", level, plain(self.lines[at + size - 2])
        return self._paragraph(at), "item" if ITEM.match(line) else "text", 0, ""

    def _fenced(self, at: int) -> int:
        """Count the lines from a fence to the one that closes it; 0 where there is none."""
        fence = FENCE.match(self.lines[at])
        if not fence:
            return 0
        for index in self.closing[bisect_right(self.closing, at) :][:MAX_FENCES]:
            if self.lines[index].strip().startswith(fence[1]):
                return index - at + 1
        return 0

    def _rows(self, at: int) -> int:
        size = 1
        while at + size < len(self.lines) and ROW.match(self.lines[at + size]):
            size += 1
        return size

    def _underlined(self, at: int, size: int) -> str:
        """Return the mark of a heading: title, rule, or rule, title, rule; "" where there is none."""
        part = [line.rstrip() for line in self.lines[at : at + size]]
        if len(part) < size or (at and self.lines[at - 1].strip()):
            return ""
        title, under = part[-2:]
        rule = RULE.match(under)
        if not rule or not title or title[0].isspace() or len(title) > MAX_HEADING or RULE.match(title):
            return ""
        if size == 3 and part[0] != under:
            return ""
        if len(under) < len(title) / 2 and rule[1] not in "=-":
            return ""
        return rule[1] * (size - 1)

    def _paragraph(self, at: int) -> int:
        size = 1
        while at + size < len(self.lines):
            before, line = self.lines[at + size - 1], self.lines[at + size]
            if not line.strip() or len(before) > MARGIN:
                break
            if any(pattern.match(line) for pattern in (ITEM, ROW, FENCE, ATX)):
                break
            size += 1
        return size


def plain(heading: str) -> str:
    """Write a heading without its marks, cut where no heading is that long."""
    words = heading[: 4 * MAX_HEADING].rstrip("# \t")
    return " ".join(MARKUP.sub(lambda match: match[1] or "", words).split())
