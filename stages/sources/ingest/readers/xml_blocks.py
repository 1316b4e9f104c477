"""The elements of an XML document as paragraphs of Markdown."""

import re
from itertools import takewhile

from lxml import etree

from datagen.stages.sources.ingest.readers.tables import write_table
from datagen.stages.sources.ingest.readers.xml_fields import fields_of, name_of
from datagen.stages.sources.ingest.readers.zipped import Element

TITLES = frozenset({"title", "head", "heading", "bridgehead", "article-title", "invention-title"})
CODE = frozenset({"programlisting", "screen", "literallayout", "codeblock", "pre", "verbatim"})
ITEMS = frozenset({"listitem", "item", "li"})
LISTS = frozenset({"list", "itemizedlist", "orderedlist", "variablelist", "simplelist", "steps", "terms"})
TABLES = frozenset({"table", "informaltable", "tgroup"})
ROWS, CELLS = frozenset({"tr", "row"}), frozenset({"td", "th", "cell", "entry"})
# Markup within a paragraph: an element that directly contains it is one.
INLINE = frozenset(
    {
        *("b", "i", "u", "bold", "italic", "em", "emph", "emphasis", "strong", "hi", "hil"),
        *("sub", "sup", "sb", "sp", "xref", "tspan"),
    }
)
PARAGRAPHS = frozenset({"p", "para", "simpara", "formalpara", "sec", "section"})
TEXTS = frozenset({"para", "simpara", "term"}) | TITLES  # one line, whatever is in it, without blocks
BLOCKS = PARAGRAPHS | LISTS | TITLES | CODE | ITEMS | TABLES
# Elements whose parts are read as one line: references and names.
LINES = frozenset(
    {
        *(
            "ref",
            "mixed-citation",
            "element-citation",
            "nlm-citation",
            "biblioentry",
            "bibliomixed",
            "biblStruct",
        ),
        *("contrib", "personname", "aff", "cmdsynopsis", "funcprototype"),
    }
)
TEX, TEX_BEGIN, TEX_END = "\\documentclass", "\\begin{document}", "\\end{document}"  # of one formula
BASE64 = re.compile(r"[A-Za-z0-9+/=\s]+")
MIN_BINARY = 240  # characters of binary data
MARKDOWN = "markdown-of-html"  # an element with text as it is to be written
# Text, even if it has no words.
FIELDLESS = TEXTS | LINES | PARAGRAPHS | CODE | LISTS | ITEMS | TABLES | CELLS
FIELDLESS |= {MARKDOWN, "code"}
MAX_DEPTH = 200  # of elements; deeper ones are read as plain text


def paragraphs(root: Element) -> list[str]:
    """Return a document's paragraphs; of one that is repeated at once, the first."""
    parts: list[str] = []
    _walk(root, 0, 0, parts, _with_blocks(root))
    return [part for number, part in enumerate(parts) if not number or part != parts[number - 1]]


def text_of(element: Element) -> str:
    """Return an element's text on one line; of a formula that is a whole document of LaTeX, the formula."""
    text = "".join(element.itertext())
    return " ".join(_without_preambles(text).split())


def _without_preambles(text: str) -> str:
    """Reduce each document of LaTeX in a text to its body, in linear time."""
    kept, at = [], 0
    while (
        (start := text.find(TEX, at)) >= 0
        and (begin := text.find(TEX_BEGIN, start)) >= 0
        and (end := text.find(TEX_END, begin)) >= 0
    ):
        kept += [text[at:start], text[begin + len(TEX_BEGIN) : end]]
        at = end + len(TEX_END)
    return "".join([*kept, text[at:]])


def _walk(element: Element, depth: int, level: int, parts: list[str], blocks: set[Element]) -> None:
    """Append an element's paragraphs; an element that directly contains text, and no block, is one."""
    name = name_of(element)
    if name == MARKDOWN:
        parts.append(element.text or "")
        return
    if not len(element) and _is_binary(element.text or ""):
        return
    if name in CODE:
        parts.append(f"```\n{''.join(element.itertext()).strip(chr(10))}\n```")
        return
    if name in TABLES and (rows := _rows(element)):
        parts += [text for child in element if name_of(child) in TITLES if (text := text_of(child))]
        parts.append(write_table(rows))
        return
    if name in LINES:
        text = " ".join(" ".join(element.itertext()).split())
        parts += [text] if text else []
        return
    names = {name_of(child).lower() for child in element}
    if name == "code" and "\n" in "".join(element.itertext()).strip():
        parts.append(f"```\n{''.join(element.itertext()).strip(chr(10))}\n```")
        return
    inline = (element.text or "").strip() or any((child.tail or "").strip() for child in element)
    has_block = any(child in blocks for child in element)
    inline = inline or (names & INLINE and not names & BLOCKS) or (name in TEXTS and not has_block)
    start = len(parts)
    is_mixed = inline and name not in TITLES and has_block
    if (inline and not is_mixed) or len(element) == 0 or depth == MAX_DEPTH:
        text = text_of(element)
        if text:
            parts.append(f"{'#' * min(max(level, 1), 6)} {text}" if name in TITLES else text)
        _mark_item(element, parts, start)
        return
    if any(name_of(child) in TITLES for child in element):
        level += 1
    if is_mixed:
        _walk_mixed(element, depth, level, parts, blocks)
    else:
        _walk_children(element, depth, level, parts, blocks)
    _mark_item(element, parts, start)


def _walk_children(element: Element, depth: int, level: int, parts: list[str], blocks: set[Element]) -> None:
    """Append the paragraphs of an element without text of its own: fields side by side are one."""
    fields = fields_of(element, FIELDLESS)
    run: list[str] = []
    for child in element:
        if child in fields:
            run.append(fields[child])
        elif len(child) or (child.text or "").strip():
            parts += ["; ".join(run)] if run else []
            run = []
            _walk(child, depth + 1, level, parts, blocks)
    parts += ["; ".join(run)] if run else []


def _walk_mixed(element: Element, depth: int, level: int, parts: list[str], blocks: set[Element]) -> None:
    """Append the paragraphs of an element with both text and blocks: the text between blocks is one."""
    run = [element.text or ""]

    def end_of_run() -> None:
        if text := " ".join(_without_preambles("".join(run)).split()):
            parts.append(text)
        run.clear()

    for child in element:
        if child in blocks:
            end_of_run()
            _walk(child, depth + 1, level, parts, blocks)
        else:
            run.append("".join(child.itertext()))
        run.append(child.tail or "")
    end_of_run()


def _with_blocks(root: Element) -> set[Element]:
    """Return the elements that are blocks or contain one."""
    found: set[Element] = set()
    for element in root.iter(etree.Element):
        above = element if name_of(element) in BLOCKS else None
        while above is not None and above not in found:
            found.add(above)
            above = above.getparent()
    return found


def _mark_item(element: Element, parts: list[str], start: int) -> None:
    """Mark the first of an item's paragraphs; the item of a feed, which has a title, is a section."""
    if name_of(element) in ITEMS and len(parts) > start and not parts[start].startswith("#"):
        parts[start] = f"- {parts[start]}"


def _is_binary(text: str) -> bool:
    """Check for base64: lines of at least 60 characters, or one long word, of its alphabet only."""
    if len(text) < MIN_BINARY or not BASE64.fullmatch(text):
        return False
    words = text.split(maxsplit=2)
    return bool(words) and (
        len(words[0]) >= MIN_BINARY or (len(words) > 1 and min(map(len, words[:2])) >= 60)
    )


def _rows(table: Element) -> list[list[str]]:
    """Return the cells of a table's rows; of a table within a cell, the text is a part of the cell."""
    rows = []
    for row in table.iter():
        above = takewhile(lambda element: element is not table, row.iterancestors())
        if name_of(row) not in ROWS or any(name_of(element) in CELLS for element in above):
            continue
        cells: list[str] = []
        for cell in row:
            if name_of(cell) in CELLS:
                span = cell.get("colspan", "1")
                cells += [text_of(cell), *[""] * (min(int(span), 100) - 1 if span.isdecimal() else 0)]
        rows.append(cells)
    return rows if any(any(row) for row in rows) else []
