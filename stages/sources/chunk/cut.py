"""
Choose where a document is cut into passages.

Cuts are made where the subject is likely to change: at headings, then between paragraphs, and between the
sentences of a paragraph only if it is longer than a passage may be. A lead (``The following are valid:``, a
signature, a term) stays with the text that it introduces; code and tables stay whole if they fit. Of all ways
to cut a document, the cheapest is chosen: there is a price for where each passage begins, for headings inside
it, and for being short.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from datagen.scripts import WIDE, characters
from datagen.stages.shared.segment.blocks import Block, blocks
from datagen.stages.shared.segment.sentences import split_sentences
from datagen.stages.sources.chunk.measure import Ruler, in_characters

# The price of beginning a passage at a piece, by the kind of cut. Only the order of the prices matters.
DEDENT, PARAGRAPH, ITEM, DEEPER, SENTENCE, LINE, INNER_LINE, LEAD, WORD, HEADING = (
    0.5,
    1,
    2,
    3,
    4,
    5,
    7,
    8,
    12,
    50,
)
NEXT_HEADING = 3  # the price of each heading inside a passage, and of each level that it leaves
SHORT = 10  # the price of a passage below the minimum: more than that of extending into the next section
ROOM = 2  # the price of the smallest passage above the minimum
IDEAL = 0.6  # share of the maximum size from which a passage pays nothing for unused room
MAX_PIECES = 150  # in a passage, to bound the time for a text of thousands of tiny pieces

LEAD_CHARS = 100
LEADS = re.compile(r"[:：][*_`\"”»]*\Z")
ENDED = re.compile(r"[.!?;,…。！？；，؟۔।։][\"'”’»)\]」』）*_`]*\Z")
MARK = re.compile(r"[“\"(]*(\d+|[A-Za-z]+)[.)]")  # of a numbered list item
ROMAN = re.compile(r"[ivxlc]+")
NOTE = re.compile(r"\[\w{1,4}\] ")  # of a note below the paragraph that refers to it
PARENTHESES = ("(", "“(", '"(')  # the numbering of paragraphs in statutes
LINES = re.compile(r"\S.*")
GRID_RULE = re.compile(r"\+[-=+]+\s*(?:\n|\Z)")
SIGNS = characters(WIDE)
TOKEN = re.compile(rf"[{SIGNS}]|[^\s{SIGNS}]+")


@dataclass(frozen=True, slots=True)
class Piece:
    """
    A part of a text that is never cut.

    Parameters
    ----------
    start, end
        Its span.
    price
        The price of beginning a passage with it.
    path
        The headings above it, outermost first, including itself if it is a heading.
    is_heading
        Whether it is a heading.
    in_code
        Whether it is part of a block of code, and not its beginning.
    """

    start: int
    end: int
    price: float
    path: tuple[str, ...]
    is_heading: bool = False
    in_code: bool = False


@dataclass(frozen=True, slots=True)
class Span:
    """The position of a passage: its span, the headings above it, and whether it begins within code."""

    start: int
    end: int
    path: tuple[str, ...]
    in_code: bool = False


def cut(text: str, longest: int, shortest: int, at: Ruler | None = None) -> list[Span]:
    """
    Cut a text at the lowest total price, by dynamic programming over its pieces.

    Parameters
    ----------
    text
        A document.
    longest, shortest
        Maximum and preferred minimum size of passages. Only a single word may be longer.
    at
        Measures the text up to a position; None: in characters (`in_characters`).

    Returns
    -------
    list of Span
        In order and disjoint; together they contain every non-blank character.
    """
    at = at or in_characters(text)
    row = list(pieces(text, longest, at))
    starts = [at(piece.start) for piece in row]
    best = [0.0] + [math.inf] * len(row)  # price of the best cut of the first n pieces
    choice = [(0, 0)] * (len(row) + 1)  # where its last passage begins, and the number of headings above it
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
    stop = len(row)
    while stop:
        first, shared = choice[stop]
        opening = row[first]
        spans.append(Span(opening.start, row[stop - 1].end, opening.path[:shared], opening.in_code))
        stop = first
    return spans[::-1]


def pieces(text: str, longest: int, at: Ruler) -> Iterator[Piece]:
    """Split a text into pieces that are not longer than a passage, except for single words."""
    path: list[Block] = []
    marks: list[tuple[str, int]] = []  # styles and indents of the open lists, outermost first
    previous = None
    for block in blocks(text):
        if block.kind == "heading":
            path = [above for above in path if above.level < block.level] + [block]
            marks = []
        titles = tuple(heading.title for heading in path)
        price = _start_price(text, previous, block) if previous else 0.0
        if block.kind == "item":
            price += _list_price(text, block, marks)
        previous = block
        for start, end, inner in _parts(text, block, longest, at):
            is_heading = block.kind == "heading" and not inner
            in_code = block.kind == "code" and bool(inner)
            yield Piece(start, end, inner or price, titles, is_heading, in_code)


def _start_price(text: str, previous: Block, block: Block) -> float:
    if previous.kind == "heading":
        return HEADING
    if block.kind == "heading":
        return 0
    last_line = text[previous.start : previous.end].rsplit("\n", 1)[-1]
    if LEADS.search(last_line):
        return LEAD
    note = NOTE.match(text, block.start)
    if note and note[0].rstrip() in text[previous.start : previous.end]:
        return LEAD
    is_short = previous.end - previous.start <= LEAD_CHARS
    if previous.kind == "text" and is_short and not ENDED.search(last_line):
        return LEAD
    if block.indent > previous.indent or (block.kind in ("code", "table") and previous.kind != block.kind):
        return DEEPER
    if block.indent < previous.indent:
        return DEDENT
    return ITEM if block.kind == "item" and not text.startswith(PARENTHESES, block.start) else PARAGRAPH


def _list_price(text: str, block: Block, marks: list[tuple[str, int]]) -> float:
    """
    Return the price of a list item by its nesting, so that inner lists stay together.

    Lists are distinguished by the styles of their marks, because statutes nest (a), (1), (A), (i) unindented.
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
    """Split a block that is too long; yields spans and prices. The price 0 means the block's price."""
    if at(block.end) - at(block.start) <= longest:
        yield block.start, block.end, 0
        return
    part = text[block.start : block.end]
    first = True
    split = {"code": _code, "table": _rows}.get(block.kind, _sentences)
    for start, end, inner in split(part):
        is_row = block.kind == "table" and at(block.start + end) - at(block.start + start) > longest
        # The cells of forms may hold pages of text.
        spans = split_sentences(part[start:end]) if is_row else [(0, end - start)]
        for sentence, (begin, stop) in enumerate(spans):
            offset = block.start + start
            words = _words(text, offset + begin, offset + stop, longest, at)
            for number, (left, right) in enumerate(words):
                yield left, right, 0 if first else WORD if number or sentence else inner
                first = False


def _sentences(text: str) -> Iterator[tuple[int, int, float]]:
    return ((start, end, SENTENCE) for start, end in split_sentences(text))


def _code(text: str) -> Iterator[tuple[int, int, float]]:
    """Split code between lines, preferably after a blank line and before a line that is not indented."""
    for line in LINES.finditer(text):
        opens = text[max(0, line.start() - 2) : line.start()] == "\n\n"
        yield *line.span(), LINE if opens else INNER_LINE


def _rows(text: str) -> Iterator[tuple[int, int, float]]:
    """Split a table between lines; the rows of a grid table begin after its rules."""
    is_grid = GRID_RULE.match(text)
    price = LINE
    for line in LINES.finditer(text):
        yield *line.span(), price
        price = WORD if is_grid and not GRID_RULE.match(line[0]) else LINE


def _words(text: str, start: int, end: int, longest: int, at: Ruler) -> Iterator[tuple[int, int]]:
    """Split a span that is too long between words, into parts of at most half a passage."""
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
