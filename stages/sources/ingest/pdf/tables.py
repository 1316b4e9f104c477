"""Find the tables of a column: rows of cells whose ends are aligned."""

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from datagen.stages.sources.ingest.pdf.document import Line

LEVEL = 0.35  # of the font size: baselines that differ by less are in one row
MIN_ROWS = 3  # of a table that has no rules
MIN_FILLED = 0.5  # minimum share of non-empty cells of a table
MAX_COLUMNS = 15
ROW_PITCH = 3.0  # maximum distance of two rows of a table, in font sizes
MAX_MATH = (
    0.25  # maximum share of cells with the signs of formulas, of a table without rules and of few words
)
# Mathematical signs, Greek letters, parts of brackets and roots; in TeX's older fonts also ♣ and "fi fi".
MATH = re.compile(r"[\u2200-\u22ff\u2032-\u2034\u02c6\u02dc\u00b5\u0370-\u03ff\u239b-\u23b7\u2663=]|fi fi")
WORD = re.compile(r"[^\W\d_]{4}")
FIGURE = re.compile(r"[\W\d]+")
PROSE = 45  # characters of a row that runs on into the next one
MAX_PROSE = 0.5  # maximum share of rows that continue the sentence of the row above in the first column
WORDS = re.compile(r"(?![IVXLC]+\Z).*[^\W\d_]{2}")  # a Roman numeral is a figure: the quarters of an axis

Row = list[Line]


@dataclass(slots=True)
class Table:
    """
    A table: its rows of cells, and where it begins and ends on its page.

    `columns` are the left and right ends of its columns; `has_words` is false if its first row and column are
    figures, like the axes of a plot.
    """

    rows: list[list[str]]
    top: float
    bottom: float
    has_words: bool = True
    columns: list[tuple[float, float]] = field(default_factory=list)

    def continues(self, above: "Table") -> bool:
        """Check whether it has the columns of a table that ends the page before."""
        return len(self.columns) == len(above.columns) and all(
            left < old_right and right > old_left
            for (left, right), (old_left, old_right) in zip(self.columns, above.columns, strict=True)
        )

    def extend(self, below: "Table") -> None:
        """Add the rows of its continuation: without a repeated header, and with the rest of a divided row."""
        rows = below.rows[below.rows[0] == self.rows[0] :]
        if rows and not rows[0][0] and len(self.rows) > 1:
            pairs = zip(self.rows[-1], rows.pop(0), strict=True)
            self.rows[-1] = [f"{above} {rest}".strip() for above, rest in pairs]
        self.rows += rows


def rows_of(lines: Sequence[Line]) -> list[Row]:
    """Group lines by baseline, from top to bottom, each row from left to right."""
    rows: list[Row] = []
    for line in sorted(lines, key=lambda line: line.base):
        if rows and line.base - rows[-1][0].base <= LEVEL * min(line.size, rows[-1][0].size):
            rows[-1].append(line)
        else:
            rows.append([line])
    for row in rows:
        row.sort(key=lambda line: line.left)
    return rows


def table_end(rows: Sequence[Row], at: int) -> int:
    """Return the end of the rows that may be one table; `at` if no table begins there."""
    if len(rows[at]) < 2 or all(line.mono for line in rows[at]):
        return at
    spans = [(line.left, line.right) for line in rows[at]]
    stop = end = at + 1
    while end < len(rows):
        row = rows[end]
        if row[0].base - rows[end - 1][0].base > ROW_PITCH * row[0].size or all(line.mono for line in row):
            break
        if len(row) == 1 and not _fits(row[0], spans):
            break
        end += 1
        if len(row) > 1 or row[0].left > spans[0][1]:
            stop = end
        if len(row) > len(spans):
            spans = [(line.left, line.right) for line in row]
    return stop


def _fits(line: Line, spans: Sequence[tuple[float, float]]) -> bool:
    return sum(line.left < right and line.right > left for left, right in spans) <= 1


def read_table(rows: Sequence[Row], rules: Sequence[tuple[float, float, float]]) -> Table | None:
    """Arrange rows in columns; None if they are not a table."""
    several = [row for row in rows if len(row) > 1]
    top, bottom = rows[0][0].base, rows[-1][0].base
    inside = sorted(base for base, _, _ in rules if top - 20 <= base <= bottom + 20)
    if len(several) < (2 if len(inside) >= 3 else MIN_ROWS):
        return None
    columns = _columns(several)
    if not 2 <= len(columns) <= MAX_COLUMNS:
        return None
    inner = sorted({round(base) for base in inside if top < base < bottom})
    ruled = len(inner) >= 2
    width = max(line.right for row in rows for line in row) - min(row[0].left for row in rows)
    # The bar of a fraction is no rule of a table.
    framed = any(right - left > width / 2 for base, left, right in rules if top - 20 <= base <= bottom + 20)
    if not framed and (_is_formula(rows) or _is_prose(rows)):
        return None
    records: list[list[list[str]]] = []
    band = -1
    for row in rows:
        cells: list[list[str]] = [[] for _ in columns]
        for line in row:
            near = min(range(len(columns)), key=lambda index: _distance(line, columns[index]))
            cells[near].append(line.text)
        now = bisect_right(inner, row[0].base)
        if records and (now == band if ruled else not cells[0]):
            for old, new in zip(records[-1], cells, strict=True):
                old += new
        else:
            records.append(cells)
        band = now
    filled = sum(bool(cell) for record in records for cell in record) / (len(records) * len(columns))
    has_words = _has_words(records)
    if has_words and (len(records) < 2 or filled < MIN_FILLED):
        return None
    return Table([[" ".join(cell) for cell in record] for record in records], top, bottom, has_words, columns)


def _is_formula(rows: Sequence[Row]) -> bool:
    """Check for a displayed formula, whose raised and lowered parts look like cells."""
    cells = [line.text for row in rows for line in row]
    words = sum(bool(WORD.search(cell)) for cell in cells)
    signs = sum(bool(MATH.search(cell)) and not FIGURE.fullmatch(cell) for cell in cells)
    return signs > MAX_MATH * len(cells) and words < len(cells) / 2


def _is_prose(rows: Sequence[Row]) -> bool:
    """Check for a paragraph with notes in the margin or raised characters, whose lines look like rows."""
    on = sum(
        below[0].text[:1].islower() and len(" ".join(line.text for line in row)) >= PROSE
        for row, below in pairwise(rows)
        if row[0].right - row[0].left > (row[-1].right - row[0].left) / 2
    )
    return on > MAX_PROSE * (len(rows) - 1)


def _has_words(records: Sequence[Sequence[Sequence[str]]]) -> bool:
    """Check whether a table's first row or column consists of words, unlike the axes of a plot."""
    edges = (records[0], [record[0] for record in records])
    return any(2 * sum(bool(WORDS.match(" ".join(cell))) for cell in edge) >= len(edge) for edge in edges)


def _columns(rows: Sequence[Row]) -> list[tuple[float, float]]:
    """Find a table's columns: intervals that cells share, ignoring cells that span several columns."""
    spans: list[tuple[float, float, int]] = []
    for line in sorted((line for row in rows for line in row), key=lambda line: line.right - line.left):
        touched = [span for span in spans if line.left < span[1] and line.right > span[0]]
        if len(touched) > 1 and sum(span[2] > 1 for span in touched) > 1:
            continue
        spans = [span for span in spans if span not in touched]
        spans.append(
            (
                min([line.left, *(span[0] for span in touched)]),
                max([line.right, *(span[1] for span in touched)]),
                1 + sum(span[2] for span in touched),
            )
        )
    return sorted((left, right) for left, right, _ in spans)


def _distance(line: Line, column: tuple[float, float]) -> float:
    if line.left < column[1] and line.right > column[0]:
        return -(min(line.right, column[1]) - max(line.left, column[0]))
    return max(column[0] - line.right, line.left - column[1])
