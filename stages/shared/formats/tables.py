"""Tables with a header: CSV, Markdown, HTML and LaTeX. Every row has a cell for each column."""

import csv
import io
import re
from collections.abc import Sequence

from lxml import etree

from datagen.stages.shared.formats.lists import block
from datagen.stages.shared.formats.parsed import NotTheFormat, Parsed

PIPE = re.compile(r"(?<!\\)\|")
LATEX = re.compile(r"\\begin\{tabular\}\s*\{(?P<columns>[lcr|\s]+)\}(?P<body>.*)\\end\{tabular\}", re.DOTALL)
RULES = re.compile(r"^(?:\s*\\(?:hline|toprule|midrule|bottomrule)(?![A-Za-z]))+")  # before a row
AMPERSAND = re.compile(r"(?<!\\)&")
ESCAPED = re.compile(r"\\([&%$#_{}])")
COMMAND = re.compile(r"\\(?![&%$#_{}])|(?<!\\)[{}%$#_]|[\^~]")
PARENTS = {  # of the elements of an HTML table; None: the table itself
    "table": (None,),
    "thead": ("table",),
    "tbody": ("table",),
    "tr": ("table", "thead", "tbody"),
    "td": ("tr",),
    "th": ("tr",),
}


def csv_table(text: str) -> Parsed:
    """Parse comma-separated values with a header of at least two columns."""
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise NotTheFormat(str(error)) from None
    # A quotation mark after a space opens no quotes for one reader, and does for another.
    loose = list(csv.reader(io.StringIO(text, newline=""), skipinitialspace=True))
    if [[cell.strip() for cell in row] for row in rows] != [[cell.strip() for cell in row] for row in loose]:
        raise NotTheFormat("a quotation mark after a space")
    return _table(rows)


def markdown_table(text: str) -> Parsed:
    """Parse a table in GitHub's Markdown. The parser pads and truncates rows, so cells are counted here."""
    tokens = block(text, "table")
    rows: list[list[str]] = []
    for token in tokens:
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline":
            rows[-1].append(token.content)
    lines = [line.strip() for line in text.splitlines()]
    if len(lines) != len(rows) + 1:
        raise NotTheFormat(f"{len(lines)} lines for {len(rows)} rows")
    for line in lines:
        cells = len(PIPE.split(line.removeprefix("|"))) - line.endswith("|") * (not line.endswith("\\|"))
        if cells != len(rows[0]):
            raise NotTheFormat(f"{cells} cells, not {len(rows[0])}, in: {line}")
    return _table(rows)


def html_table(text: str) -> Parsed:
    """Parse an HTML table, written as well-formed XML, without merged cells or markup inside cells."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        table = etree.fromstring(text, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise NotTheFormat(str(error)) from None
    beside = [*table.itersiblings(), *table.itersiblings(preceding=True)]  # comments
    if table.tag != "table" or table.getroottree().docinfo.doctype or beside:
        raise NotTheFormat("not only a table")
    rows: list[list[str]] = []
    for element in table.iter():
        parent = element.getparent()
        if (None if parent is None else parent.tag) not in PARENTS.get(element.tag, ()):
            raise NotTheFormat("an element that cannot be there")
        if any(name.startswith("on") for name in element.attrib):
            raise NotTheFormat("a script")
        if element.tag == "tr":
            rows.append([])
        elif element.tag in ("td", "th"):
            if len(element) or {"colspan", "rowspan"} & set(element.attrib):
                raise NotTheFormat("a cell with markup, or a merged one")
            rows[-1].append(element.text or "")
        if (element.tag not in ("td", "th") and (element.text or "").strip()) or (element.tail or "").strip():
            raise NotTheFormat("text outside cells")
    return _table(rows)


def latex_table(text: str) -> Parsed:
    """Parse a `tabular` environment whose cells contain text without commands."""
    match = LATEX.fullmatch(text)
    if not match:
        raise NotTheFormat("not one tabular environment")
    lines = [RULES.sub("", line).strip() for line in re.split(r"\\\\", match["body"])]
    if any(line.startswith(("[", "*")) for line in lines[1:]):
        raise NotTheFormat("an option of a line break")
    if lines and not lines[-1]:
        lines.pop()
    rows = [AMPERSAND.split(line) for line in lines]
    width = len(re.sub(r"[|\s]", "", match["columns"]))
    if any(len(row) != width for row in rows):
        raise NotTheFormat(f"a row without {width} cells")
    if any(COMMAND.search(cell) for row in rows for cell in row):
        raise NotTheFormat("a command in a cell")
    return _table([[ESCAPED.sub(r"\1", cell) for cell in row] for row in rows])


def _table(rows: Sequence[Sequence[str]]) -> Parsed:
    """Return a table with at least two columns, distinct column names, and one row below the header."""
    if len(rows) < 2:
        raise NotTheFormat("no rows below a header")
    stripped = [tuple(cell.strip() for cell in row) for row in rows]
    header, *body = stripped
    if len(header) < 2 or not all(header) or len(set(header)) < len(header):
        raise NotTheFormat(f"not a header: {', '.join(header)}")
    for row in body:
        if len(row) != len(header):
            raise NotTheFormat(f"{len(row)} cells, not {len(header)}")
        if not any(row):
            raise NotTheFormat("an empty row")
    return Parsed(header, tuple(body))
