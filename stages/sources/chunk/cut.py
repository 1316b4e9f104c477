"""
Where a document is cut into passages.

Cuts are made where the document itself changes the subject: at headings, then between paragraphs, and
inside a paragraph only when it is longer than a passage may be, between sentences. A lead (``The following
are valid:``, a signature, a term) stays with what it leads to; code and tables stay whole where they fit.
Among all ways to cut a document the one with the least total price is taken: a price for where each passage
begins, for headings inside it, and for being short.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from datagen.stages.shared.language.scripts import WIDE, characters
from datagen.stages.shared.segment.blocks import Block, blocks
from datagen.stages.shared.segment.sentences import split_sentences
from datagen.stages.sources.chunk.measure import Ruler, in_characters

# The price of beginning a passage at a piece, by what is cut. What the prices say is their order.
DEDENT, PARAGRAPH, ITEM, DEEPER, SENTENCE, LINE, LEAD, WORD, HEADING = 0.5, 1, 2, 3, 4, 5, 8, 12, 50
NEXT_HEADING = 3  # the price of each heading inside a passage, and of each level that it leaves
SHORT = 10  # the price of a passage under the minimum: dearer than to cross into the next section
ROOM = 2  # the price of an almost empty passage over the minimum
IDEAL = 0.6  # of the largest size: a passage of this size or more has nothing to pay for room
MAX_PIECES = 150  # in a passage, so that a text of thousands of tiny ones takes no time

LEAD_CHARS = 100
LEADS = re.compile(r"[:：][*_`\"”»]*\Z")
ENDED = re.compile(r"[.!?;,…。！？；，؟۔।։][\"'”’»)\]」』）*_`]*\Z")
MARK = re.compile(r"[“\"(]*(\d+|[A-Za-z]+)[.)]")  # of a numbered list item
ROMAN = re.compile(r"[ivxlc]+")
PARENTHESES = ("(", "“(", '"(')  # statutes number their paragraphs so
LINES = re.compile(r"\S.*")
GRID_RULE = re.compile(r"\+[-=+]+\s*(?:\n|\Z)")
SIGNS = characters(WIDE)
TOKEN = re.compile(rf"[{SIGNS}]|[^\s{SIGNS}]+")


@dataclass(frozen=True, slots=True)
class Piece:
    """
    What is never cut.

    Parameters
    ----------
    start, end
        Its span.
    price
        What it costs to begin a passage with it.
    path
        The headings above it, outermost first, with its own.
    is_heading
        Whether it is one.
    """

    start: int
    end: int
    price: float
    path: tuple[str, ...]
    is_heading: bool = False


@dataclass(frozen=True, slots=True)
class Span:
    """A passage's place: its span and the headings that it stands under."""

    start: int
    end: int
    path: tuple[str, ...]


def cut(text: str, longest: int, shortest: int, at: Ruler | None = None) -> list[Span]:
    """
    Cut a text where it costs least, by dynamic programming over its pieces.

    Parameters
    ----------
    text
        A document.
    longest, shortest
        Sizes of passages. None is longer, except a single word; to be shorter has its price.
    at
        Measures the text up to a position; None: in characters (`in_characters`).

    Returns
    -------
    list of Span
        In order and disjoint; together they hold every character that is not blank.
    """
    at = at or in_characters(text)
    row = list(pieces(text, longest, at))
    starts = [at(piece.start) for piece in row]
    best = [0.0] + [math.inf] * len(row)  # price of the best cut of the first n pieces
    choice = [(0, 0)] * (len(row) + 1)  # where its last passage begins, and how many headings it stands under
    for last, final in enumerate(row):
        end = at(final.end)
        headings, depth = 0, math.inf
        for first in range(last, max(-1, last - MAX_PIECES), -1):
            piece = row[first]
            size = end - starts[first]
            if size > longest and first < last:
                break
            shared = min(len(piece.path), depth)
            price = best[first] + piece.price + _size_price(size, longest, shortest)
            price += NEXT_HEADING * (headings + len(piece.path) - shared)
            if price < best[last + 1]:
                best[last + 1], choice[last + 1] = price, (first, int(shared))
            if piece.is_heading:
                headings, depth = headings + 1, min(depth, len(piece.path) - 1)
    spans = []
    after = len(row)
    while after:
        first, shared = choice[after]
        spans.append(Span(row[first].start, row[after - 1].end, row[first].path[:shared]))
        after = first
    return spans[::-1]


def pieces(text: str, longest: int, at: Ruler) -> Iterator[Piece]:
    """Take a text apart into pieces that are not longer than a passage, except for single words."""
    path: list[Block] = []
    marks: list[tuple[str, int]] = []  # styles and indents of the lists that are open, outermost first
    before = None
    for block in blocks(text):
        if block.kind == "heading":
            path = [above for above in path if above.level < block.level] + [block]
            marks = []
        titles = tuple(heading.title for heading in path)
        price = _start_price(text, before, block) if before else 0.0
        if block.kind == "item":
            price += _list_price(text, block, marks)
        before = block
        for start, end, inner in _parts(text, block, longest, at):
            yield Piece(start, end, inner or price, titles, block.kind == "heading" and not inner)


def _start_price(text: str, before: Block, block: Block) -> float:
    if before.kind == "heading":
        return HEADING
    if block.kind == "heading":
        return 0
    last_line = text[before.start : before.end].rsplit("\n", 1)[-1]
    if LEADS.search(last_line):
        return LEAD
    if before.kind == "text" and before.end - before.start <= LEAD_CHARS and not ENDED.search(last_line):
        return LEAD
    if block.indent > before.indent or (block.kind in ("code", "table") and before.kind != block.kind):
        return DEEPER
    if block.indent < before.indent:
        return DEDENT
    return ITEM if block.kind == "item" and not text.startswith(PARENTHESES, block.start) else PARAGRAPH


def _list_price(text: str, block: Block, marks: list[tuple[str, int]]) -> float:
    """
    Price a list item by the lists around it: the inner ones stay together.

    Lists are told by the styles of their marks, since statutes nest (a), (1), (A), (i) without indents.
    """
    mark = MARK.match(text, block.start)
    sign = mark[1] if mark else text[block.start]
    style = "1" if sign.isdigit() else "A" if sign.isupper() else "a" if sign.isalpha() else sign
    if ROMAN.fullmatch(sign) and marks and marks[-1][0] != "a":
        style = "i"
    open_lists = len(marks)
    if (style, block.indent) in marks:
        del marks[marks.index((style, block.indent)) + 1 :]
    else:
        marks.append((style, block.indent))
    return len(marks) - 1 - (DEDENT if len(marks) < open_lists else 0)


def _parts(text: str, block: Block, longest: int, at: Ruler) -> Iterator[tuple[int, int, float]]:
    """Split a block that is too long, with the price of each part but the first: 0, that of the block."""
    if at(block.end) - at(block.start) <= longest:
        yield block.start, block.end, 0
        return
    part = text[block.start : block.end]
    first = True
    for start, end, inner in _lines(part) if block.kind in ("code", "table") else _sentences(part):
        words = _words(text, block.start + start, block.start + end, longest, at)
        for number, (left, right) in enumerate(words):
            yield left, right, 0 if first else WORD if number else inner
            first = False


def _sentences(text: str) -> Iterator[tuple[int, int, float]]:
    return ((start, end, SENTENCE) for start, end in split_sentences(text))


def _lines(text: str) -> Iterator[tuple[int, int, float]]:
    """Split code and tables; the rows of a table that is drawn as a grid begin after its rules."""
    drawn = GRID_RULE.match(text)
    price = LINE
    for line in LINES.finditer(text):
        yield *line.span(), price
        price = WORD if drawn and not GRID_RULE.match(line[0]) else LINE


def _words(text: str, start: int, end: int, longest: int, at: Ruler) -> Iterator[tuple[int, int]]:
    """Split a span that is too long between words, into parts of up to half a passage."""
    if at(end) - at(start) <= longest:
        yield start, end
        return
    stop = start
    for token in TOKEN.finditer(text, start, end):
        if at(token.end()) - at(start) > longest // 2 and stop > start:
            yield start, stop
            start = token.start()
        stop = token.end()
    yield start, stop


def _size_price(size: int, longest: int, shortest: int) -> float:
    if size < shortest:
        return SHORT * (1.5 - size / shortest / 2)
    return ROOM * max(0.0, 1 - size / (IDEAL * longest)) ** 2
