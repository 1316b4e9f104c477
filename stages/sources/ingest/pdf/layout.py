"""
Put a page into reading order: its columns one after the other, its tables as tables.

Most programs write a page in reading order, so the order of the content stream is kept if it is plausible. If
its lines jump between columns, the gutter is searched.
"""

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

from datagen.stages.sources.ingest.pdf.pages import Line, Page

LEVEL = 0.35  # of the font size: baselines that differ by less are in one row
MIN_COLUMN = 5  # lines of a column
MIN_EM = 9  # width of a column's lines, in font sizes; narrower ones are cells of a table
MAX_ACROSS = 0.4  # maximum share of lines across the gutter on a page with columns
MIN_ROWS = 3  # of a table that has no rules
MIN_FILLED = 0.5  # minimum share of non-empty cells of a table
MAX_COLUMNS = 15
ROW_PITCH = 3.0  # maximum distance of two rows of a table, in font sizes
LEADER = re.compile(r"(?:[.·…_]\s?){4,}+\s*[\divxlc]+\Z", re.IGNORECASE)
NUMBER_LAST = re.compile(r"\S.*\s[\divxlc]+\Z", re.IGNORECASE | re.DOTALL)
LABEL = re.compile(
    r"\[(?:[A-Z][\w-]+)(?: [\w-]+){0,3}\]"
)  # at the right margin, such as [Function] of Texinfo
MARKER = re.compile(r"(?:[^\w\s]|[\ue000-\uf8ff]|o|\(?[\w]{1,4}[.):]|\[\w{1,8}\])\Z")

RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefe]")
WORDS = re.compile(r"[^\W\d_]{2}")
LETTER = re.compile(r"[^\W\d_]")

Row = list[Line]


@dataclass(slots=True)
class Table:
    """A table: its rows of cells, and where it begins and ends on its page."""

    rows: list[list[str]]
    top: float
    bottom: float


@dataclass(slots=True)
class Layout:
    """A page in reading order: its columns, each from top to bottom."""

    columns: list[list[Line | Table]] = field(default_factory=list)
    contents: int = 0  # lines of a table of contents, left out
    tables_left_out: int = 0  # rows of figures only, usually the axes of a plot
    labels: int = 0  # of signatures, left out


def arrange(page: Page) -> Layout:
    """Put a page's lines into reading order."""
    layout = Layout()
    lines = page.lines
    if not lines:
        return layout
    mirrored = _is_right_to_left(lines)
    if mirrored:
        _mirror(lines)
        page.rules = [(base, -right, -left) for base, left, right in page.rules]
    lines = _drop_contents(lines, layout)
    gutter = _gutter(lines, page.rules)
    bands = [_in_order(lines)] if gutter is None else _read_columns(lines, gutter)
    for band in bands:
        for column in _split_at_jumps(band):
            layout.columns.append(_find_tables(column, page.rules, layout))
    return layout


def _is_right_to_left(lines: Sequence[Line]) -> bool:
    sample = "".join(line.text for line in lines)[:4000]
    if sample.isascii():
        return False
    return 2 * len(RIGHT_TO_LEFT.findall(sample)) > len(LETTER.findall(sample))


def _mirror(lines: Sequence[Line]) -> None:
    for line in lines:
        line.left, line.right = -line.right, -line.left


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


def _drop_contents(lines: list[Line], layout: Layout) -> list[Line]:
    """Remove a table of contents: entries with leaders and page numbers."""
    if not any(LEADER.search(line.text) or line.text[-3:] in ("...", ". .") for line in lines):
        return lines
    rows = rows_of(lines)
    texts = [" ".join(line.text for line in row) for row in rows]
    led = [bool(LEADER.search(text)) for text in texts]
    if sum(led) < 3:
        return lines
    contents: set[int] = set()
    mostly = sum(led) >= 0.5 * len(rows)
    first = led.index(True)
    for at, (row, text) in enumerate(zip(rows, texts, strict=True)):
        if led[at] or NUMBER_LAST.match(text) or (mostly and at > first):
            contents |= {id(line) for line in row}
    layout.contents += len(contents)
    return [line for line in lines if id(line) not in contents]


def _gutter(lines: Sequence[Line], rules: Sequence[tuple[float, float, float]]) -> float | None:
    """Find the left edge of a page's second column; None if it has one column or is a table."""
    if len(lines) < 2 * MIN_COLUMN:
        return None
    start, end = min(line.left for line in lines), max(line.right for line in lines)
    lefts = Counter(round(line.left / 3) for line in lines if line.left > start + 0.25 * (end - start))
    for place, _ in lefts.most_common(3):
        gutter = 3 * place - 3.0
        right = [line for line in lines if line.left >= gutter]
        left = [line for line in lines if line.right < gutter + 2]
        if min(len(left), len(right)) < MIN_COLUMN:
            continue
        if len(lines) - len(left) - len(right) > MAX_ACROSS * len(lines):
            continue
        if min(_em(left), _em(right)) < MIN_EM or not _overlap(left, right):
            continue
        if sum(rule[1] < gutter - 20 and rule[2] > gutter + 20 for rule in rules) > 3:
            continue  # a table's rules
        return gutter
    return None


def _em(lines: Sequence[Line]) -> float:
    return median((line.right - line.left) / max(line.size, 1) for line in lines)


def _overlap(left: Sequence[Line], right: Sequence[Line]) -> bool:
    top = max(min(line.base for line in left), min(line.base for line in right))
    bottom = min(max(line.base for line in left), max(line.base for line in right))
    return sum(top <= line.base <= bottom for line in right) >= MIN_COLUMN


def _read_columns(lines: Sequence[Line], gutter: float) -> list[list[Line]]:
    """Order two columns; lines across the gutter divide them into bands."""
    sides = [1 if line.left >= gutter else 0 if line.right < gutter + 2 else 2 for line in lines]
    changes = sum(before != after for before, after in pairwise(sides))
    across = [line for line, side in zip(lines, sides, strict=True) if side == 2]
    if changes <= 3 + 2 * len(across) and _descends(lines, sides):
        return [list(lines)]  # the stream has one column after the other
    cuts = sorted(line.base for line in across)
    bands: dict[tuple[int, int], list[Line]] = {}
    for line, side in zip(lines, sides, strict=True):
        bands.setdefault((bisect_right(cuts, line.base), -1 if side == 2 else side), []).append(line)
    ordered = []
    for _, band in sorted(bands.items()):
        inner = _gutter(band, ())
        ordered += _read_columns(band, inner) if inner is not None else [_in_order(band)]
    return ordered


def _descends(lines: Sequence[Line], sides: Sequence[int]) -> bool:
    """Check whether the lines of each column are mostly in order from top to bottom."""
    ups = 0
    for wanted in (0, 1):
        column = [line for line, side in zip(lines, sides, strict=True) if side == wanted]
        ups += sum(after.base < before.base - before.size for before, after in pairwise(column))
    return ups <= 2 + 0.05 * len(lines)


def _in_order(lines: Sequence[Line]) -> list[Line]:
    """Keep the stream's order if it runs down the page; else sort."""
    ups = sum(after.base < before.base - before.size for before, after in pairwise(lines))
    if ups <= 2 + 0.05 * len(lines):
        return list(lines)
    return [line for row in rows_of(lines) for line in row]


def _split_at_jumps(lines: Sequence[Line]) -> list[list[Line]]:
    """Split lines where the order jumps up the page, because a column ends there."""
    parts: list[list[Line]] = []
    lowest = 0.0
    for line in lines:
        if not parts or line.base < lowest - 2 * line.size:
            parts.append([])
            lowest = line.base
        parts[-1].append(line)
        lowest = max(lowest, line.base)
    return parts


def _find_tables(
    lines: list[Line], rules: Sequence[tuple[float, float, float]], layout: Layout
) -> list[Line | Table]:
    """Combine rows with aligned cells to tables, and other lines on the same baseline to one line."""
    rows = rows_of(lines)
    if len(rows) == len(lines):
        return list(lines)
    rows = [_with_marker(_without_label(row, layout)) for row in rows]
    out: list[Line | Table] = []
    at = 0
    while at < len(rows):
        stop = _table_end(rows, at)
        left_out = layout.tables_left_out
        table = _table(rows[at:stop], rules, layout) if stop > at else None
        if table:
            out.append(table)
        elif stop > at and layout.tables_left_out > left_out:
            pass
        elif stop > at:
            out += [_merged(row) for row in rows[at:stop]]
        else:
            out.append(_merged(rows[at]))
        at = max(stop, at + 1)
    return out


def _without_label(row: Row, layout: Layout) -> Row:
    """Remove the label at the right of a signature, which would run into the description."""
    if len(row) > 1 and LABEL.fullmatch(row[-1].text):
        layout.labels += 1
        return row[:-1]
    return row


def _with_marker(row: Row) -> Row:
    """Join a list item's mark to its text."""
    if len(row) > 1 and MARKER.match(row[0].text):
        return [_merged(row[:2]), *row[2:]]
    return row


def _merged(row: Row) -> Line:
    if len(row) == 1:
        return row[0]
    if all(line.mono for line in row):
        pitch = max(row[0].size * 0.5, 1)
        text = row[0].text
        for before, line in pairwise(row):
            text += " " * max(1, min(40, round((line.left - before.right) / pitch))) + line.text
    else:
        text = " ".join(line.text for line in row)
    largest = max(row, key=lambda line: len(line.text))
    return Line(
        text,
        min(line.left for line in row),
        max(line.right for line in row),
        largest.base,
        largest.size,
        all(line.bold for line in row),
        all(line.mono for line in row),
    )


def _table_end(rows: Sequence[Row], at: int) -> int:
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


def _table(rows: Sequence[Row], rules: Sequence[tuple[float, float, float]], layout: Layout) -> Table | None:
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
    if not _has_words(records):
        layout.tables_left_out += 1
        return None
    if len(records) < 2 or filled < MIN_FILLED:
        return None
    return Table([[" ".join(cell) for cell in record] for record in records], top, bottom)


def _has_words(records: Sequence[Sequence[Sequence[str]]]) -> bool:
    """Check whether a table's first row or column consists of words, unlike the axes of a plot."""
    edges = (records[0], [record[0] for record in records])
    return any(2 * sum(bool(WORDS.search(" ".join(cell))) for cell in edge) >= len(edge) for edge in edges)


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
