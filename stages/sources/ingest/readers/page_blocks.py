"""The tables and lists of a page, changed to what Markdown can write."""

import re
from collections.abc import Sequence
from itertools import accumulate, pairwise

from lxml import etree, html

from datagen.stages.sources.ingest.readers.page_measure import Measure

MIN_FRAME = 800  # characters of a cell that holds the text of a page
BLOCKS = frozenset(("p", "br", "div", "ul", "ol", "pre", "h1", "h2", "h3", "h4"))
CELLS = ("td", "th")
GROUPS = ("thead", "tbody", "tfoot")
LISTS = ("ul", "ol")
HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
SPAN = "data-span"  # of a cell of OpenDocument, which is followed by the cells that it covers
MOSTLY = 0.6  # share of rows across the table from which it is a form
MIN_ROWS = 5  # of a form
MAX_COLUMNS, MAX_GRID = 100, 100_000  # columns of a cell, and cells of a table whose columns are compared
MOST = 0.8  # share of rows with one cell of text from which a table is a list
LONGEST_NAME = 80  # characters of the name of a column
DATA = re.compile(r"\w\(|\A[-−+]?\d+(?:[.,]\d+)+\s?%?\Z")  # a signature, a number but no year
MAX_TITLES = 3  # rows above a table's header
MIN_LINES = 3  # of cells whose lines are rows


def tidy(main: html.HtmlElement) -> None:
    """Change tables and lists to what Markdown can write."""
    _unwrap_layout_tables(main)
    _free_headings(main)
    for table in list(main.iter("table")):
        _split_rows(table)
        _drop_blanks(table)
        _free_titles(table)
        _part_blocks(table)
        _add_header(table)
    for items in reversed(list(main.iter(*LISTS))):  # inner lists first
        for item in [item for item in items if item.tag == "li" and not _words(item)]:
            item.drop_tree()
        _join_levels(items)


def _free_headings(main: html.HtmlElement) -> None:
    """Make text of lists whose items have headings, such as the sections of a page of Javadoc."""
    seen: set[html.HtmlElement] = set()
    for heading in main.iter(*HEADINGS):
        for part in heading.iterancestors():
            if part in seen or part is main:
                break
            seen.add(part)
            if part.tag in ("li", *LISTS):
                part.tag = "div"


def _rows(table: html.HtmlElement) -> list[html.HtmlElement]:
    groups = [table, *(part for part in table if part.tag in GROUPS)]
    return [row for group in groups for row in group if row.tag == "tr"]


def _cells(row: html.HtmlElement) -> list[html.HtmlElement]:
    return [cell for cell in row if cell.tag in CELLS]


def _span(cell: html.HtmlElement) -> int:
    stated = cell.get("colspan") or cell.get(SPAN) or "1"
    return int(stated[:4]) if stated.isdecimal() else 1


def _words(part: html.HtmlElement) -> str:
    return " ".join(part.text_content().split())


def _unwrap_layout_tables(main: html.HtmlElement) -> None:
    """
    Convert a table that is a frame around its text, or a form, to paragraphs.

    A frame has at most one cell with text in each row, or a cell of paragraphs that has most of its text;
    most rows of a form are a cell across the table.
    """
    tables = list(main.iter("table"))
    measure = Measure(main) if tables else None
    for table in reversed(tables):  # inner tables first
        rows = _rows(table)
        if (
            rows
            and measure
            and (
                all(_has_one_cell(row, measure) for row in rows)
                or _is_frame(rows, measure)
                or _is_form(rows)
                or _is_one_row(rows)
            )
        ):
            groups = [table, *(part for part in table if part.tag in GROUPS)]
            for part in (*groups, *rows, *(cell for row in rows for cell in _cells(row))):
                part.tag = "div"


def _has_one_cell(row: html.HtmlElement, measure: Measure) -> bool:
    cells = _cells(row)
    return len(cells) <= 1 or sum(measure.size(cell) > 0 for cell in cells) <= 1


def _is_frame(rows: list[html.HtmlElement], measure: Measure) -> bool:
    cells = [cell for row in rows for cell in _cells(row)]
    sizes = [measure.size(cell) for cell in cells]
    largest = max(sizes, default=0)
    if largest < MIN_FRAME or 2 * largest < sum(sizes):
        return False
    return sum(part.tag in BLOCKS for part in cells[sizes.index(largest)].iterdescendants()) >= 2


def _is_one_row(rows: list[html.HtmlElement]) -> bool:
    """Check for a single row, such as a letterhead or a signature; join its cells if they have no blocks."""
    said = [row for row in rows if _words(row)]
    if len(said) != 1:
        return False
    cells = _cells(said[0])
    if not any(part.tag in BLOCKS for cell in cells for part in cell.iterdescendants()):
        words = " ".join(filter(None, map(_words, cells)))
        for cell in cells[1:]:
            cell.drop_tree()
        cells[0][:] = []
        cells[0].text = words
    return True


def _is_form(rows: list[html.HtmlElement]) -> bool:
    said = [row for row in rows if _words(row)]
    width = _width(rows)
    across = sum(_is_across(row, width) for row in said)
    single = sum(sum(map(bool, map(_words, _cells(row)))) == 1 for row in said)
    return len(said) >= MIN_ROWS and (across >= MOSTLY * len(said) or single >= MOST * len(said))


def _width(rows: Sequence[html.HtmlElement]) -> int:
    """Count the columns of a table."""
    return max((sum(map(_columns, _cells(row))) for row in rows), default=0)


def _is_across(row: html.HtmlElement, width: int) -> bool:
    """Check whether the only text of a row is in a cell across the table, or the first of three or more."""
    cells = _cells(row)
    said = [cell for cell in cells if _words(cell)]
    if len(said) != 1 or width < 2:
        return False
    return _span(said[0]) >= max(2, width - 1) or (said[0] is cells[0] and (len(cells) == 1 or width > 2))


def _split_rows(table: html.HtmlElement) -> None:
    """Divide rows whose cells have the same number of lines, as in a table typed into a single row."""
    for row in _rows(table):
        cells = _cells(row)
        lines = [_lines(cell) for cell in cells]
        counts = {len(said) for said in lines if any(said)}
        if len(cells) < 2 or len(counts) != 1 or min(counts) < MIN_LINES or not all(map(any, lines)):
            continue
        if any(len(line) > MIN_FRAME // 10 for said in lines for line in said):
            continue  # sentences
        for texts in zip(*lines, strict=True):
            new = etree.Element("tr")
            for cell, text in zip(cells, texts, strict=True):
                etree.SubElement(new, cell.tag).text = text
            row.addprevious(new)
        row.getparent().remove(row)


def _lines(cell: html.HtmlElement) -> list[str]:
    """Read the lines of a cell, with blank ones between them; [] if it holds anything but paragraphs."""
    if any(part.tag not in ("p", "br", "strong", "em", "span") for part in cell.iterdescendants()):
        return []
    texts: list[str] = []
    for paragraph in [part for part in cell if part.tag == "p"] or [cell]:
        texts += [" ".join(line.split()) for line in _with_breaks(paragraph).split("\n")]
    while texts and not texts[-1]:
        texts.pop()
    return texts


def _with_breaks(part: html.HtmlElement) -> str:
    text = (part.text or "").replace("\n", " ")
    for child in part:
        text += "\n" if child.tag == "br" else _with_breaks(child)
        text += (child.tail or "").replace("\n", " ")
    return text


def _drop_blanks(table: html.HtmlElement) -> None:
    """Remove rows without text, and columns in which no text begins, unless a cell spans rows."""
    rows = _rows(table)
    for row in [row for row in rows if not _words(row)]:
        row.drop_tree()
        rows.remove(row)
    if any(cell.get("rowspan", "1") != "1" for row in rows for cell in _cells(row)):
        return
    grid = [[cell for cell in _cells(row) for cell in (cell, *[None] * (_columns(cell) - 1))] for row in rows]
    width = max(map(len, grid), default=0)
    said = {at for row in grid for at, cell in enumerate(row) if cell is not None and _words(cell)}
    if len(said) == width:
        return
    places = [0, *accumulate(at in said for at in range(width))]
    for row, cells in zip(rows, grid, strict=True):
        for at, cell in enumerate(cells):
            if cell is None and at in said:
                row.insert(places[at], etree.Element("td"))
            elif cell is not None:
                cell.attrib.pop("colspan", None)
                if at not in said:
                    cell.drop_tree()


def _columns(cell: html.HtmlElement) -> int:
    """Count the columns of a cell; that of OpenDocument is followed by the cells that it covers."""
    return min(_span(cell), MAX_COLUMNS) if cell.get("colspan") else 1


def _free_titles(table: html.HtmlElement) -> None:
    """Put the titles above a table's header, rows of a cell across the table, before the table."""
    for _ in range(MAX_TITLES):
        rows = _rows(table)
        if len(rows) < 3 or not _is_across(rows[0], _width(rows)):
            return
        title = rows[0]
        (cell,) = (cell for cell in _cells(title) if _words(cell))
        cell.tag, cell.tail = "div", None
        table.addprevious(cell)
        title.drop_tree()


def _add_header(table: html.HtmlElement) -> None:
    """Put a blank header above data: Markdown has no table without one, and its first row is no header."""
    rows = _rows(table)
    if len(rows) < 2 or any(cell.tag == "th" for cell in _cells(rows[0])) or table.find("thead") is not None:
        return
    cells = _cells(rows[0])
    texts = [_words(cell) for cell in cells]
    if any(len(text) > LONGEST_NAME or DATA.search(text) for text in texts):
        header = etree.Element("tr")
        for cell in cells:
            etree.SubElement(header, "th", dict(cell.attrib))
        rows[0].addprevious(header)


def _part_blocks(table: html.HtmlElement) -> None:
    """Part the items and the sentences of a cell, which Markdown writes on one line, by semicolons."""
    for cell in table.iter(*CELLS):
        blocks = [part for part in cell.iter("p", "li") if part.find("p") is None and part.find("li") is None]
        for block, following in pairwise(blocks):
            before, after = _words(block), _words(following)
            if before[-1:].isalnum() and (following.tag == "li" or after[:1].isupper()):
                last = block[-1] if len(block) else None
                if last is None:
                    block.text = (block.text or "").rstrip() + ";"
                elif last.tag not in LISTS:
                    last.tail = (last.tail or "").rstrip() + ";"


def _join_levels(items: html.HtmlElement) -> None:
    """Write an item that is only a list as items of the list around it."""
    for item in [item for item in items if item.tag == "li"]:
        if len(item) != 1 or item[0].tag not in LISTS or (item.text or "").strip():
            continue
        if (item[0].tail or "").strip():
            continue
        if len(items) == 1:
            items.tag = item[0].tag
        previous = item.getprevious()
        if previous is not None and previous.tag == "li":
            previous.append(item[0])
            item.drop_tree()
        else:
            item[0].drop_tag()
            item.drop_tag()
