"""
Lines become blocks: paragraphs, list items, code and notes, across columns and pages.

A line ends its paragraph where the page says so: by space below it, by an indent, or by ending where the
next line's first word would have fitted.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from datagen.stages.sources.ingest.pdf.layout import Layout, Table
from datagen.stages.sources.ingest.pdf.pages import HYPHEN, Line

INDENT = 0.8  # of the font's size
SPACE = 1.4  # times the usual leading: more parts paragraphs
AROUND = 8  # lines before and after that show where the right margin is
NOTE = 0.92  # of the text's size: what is smaller at the foot of a page is a footnote
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
        text, item, code, note, heading or table.
    lines
        Its lines; with a table, none.
    page
        Page where it begins, from 0.
    breaks
        Before which of its lines, by number, the page breaks the line on purpose.
    level
        Of a heading.
    table
        Of a table.
    """

    kind: str
    lines: list[Line]
    page: int
    breaks: set[int] = field(default_factory=set)
    level: int = 0
    table: Table | None = None


def body_size(lines: Iterable[Line]) -> float:
    """Measure the font's size that most of the text has."""
    sizes: Counter[float] = Counter()
    for line in lines:
        sizes[round(2 * line.size) / 2] += len(line.text)
    return sizes.most_common(1)[0][0] if sizes else 10.0


def usual_leading(layouts: Iterable[Layout]) -> float:
    """Measure the distance of baselines, in sizes of the font, that most lines have."""
    seen: Counter[float] = Counter()
    for layout in layouts:
        for column in layout.columns:
            for above, line in pairwise(column):
                if isinstance(above, Line) and isinstance(line, Line) and above.size > 0:
                    pitch = (line.base - above.base) / above.size
                    if abs(above.size - line.size) < 0.5 and 0.8 < pitch < 2.6:
                        seen[round(pitch, 1)] += 1
    return seen.most_common(1)[0][0] if seen else 1.2


def build(layouts: Sequence[Layout], headings: dict[int, tuple[int, int]], size: float) -> list[Block]:
    """
    Make blocks of a document's lines.

    Parameters
    ----------
    layouts
        Of its pages.
    headings
        id of a heading's line -> its level, 0 for its label, and a number that its lines share.
    size
        Of the text (`body_size`).
    """
    builder = _Builder(headings, size, usual_leading(layouts))
    for number, layout in enumerate(layouts):
        for column in layout.columns:
            builder.column(column, number)
        builder.end_page()
    return builder.blocks


def _right_edges(lines: Sequence[Line]) -> dict[int, float]:
    """Measure how far the lines around each line reach, of those in a font of its size."""
    rights: dict[int, float] = {}
    for at, line in enumerate(lines):
        near = lines[max(0, at - AROUND) : at + AROUND + 1]
        rights[id(line)] = max(
            other.right for other in near if abs(other.size - line.size) < 0.12 * line.size + 0.1
        )
    return rights


class _Builder:
    def __init__(self, headings: dict[int, tuple[int, int]], size: float, leading: float) -> None:
        self.headings = headings
        self.size = size
        self.leading = leading
        self.blocks: list[Block] = []
        self.notes: list[Block] = []
        self.open: Block | None = None  # the block that the next line may belong to
        self.marked = 0  # number of the heading that is open

    def column(self, column: Sequence[Line | Table], page: int) -> None:
        """Add a column's lines."""
        lines = [line for line in column if isinstance(line, Line)]
        notes = self._foot(column)
        rights = _right_edges(lines)
        above: Line | None = None
        for line in column:
            if isinstance(line, Table):
                self._start(Block("table", [], page, table=line))
                self.open = above = None
            elif id(line) in notes:
                self._note(line, page)
            else:
                self._line(line, above, rights[id(line)], page)
                above = line

    def end_page(self) -> None:
        """Put a page's notes after the paragraph that the next page ends."""
        if self.notes and not (self.open and self.open.kind in ("text", "item") and self._goes_on(self.open)):
            self._flush_notes()

    def _flush_notes(self) -> None:
        self.blocks += self.notes
        self.notes = []

    def _foot(self, column: Sequence[Line | Table]) -> set[int]:
        """Find the small lines that a column ends with."""
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
            return  # the number of the chapter that its title follows
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
        """Tell whether a column's first line goes on with what the column before ended with."""
        last = block.lines[-1]
        if abs(last.size - line.size) > 0.12 * line.size or last.mono != line.mono:
            return False
        if block.kind == "code":
            return True
        return self._goes_on(block) and not BULLET.match(line.text) and not NUMBERED.match(line.text)

    def _parts(self, block: Block, above: Line, line: Line, right: float) -> bool:
        """Tell whether a new block begins with a line."""
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
        """Tell whether a line ends where the next one's first word would have fitted."""
        if above.text.endswith(HYPHEN):
            return False
        width = (line.right - line.left) / max(len(line.text), 1)
        word = line.text.split(maxsplit=1)[0]
        return above.right + (1 + min(len(word), 30)) * width < right - 0.3 * line.size
