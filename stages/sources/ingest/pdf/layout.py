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

from datagen.stages.sources.ingest.pdf.document import Line, Page
from datagen.stages.sources.ingest.pdf.tables import Row, Table, read_table, rows_of, table_end

MIN_COLUMN = 5  # lines of a column
MIN_EM = 9  # width of a column's lines, in font sizes; narrower ones are cells of a table
MAX_ACROSS = 0.4  # maximum share of lines across the gutter on a page with columns
LEADER = re.compile(r"(?:[.·…_]\s?){4,}+\s*[\divxlc]+\Z", re.IGNORECASE)
NUMBER_LAST = re.compile(r"\S.*\s[\divxlc]+\Z", re.IGNORECASE | re.DOTALL)
LABEL = re.compile(
    r"\[(?:[A-Z][\w-]+)(?: [\w-]+){0,3}\]"
)  # at the right margin, such as [Function] of Texinfo
MARKER = re.compile(r"(?:[^\w\s]|[\ue000-\uf8ff]|o|\(?[\w]{1,4}[.):]|\[\w{1,8}\])\Z")

RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefe]")
LETTER = re.compile(r"[^\W\d_]")


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
    letters = len(RIGHT_TO_LEFT.findall(sample))
    return letters > 0 and 2 * letters > len(LETTER.findall(sample))


def _mirror(lines: Sequence[Line]) -> None:
    for line in lines:
        line.left, line.right = -line.right, -line.left


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
        stop = table_end(rows, at)
        table = read_table(rows[at:stop], rules) if stop > at else None
        stop = max(stop, at + 1)
        if table is None:
            out += [_merged(row) for row in rows[at:stop]]
        elif table.has_words:
            out.append(table)
        else:
            layout.tables_left_out += 1
        at = stop
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
