"""XML: its titles and paragraphs; each page of a wiki export is a document."""

import html
import re
from collections import Counter
from collections.abc import Iterator

from lxml import etree

from datagen.request import Reject
from datagen.stages.sources.ingest.readers.mathml import linear
from datagen.stages.sources.ingest.readers.mediawiki import to_markdown
from datagen.stages.sources.ingest.readers.tables import write_table
from datagen.stages.sources.ingest.readers.webpage import read_webpage
from datagen.stages.sources.ingest.readers.zipped import Element
from datagen.stages.sources.ingest.record import File, Record

TITLES = frozenset({"title", "head", "heading", "bridgehead", "article-title", "invention-title"})
CODE = frozenset({"programlisting", "screen", "literallayout", "codeblock", "pre", "verbatim"})
ITEMS = frozenset({"listitem", "item", "li"})
TABLES = frozenset({"table", "informaltable", "tgroup"})
ROWS, CELLS = frozenset({"tr", "row"}), frozenset({"td", "th", "cell", "entry"})
# Markup within a paragraph: an element that directly contains it is one.
INLINE = frozenset(
    {
        *("b", "i", "u", "bold", "italic", "em", "emph", "emphasis", "strong", "hi", "hil"),
        *("sub", "sup", "sb", "sp", "xref"),
    }
)
BLOCKS = frozenset({"p", "para", "sec", "section", "list"}) | TITLES | CODE | ITEMS | TABLES
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
        *("contrib", "personname", "aff"),
    }
)
# Containers of the fields of an article (JATS) or patent -> those with prose, unlike identifiers and dates.
FIELDS = {
    "journal-meta": frozenset[str](),
    "article-meta": frozenset(
        {"title-group", "contrib-group", "aff", "abstract", "trans-abstract", "kwd-group"}
    ),
    **dict.fromkeys(
        ("us-bibliographic-data-application", "us-bibliographic-data-grant"), frozenset({"invention-title"})
    ),
}
REFERENCES, IDENTIFIER = "ref-list", "object-id"
TEX, TEX_BEGIN, TEX_END = "\\documentclass", "\\begin{document}", "\\end{document}"  # of one formula
FEEDS = frozenset({"rss", "feed", "RDF"})  # their elements may contain HTML, escaped or in CDATA
HTML_TAG = re.compile(
    r"<(?:/?(?:p|div|ul|ol|li|b|i|em|strong|span|h[1-6]|pre|code|table)|a [^<>]*|(?:br|img)[^<>]*)>"
)
BASE64 = re.compile(r"[A-Za-z0-9+/=\s]+")
MIN_BINARY = 240  # characters of binary data
MARKDOWN = "markdown-of-html"  # an element with text as it is to be written
# Errors of prefixes and attributes, and of a DTD that is elsewhere: it is not loaded.
HARMLESS = frozenset(
    {
        *("NS_ERR_UNDEFINED_NAMESPACE", "NS_ERR_ATTRIBUTE_REDEFINED", "ERR_ATTRIBUTE_REDEFINED"),
        *("NS_ERR_XML_NAMESPACE", "NS_ERR_COLON", "NS_ERR_QNAME", "NS_ERR_EMPTY"),
        *(
            "IO_NETWORK_ATTEMPT",
            "IO_ENOENT",
            "IO_LOAD_ERROR",
            "IO_UNKNOWN",
            "WAR_NS_URI",
            "WAR_NS_URI_RELATIVE",
        ),
        *("WAR_UNDECLARED_ENTITY", "WAR_NS_COLUMN"),
    }
)
MAX_DEPTH = 200  # of elements; deeper ones are read as plain text


def read(file: File) -> Iterator[Record | Reject]:
    """Read the document, or the pages of a wiki export."""
    with file.open() as stream:
        head = stream.read(2048)
    if b"<mediawiki" in head:
        yield from _pages(file)
        return
    root = _parse(file.read())
    parts: list[str] = []
    name = _name(root)
    _write_entities(root)
    _write_formulas(root)
    metadata: dict[str, object] = {"root": name}
    if left_out := _remove_fields(root):
        metadata["left_out"] = left_out
    if name in FEEDS:
        _unescape(root)
    _walk(root, 0, 0, parts)
    yield Record("\n\n".join(parts), metadata=metadata)


def _parse(data: bytes) -> Element:
    """Parse a document, in spite of errors that leave its text unambiguous (`HARMLESS`)."""
    parser = _parser(recover=False)
    try:
        return etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        if not {entry.type_name for entry in parser.error_log} <= HARMLESS:
            raise Reject("unreadable file", f"{error}") from error
        return etree.fromstring(data, _parser(recover=True))


def _parser(recover: bool) -> etree.XMLParser:
    return etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        remove_comments=True,
        remove_pis=True,
        collect_ids=False,  # an id that occurs twice is no reason not to read the text
        recover=recover,
    )


def _pages(file: File) -> Iterator[Record | Reject]:
    """Read a wiki's pages one at a time, without redirects."""
    with file.open() as stream:
        try:
            for _, page in etree.iterparse(
                stream, tag="{*}page", resolve_entities=False, no_network=True, huge_tree=True
            ):
                title = page.findtext("{*}title") or ""
                text = page.findtext("{*}revision/{*}text") or ""
                is_redirect = page.find("{*}redirect") is not None
                namespace = page.findtext("{*}ns") or "0"
                page.clear()
                while page.getprevious() is not None:
                    del page.getparent()[0]
                if not is_redirect and namespace == "0":
                    yield Record(to_markdown(text), title, title)
        except etree.XMLSyntaxError as error:
            yield Reject("unreadable file", f"{error}")


def _write_entities(root: Element) -> None:
    """Put the characters of HTML's entities in place of references to entities; others stay as written."""
    for parent in dict.fromkeys(reference.getparent() for reference in root.iter(etree.Entity)):
        before, texts = None, [parent.text or ""]
        for child in [*parent, None]:
            if child is not None and child.tag is etree.Entity:
                texts += [html.unescape(child.text), child.tail or ""]
                parent.remove(child)
                continue
            if before is None:
                parent.text = "".join(texts)
            else:
                before.tail = "".join(texts)
            if child is not None:
                before, texts = child, [child.tail or ""]


def _write_formulas(root: Element) -> None:
    """Write formulas on one line; of the alternatives for one formula, the one in TeX."""
    for alternatives in list(root.iter("{*}alternatives")):
        if (tex := alternatives.find("{*}tex-math")) is not None:
            alternatives[:] = [tex]
    for formula in list(root.iter("{*}math")):
        written = linear(formula)
        formula.clear(keep_tail=True)
        formula.text = written


def _remove_fields(root: Element) -> dict[str, int]:
    """Remove the fields of an article or patent that are not prose, and the references; count them."""
    counts = Counter[str]()
    for element in list(root.iter(*(f"{{*}}{name}" for name in (*FIELDS, REFERENCES, IDENTIFIER)))):
        name, parent = _name(element), element.getparent()
        if name in FIELDS:
            fields = [field for field in element if _name(field) not in FIELDS[name]]
            counts["fields of the article"] += len(fields)
            for field in fields:
                element.remove(field)
        elif parent is not None:
            counts["references"] += sum(1 for _ in element.iter("{*}ref"))
            parent.remove(element)
    return {kind: count for kind, count in counts.items() if count}


def _unescape(feed: Element) -> None:
    """Put the text of a feed's HTML, which is text within the XML, in place of the HTML."""
    for element in feed.iter(etree.Element):
        if len(element) == 0 and element.text and HTML_TAG.search(element.text):
            paragraphs = read_webpage(element.text, whole=True)[0].split("\n\n")
            element.text = None
            for paragraph in paragraphs:
                etree.SubElement(element, MARKDOWN).text = paragraph


def _walk(element: Element, depth: int, level: int, parts: list[str]) -> None:
    """Append an element's paragraphs; an element that directly contains text is one."""
    name = _name(element)
    if name == MARKDOWN:
        parts.append(element.text or "")
        return
    if not len(element) and _is_binary(element.text or ""):
        return
    if name in CODE:
        parts.append(f"```\n{''.join(element.itertext()).strip(chr(10))}\n```")
        return
    if name in TABLES and (rows := _rows(element)):
        parts += [text for child in element if _name(child) in TITLES if (text := _text(child))]
        parts.append(write_table(rows))
        return
    if name in LINES:
        text = " ".join(" ".join(element.itertext()).split())
        parts += [text] if text else []
        return
    names = {_name(child).lower() for child in element}
    inline = (element.text or "").strip() or any((child.tail or "").strip() for child in element)
    inline = inline or (names & INLINE and not names & BLOCKS)
    if inline or len(element) == 0 or depth == MAX_DEPTH:
        text = _text(element)
        if text:
            parts.append(f"{'#' * min(max(level, 1), 6)} {text}" if name in TITLES else text)
        return
    if any(_name(child) in TITLES for child in element):
        level += 1
    start = len(parts)
    for child in element:
        _walk(child, depth + 1, level, parts)
    if (
        name in ITEMS and len(parts) > start and not parts[start].startswith("#")
    ):  # that of a feed is a section
        parts[start] = f"- {parts[start]}"


def _is_binary(text: str) -> bool:
    """Check for base64: lines of at least 60 characters, or one long word, of its alphabet only."""
    if len(text) < MIN_BINARY or not BASE64.fullmatch(text):
        return False
    words = text.split(maxsplit=2)
    return bool(words) and (
        len(words[0]) >= MIN_BINARY or (len(words) > 1 and min(map(len, words[:2])) >= 60)
    )


def _name(element: Element) -> str:
    """Return an element's name without its prefix, whether that is declared or not; "" of no element."""
    return re.split("[}:]", element.tag)[-1] if isinstance(element.tag, str) else ""


def _text(element: Element) -> str:
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


def _rows(table: Element) -> list[list[str]]:
    """Return the cells of a table's rows; of a table within a cell, the text is a part of the cell."""
    rows = []
    for row in table.iter():
        if _name(row) not in ROWS or any(_name(above) in CELLS for above in row.iterancestors()):
            continue
        cells: list[str] = []
        for cell in row:
            if _name(cell) in CELLS:
                span = cell.get("colspan", "1")
                cells += [_text(cell), *[""] * (min(int(span), 100) - 1 if span.isdecimal() else 0)]
        rows.append(cells)
    return rows if any(any(row) for row in rows) else []
