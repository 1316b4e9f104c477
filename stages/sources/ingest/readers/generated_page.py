"""Pages of documentation generators (Doxygen, Javadoc), which write code and tables as boxes."""

from collections.abc import Sequence

from lxml import etree, html

NUMBERS = ("lineno", "lineNumber")  # classes of the numbers of lines
FOLDS = ("foldopen", "foldclose", "ttc")
SUMMARY = "summary-table"
COLUMNS = ("col-first", "col-second", "col-last")


def rewrite(body: html.HtmlElement) -> None:
    """Write boxes of lines as code, and boxes of columns as tables."""
    for box in list(body.iter("div")):
        if _is_code(box):
            _to_code(box)
        elif SUMMARY in _classes(box):
            _to_table(box)


def _classes(part: html.HtmlElement) -> Sequence[str]:
    names: str = part.get("class", "")
    return names.split()


def _is_code(box: html.HtmlElement) -> bool:
    """Check for a box of nothing but lines, and of the boxes in which Doxygen folds them."""
    names = ("line", *FOLDS)
    return (
        len(box) > 0 and all(set(names) & set(_classes(line)) for line in box) and "line" not in _classes(box)
    )


def _to_code(box: html.HtmlElement) -> None:
    for number in [part for part in box.iter("span") if set(NUMBERS) & set(_classes(part))]:
        number.drop_tree()
    found = [line for line in box.iterdescendants("div") if "line" in _classes(line)]
    lines = [line.text_content().rstrip().replace("\xa0", " ") for line in found]
    box[:] = []
    box.tag, box.text = "pre", "\n".join(lines)


def _to_table(box: html.HtmlElement) -> None:
    """Write the boxes of a summary as rows; each begins with one of the class "col-first"."""
    cells = [cell for cell in box if set(COLUMNS) & set(_classes(cell))]
    if not cells or COLUMNS[0] not in _classes(cells[0]):
        return
    for cell in cells:
        if COLUMNS[0] in _classes(cell):
            row = etree.SubElement(box, "tr")
        cell.tag = "th" if "table-header" in _classes(cell) else "td"
        cell.tail = None
        row.append(cell)
    box.tag = "table"
