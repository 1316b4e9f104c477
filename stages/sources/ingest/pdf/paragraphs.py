"""
Join lines to blocks (paragraphs, list items, code and notes) across columns and pages.

A line ends its paragraph if the layout shows it: by space below, by an indent, or by ending where the next
line's first word would have fitted.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from datagen.stages.sources.ingest.pdf.document import HYPHEN, Line
from datagen.stages.sources.ingest.pdf.layout import Layout
from datagen.stages.sources.ingest.pdf.tables import Table

INDENT = 0.8  # of the font size
SPACE = 1.4  # times the usual leading: more separates paragraphs
AROUND = 8  # lines before and after from which the right margin is measured
NOTE = 0.92  # of the text's size: smaller lines at the foot of a page are footnotes
BULLETS = "•●○◦▪■□▫‣⁃∙·➢➤✓✔❖◆◇►▶\uf0a7\uf0b7\uf0d8\uf076\uf0fc\uf06e\uf071"
BULLET = re.compile(rf"(?:[{BULLETS}]|[-–—*](?=\s)|o(?=\s))\s*")
NUMBERED = re.compile(r"(?:\d{1,3}[.)]|\(\d{1,3}\)|\(?[a-z]\)|[ivx]{1,4}[.)]|\[\w{1,8}\])\s+\S")
ENDED = re.compile(r"[.!?:;…。！？؟۔।][\"'”’»)\]」』）]*\Z")
CELL_BREAK = re.compile(r"\s*\|\s*")


@dataclass(slots=True)
class Block:
    """
    A block of a document.

    Parameters
    ----------
    kind
        text, item, code, note, heading, table or formula.
    lines
        Its lines; empty for a table, and for a formula that is left out.
    page
        Page where it begins, from 0.
    breaks
        Numbers of its lines that follow an intentional line break.
    level
        The level of a heading.
    table
        The table, if it is one.
    """

    kind: str
    lines: list[Line]
    page: int
    breaks: set[int] = field(default_factory=set)
    level: int = 0
    table: Table | None = None


def body_size(lines: Iterable[Line]) -> float:
    """Return the font size of most of the text."""
    sizes: Counter[float] = Counter()
    for line in lines:
        sizes[round(2 * line.size) / 2] += len(line.text)
    return sizes.most_common(1)[0][0] if sizes else 10.0


def usual_leading(layouts: Iterable[Layout]) -> float:
    """Return the most frequent distance of baselines, in font sizes."""
    counts: Counter[float] = Counter()
    for layout in layouts:
        for column in layout.columns:
            for above, line in pairwise(column):
                if isinstance(above, Line) and isinstance(line, Line) and above.size > 0:
                    pitch = (line.base - above.base) / above.size
                    if abs(above.size - line.size) < 0.5 and 0.8 < pitch < 2.6:
                        counts[round(pitch, 1)] += 1
    return counts.most_common(1)[0][0] if counts else 1.2


def build(layouts: Sequence[Layout], headings: dict[int, tuple[int, int]], size: float) -> list[Block]:
    """
    Join a document's lines to blocks.

    Parameters
    ----------
    layouts
        The layouts of its pages.
    headings
        id of a heading's line -> its level (0 for its label), and a number that its lines share.
    size
        Font size of the text (`body_size`).
    """
    builder = _Builder(headings, size, usual_leading(layouts))
    for number, layout in enumerate(layouts):
        for column in layout.columns:
            builder.column(column, number)
        builder.end_page()
    return builder.blocks


def _right_edges(lines: Sequence[Line]) -> dict[int, float]:
    """Return for each line the right edge of the nearby lines in the same font size."""
    rights: dict[int, float] = {}
    sizes, ends = [line.size for line in lines], [line.right for line in lines]
    for at, line in enumerate(lines):
        near = slice(max(0, at - AROUND), at + AROUND + 1)
        tolerance = 0.12 * line.size + 0.1
        if max(sizes[near]) - min(sizes[near]) < tolerance:  # the usual case
            rights[id(line)] = max(ends[near])
        else:
            pairs = zip(sizes[near], ends[near], strict=True)
            rights[id(line)] = max(end for size, end in pairs if abs(size - line.size) < tolerance)
    return rights


class _Builder:
    def __init__(self, headings: dict[int, tuple[int, int]], size: float, leading: float) -> None:
        self.headings = headings
        self.size = size
        self.leading = leading
        self.blocks: list[Block] = []
        self.notes: list[Block] = []
        self.open: Block | None = None  # the block that the next line may belong to
        self.marked = 0  # number of the open heading
        self.table_page = -1  # where the last table ends

    def column(self, column: Sequence[Line | Table], page: int) -> None:
        """Add a column's lines."""
        lines = [line for line in column if isinstance(line, Line)]
        notes = self._foot(column)
        rights = _right_edges(lines)
        above: Line | None = None
        for at, line in enumerate(column):
            if isinstance(line, Table):
                last = next((block for block in reversed(self.blocks) if block.kind != "note"), None)
                follows = not at and page == self.table_page + 1
                self.table_page = page
                if follows and last and last.table and line.continues(last.table):
                    last.table.extend(line)
                    continue
                self._start(Block("table", [], page, table=line))
                self.open = above = None
            elif id(line) in notes:
                self._note(line, page)
            else:
                self._line(line, above, rights[id(line)], page)
                above = line

    def end_page(self) -> None:
        """Add a page's notes; if the open paragraph continues on the next page, later, after its end."""
        if self.notes and not (self.open and self.open.kind in ("text", "item") and self._goes_on(self.open)):
            self._flush_notes()

    def _flush_notes(self) -> None:
        self.blocks += self.notes
        self.notes = []

    def _foot(self, column: Sequence[Line | Table]) -> set[int]:
        """Find the small lines at the end of a column."""
        ids: set[int] = set()
        for line in reversed(column):
            if isinstance(line, Table) or line.size > NOTE * self.size or line.mono:
                break
            ids.add(id(line))
        return ids if len(ids) < len(column) else set()

    def _note(self, line: Line, page: int) -> None:
        last = self.notes[-1].lines[-1] if self.notes and self.notes[-1].page == page else None
        if last and not re.match(r"\W?\d{1,3}\s*\D|[*†‡§]", line.text):
            self.notes[-1].lines.append(line)
        else:
            self.notes.append(Block("note", [line], page))

    def _start(self, block: Block) -> None:
        if (self.notes and self.open is not None) or block.kind == "heading":
            self._flush_notes()
        self.blocks.append(block)
        self.open = block

    def _line(self, line: Line, above: Line | None, right: float, page: int) -> None:
        mark = self.headings.get(id(line))
        if mark and not mark[0]:
            return  # a chapter's label above its title
        if mark:
            if self.open and self.open.kind == "heading" and self.marked == mark[1]:
                self.open.lines.append(line)
            else:
                self._start(Block("heading", [line], page, level=mark[0]))
                self.marked = mark[1]
            return
        block = self.open
        if block is None or block.kind == "heading":
            self._start(self._new(line, page))
        elif above is None:  # first of a column
            if self._continues(block, line):
                block.lines.append(line)
            else:
                self._start(self._new(line, page))
        elif self._parts(block, above, line, right):
            self._start(self._new(line, page))
        else:
            if block.kind != "code" and self._is_short(above, line, right):
                block.breaks.add(len(block.lines))
            block.lines.append(line)

    def _new(self, line: Line, page: int) -> Block:
        if line.mono and not line.bold:
            return Block("code", [line], page)
        item = BULLET.match(line.text) or NUMBERED.match(line.text)
        return Block("item" if item else "text", [line], page)

    def _goes_on(self, block: Block) -> bool:
        return not ENDED.search(block.lines[-1].text)

    def _continues(self, block: Block, line: Line) -> bool:
        """Check whether a column's first line continues the last block of the previous column."""
        last = block.lines[-1]
        if abs(last.size - line.size) > 0.12 * line.size or last.mono != line.mono:
            return False
        if block.kind == "code":
            return True
        return self._goes_on(block) and not BULLET.match(line.text) and not NUMBERED.match(line.text)

    def _parts(self, block: Block, above: Line, line: Line, right: float) -> bool:
        """Check whether a line begins a new block."""
        pitch = line.base - above.base
        if above.text.endswith(HYPHEN) and pitch < 3 * line.size:
            return False
        if block.kind == "code":
            return not line.mono or pitch > 3 * self.leading * line.size
        if line.mono != above.mono and (line.mono or above.bold) and self._apart(above, line, right):
            return True
        if abs(above.size - line.size) > 0.12 * max(above.size, line.size):
            return self._apart(above, line, right)
        if pitch > SPACE * self.leading * line.size or above.bold != line.bold:
            return True
        if BULLET.match(line.text) and line.text[0] in BULLETS:
            return True
        first = block.lines[0]
        is_aligned = abs(line.left - first.left) < 0.3 * line.size
        if (
            block.kind == "item"
            and is_aligned
            and line.text[:2] == first.text[:2]
            and BULLET.match(line.text)
        ):
            return True  # the next item of a list with dashes
        indent = line.left - above.left
        short = self._is_short(above, line, right)
        if (BULLET.match(line.text) or NUMBERED.match(line.text)) and (short or indent < -INDENT * line.size):
            return True
        ended = bool(ENDED.search(above.text))
        if abs(indent) > INDENT * line.size and len(block.lines) > 1:
            return True
        if abs(indent) > INDENT * line.size and block.kind != "item":
            return short
        return short and ended

    def _apart(self, above: Line, line: Line, right: float) -> bool:
        return self._is_short(above, line, right) or abs(line.left - above.left) > INDENT * line.size

    def _is_short(self, above: Line, line: Line, right: float) -> bool:
        """Check whether a line ends although the next line's first word would have fitted."""
        if above.text.endswith(HYPHEN):
            return False
        width = (line.right - line.left) / max(len(line.text), 1)
        word = line.text.split(maxsplit=1)[0]
        return above.right + (1 + min(len(word), 30)) * width < right - 0.3 * line.size
