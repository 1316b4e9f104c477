"""
Split a text into blocks: headings, paragraphs, list items, code and tables, each a span.

One parser handles Markdown, hard-wrapped plain text, and plain text with one paragraph per line. Headings are
those of Markdown (``# Title``) and underlined ones, as in reStructuredText, whose underline characters define
the levels; in a text with neither, those of `plain_headings`. A block ends at a blank line, after a line too
long to be hard-wrapped, and before the marker of a list item.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

from datagen.stages.shared.segment.plain_headings import plain_headings

ATX = re.compile(r"(#{1,6})[ \t]+(?=\S)")
RULE = re.compile(r"([=\-~^\"'*+#`:._<>])\1{2,}$")
FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})")
CLOSING = re.compile(r"[ \t]*(?:`{3,}|~{3,})\s*$")
MAX_FENCES = 50  # maximum closing fences to try
ITEM = re.compile(
    r"[ \t]*(?:[-*+•‣◦▪·]|\d{1,3}[.)]|[“\"]?\((?:\d{1,3}|[ivxlc]{1,5}|[A-Za-z]{1,2})\))[ \t]+\S"
)
ROW = re.compile(r"[ \t]*(?:\||\+[-=]{2,}[-=+]*\+$)")
MARGIN = 110  # characters; a longer line is a paragraph
MAX_HEADING = 120  # characters; a longer underlined line is a paragraph above a rule
MARKUP = re.compile(r"[`*]+|\[([^\[\]]*)\]\([^)\[]*\)")


@dataclass(frozen=True, slots=True)
class Block:
    """
    A block of a text.

    Parameters
    ----------
    start, end
        Its span in code points, without blanks at its ends.
    kind
        heading, text, item, code or table.
    indent
        Blanks before its first line.
    level
        Level of a heading, 1 for the highest.
    title
        Text of a heading, without markup.
    """

    start: int
    end: int
    kind: str
    indent: int = 0
    level: int = 0
    title: str = ""


@lru_cache(maxsize=1)  # a document of one passage is cut into blocks twice
def blocks(text: str) -> tuple[Block, ...]:
    """
    Find the blocks of a text.

    Returns
    -------
    tuple of Block
        In order and disjoint; together they cover every non-blank character.
    """
    return tuple(_blocks(_Lines(text)))


def _blocks(lines: "_Lines") -> Iterator[Block]:
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
        yield Block(lines.starts[at] + indent, end, kind, indent, level, title)
        at += size


def first_heading(text: str) -> str:
    """Return the heading that a text starts with; "" if there is none."""
    opening = next(iter(blocks(text[: 4 * MAX_HEADING])), None)
    return opening.title if opening else ""


class _Lines:
    """The lines of a text, with the heading marks and fences that it uses."""

    def __init__(self, text: str) -> None:
        self.lines = text.split("\n")
        self.starts = [0, *accumulate(len(line) + 1 for line in self.lines)]
        # Underline characters, highest level first: the two of Markdown, or in order of occurrence.
        self.atx = "#" in text and any(ATX.match(line) for line in self.lines)
        self.underlines = ["=", "-"] if self.atx else []
        self.rules = {at: rule for at, line in enumerate(self.lines) if (rule := RULE.match(line.rstrip()))}
        self.plain = {} if self.atx or self.rules else plain_headings(self.lines)
        fenced = "```" in text or "~~~" in text
        self.closing = [at for at, line in enumerate(self.lines) if CLOSING.match(line)] if fenced else []

    def measure(self, at: int) -> tuple[int, str, int, str]:
        """Return the number of lines of the block that starts here, its kind, and its level and title."""
        line = self.lines[at]
        if size := self._fenced(at):
            return size, "code", 0, ""
        if level := self.plain.get(at):
            return 1, "heading", level, plain(line)
        if ROW.match(line):
            return self._rows(at), "table", 0, ""
        if self.atx and (atx := ATX.match(line)):
            return 1, "heading", len(atx[1]), plain(line[atx.end() :])
        for size in (2, 3):
            if mark := self._underlined(at, size):
                if mark not in self.underlines:
                    self.underlines.append(mark)
                level = self.underlines.index(mark) + 1
                return size, "heading", level, plain(self.lines[at + size - 2])
        return self._paragraph(at), "item" if ITEM.match(line) else "text", 0, ""

    def _fenced(self, at: int) -> int:
        """Count the lines from a fence to its closing fence; 0 if there is none."""
        fence = FENCE.match(self.lines[at]) if self.closing else None
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
        """Return the mark of a heading (title and rule, or rule, title and rule); "" if there is none."""
        last = at + size - 1
        rule = self.rules.get(last)
        if not rule or last - 1 in self.rules or (at and self.lines[at - 1].strip()):
            return ""
        title, under = self.lines[last - 1].rstrip(), rule.string
        if not title or title[0].isspace() or len(title) > MAX_HEADING:
            return ""
        if size == 3 and self.lines[at].rstrip() != under:
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
    """Remove the markup of a heading, and truncate overlong text."""
    words = heading[: 4 * MAX_HEADING].rstrip("# \t")
    return " ".join(MARKUP.sub(lambda match: match[1] or "", words).split())
