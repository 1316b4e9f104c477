"""XML: its titles and paragraphs; each page of a wiki export is a document."""

import html
import re
from collections import Counter
from collections.abc import Iterator
from html.entities import html5, name2codepoint

from lxml import etree

from datagen.request import Reject
from datagen.stages.sources.ingest.decoding import decode_declared, unusual
from datagen.stages.sources.ingest.readers.mathml import linear
from datagen.stages.sources.ingest.readers.mediawiki import to_markdown
from datagen.stages.sources.ingest.readers.tables import write_table
from datagen.stages.sources.ingest.readers.webpage import read_webpage
from datagen.stages.sources.ingest.readers.zipped import Element
from datagen.stages.sources.ingest.record import File, Record

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
# Keys that are pressed together, and entries of menus, of which only a reader sees that they are apart.
JOINED = {
    **dict.fromkeys(("keycombo", "keyseq"), "+"),
    **dict.fromkeys(("menuchoice", "guiseq", "menucascade"), " > "),
}
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
# Containers of the fields of a book, article (JATS) or patent -> those with prose, unlike names and dates.
INFO = frozenset({"title", "subtitle", "abstract", "titleabbrev"})
FIELDS = {
    **dict.fromkeys(
        ("info", *(f"{part}info" for part in ("book", "article", "chapter", "section", "set", "part"))), INFO
    ),
    "prolog": frozenset[str](),  # of a topic of DITA
    "journal-meta": frozenset[str](),
    "article-meta": frozenset(
        {"title-group", "contrib-group", "aff", "abstract", "trans-abstract", "kwd-group"}
    ),
    **dict.fromkeys(
        ("us-bibliographic-data-application", "us-bibliographic-data-grant"), frozenset({"invention-title"})
    ),
}
REFERENCES, EMPTY = "ref-list", "removed"
# Elements that are not shown, or shown twice.
UNREAD = tuple(f"{{*}}{name}" for name in ("object-id", "indexterm", "screeninfo", "script", "style"))
UNREAD += ("{http://projectmallard.org/1.0/}comment",)  # of an editor
UNREAD += ("{http://www.w3.org/2000/svg}metadata",)
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
ID = "{http://www.w3.org/XML/1998/namespace}id"
DTD, UNDECLARED = b"<!DOCTYPE", "ERR_UNDECLARED_ENTITY"
XML_DECLARATION = re.compile(r"\A\s*<\?xml\s[^>]*>")
DECLARED = re.compile(rb"""(?:\xef\xbb\xbf)?\s*<\?xml\s[^>]*\sencoding\s*=\s*["']?([\w.:-]{1,40})""")
MAX_ENTITY = 80  # characters; a few words, so that a document grows little by its entities
OTHER_NAME = re.compile(r"&[\w.-]+;")
ENTITY_MARKUP = re.compile(r"[<>%]|&\S*;")
MAX_TITLE = 200  # characters of a title that references repeat
MAX_DEPTH = 200  # of elements; deeper ones are read as plain text


def read(file: File) -> Iterator[Record | Reject]:
    """Read the document, or the pages of a wiki export."""
    with file.open() as stream:
        head = stream.read(2048)
    if b"<mediawiki" in head:
        yield from _pages(file)
        return
    text, encoding = _decoded(file)
    root = _parse(text.encode("utf-8", "replace"))
    parts: list[str] = []
    name = _name(root)
    left_out = Counter[str]()
    left_out.update(_remove_fields(root))
    _join(root)
    _write_references(root)
    left_out["entities"] = _write_entities(root)
    _write_formulas(root)
    metadata: dict[str, object] = {"root": name, **unusual(encoding)}
    if counts := {kind: count for kind, count in left_out.items() if count}:
        metadata["left_out"] = counts
    if name in FEEDS:
        _unescape(root)
    _walk(root, 0, 0, parts, _with_blocks(root))
    once = [part for number, part in enumerate(parts) if not number or part != parts[number - 1]]
    yield Record("\n\n".join(once), metadata=metadata)


def _decoded(file: File) -> tuple[str, str]:
    """Decode a document, and remove its declaration, whose encoding may be unknown or wrong."""
    data = file.read()
    declared = DECLARED.match(data)
    text, encoding = decode_declared(data, declared[1].decode() if declared else "", file.entry.encoding)
    return XML_DECLARATION.sub("", text.removeprefix("\ufeff"), count=1), encoding


def _parse(data: bytes) -> Element:
    """Parse a document in UTF-8, in spite of errors that leave its text unambiguous (`HARMLESS`)."""
    parser = _parser(recover=False)
    try:
        return etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        if DTD not in data and any(entry.type_name == UNDECLARED for entry in parser.error_log):
            # A part of a document: with a DTD elsewhere, its entities are references and no errors.
            return _parse(DTD + b' part SYSTEM "elsewhere">' + data)
        if not {entry.type_name for entry in parser.error_log} <= HARMLESS:
            raise Reject("unreadable file", f"{error}") from error
        return etree.fromstring(data, _parser(recover=True))


def _parser(recover: bool) -> etree.XMLParser:
    return etree.XMLParser(
        encoding="utf-8",
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


def _write_entities(root: Element) -> int:
    """
    Put characters in place of references to HTML's entities, and words in place of others.

    An entity that the document declares as a few words is these words. Of one that is declared elsewhere, the
    name is written (``&Ctrl;`` is "Ctrl"); a paragraph of nothing else is a notice that is not there.

    Returns
    -------
    The number of entities that are declared elsewhere.
    """
    declared = _declared(root)
    unknown = 0
    for parent in dict.fromkeys(reference.getparent() for reference in root.iter(etree.Entity)):
        before, texts = None, [parent.text or ""]
        around = "".join([parent.text or "", *(child.tail or "" for child in parent)])
        is_notice = not around.strip() and (_name(parent) in PARAGRAPHS or "\n" in around)
        for child in [*parent, None]:
            if child is not None and child.tag is etree.Entity:
                text = declared.get(child.name) or _character(child.name)
                if not text:
                    unknown += 1
                    text = "" if is_notice else _words(child.name)
                texts += [text, child.tail or ""]
                parent.remove(child)
                continue
            if before is None:
                parent.text = "".join(texts)
            else:
                before.tail = "".join(texts)
            if child is not None:
                before, texts = child, [child.tail or ""]
    return unknown


def _character(entity: str) -> str:
    """
    Return the character of one of HTML's entities; "" for others.

    Of HTML 5, only letters and punctuation: in other documents ``&eg;`` and ``&Del;`` are no operators.
    """
    if entity in name2codepoint:
        return chr(name2codepoint[entity])
    text = html5.get(f"{entity};", "")
    return text if text.isalpha() or (text.isascii() and text.isprintable()) else ""


def _declared(root: Element) -> dict[str, str]:
    """Return the entities that the document declares as short text without markup and other entities."""
    dtd = root.getroottree().docinfo.internalDTD
    entities = dtd.iterentities() if dtd is not None else ()
    contents = {entity.name: html.unescape(entity.content or "") for entity in entities}
    texts = {name: text for name, text in contents.items() if len(text) <= MAX_ENTITY}
    other_names = {name: text[1:-1] for name, text in texts.items() if OTHER_NAME.fullmatch(text)}
    texts = {name: text for name, text in texts.items() if not ENTITY_MARKUP.search(text)}
    return texts | {name: texts.get(other, _words(other)) for name, other in other_names.items()}


def _words(entity: str) -> str:
    """Write the name of an entity as words: ``Allen.Winter``, ``kde``."""
    return re.sub(r"[._-]+", " ", entity)


def _write_references(root: Element) -> None:
    """Write the title of what an empty reference (``xref``) points to, within the document."""
    references = [xref for xref in root.iter("{*}xref") if not len(xref) and not (xref.text or "").strip()]
    places = (
        {place.get(ID) or place.get("id"): place for place in root.iter(etree.Element)} if references else {}
    )
    titles: dict[str, str] = {}
    for xref in references:
        name = xref.get("linkend")
        if name in places and name not in titles:
            title = places[name].find("{*}title")
            titles[name] = "" if title is None else _text(title)[:MAX_TITLE]
        xref.text = titles.get(name)


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
    for element in list(root.iter(*(f"{{*}}{name}" for name in (*FIELDS, REFERENCES)), *UNREAD)):
        name, parent = _name(element), element.getparent()
        if name in FIELDS:
            fields = [field for field in element if _name(field) not in FIELDS[name]]
            counts["fields of the article"] += len(fields)
            for field in fields:
                element.remove(field)
        elif parent is not None:
            counts["references"] += sum(1 for _ in element.iter("{*}ref"))
            element.clear(keep_tail=True)  # removing it would join the texts around it, repeatedly
            element.tag = EMPTY
    return {kind: count for kind, count in counts.items() if count}


def _join(root: Element) -> None:
    """Write keys that are pressed together, and the entries of menus, as a reader sees them (`JOINED`)."""
    for element in reversed(list(root.iter(*(f"{{*}}{name}" for name in JOINED)))):  # inner ones first
        steps, shortcut = [], ""
        for child in element:
            text = _words(child.name) if child.tag is etree.Entity else _text(child)
            if _name(child) == "shortcut":
                shortcut = f" ({text})" if text else ""
            elif text := text.strip(" >→"):
                steps.append(text)
        if steps and not (element.text or "").strip():
            element.clear(keep_tail=True)
            element.text = JOINED[_name(element)].join(steps) + shortcut


def _unescape(feed: Element) -> None:
    """Put the text of a feed's HTML, which is text within the XML, in place of the HTML."""
    for element in feed.iter(etree.Element):
        if len(element) == 0 and element.text and HTML_TAG.search(element.text):
            paragraphs = read_webpage(element.text, whole=True)[0].split("\n\n")
            element.text = None
            for paragraph in paragraphs:
                etree.SubElement(element, MARKDOWN).text = paragraph


def _walk(element: Element, depth: int, level: int, parts: list[str], blocks: set[Element]) -> None:
    """Append an element's paragraphs; an element that directly contains text, and no block, is one."""
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
    if name == "code" and "\n" in "".join(element.itertext()).strip():
        parts.append(f"```\n{''.join(element.itertext()).strip(chr(10))}\n```")
        return
    inline = (element.text or "").strip() or any((child.tail or "").strip() for child in element)
    has_block = any(child in blocks for child in element)
    inline = inline or (names & INLINE and not names & BLOCKS) or (name in TEXTS and not has_block)
    start = len(parts)
    is_mixed = inline and name not in TITLES and has_block
    if (inline and not is_mixed) or len(element) == 0 or depth == MAX_DEPTH:
        text = _text(element)
        if text:
            parts.append(f"{'#' * min(max(level, 1), 6)} {text}" if name in TITLES else text)
        _mark_item(element, parts, start)
        return
    if any(_name(child) in TITLES for child in element):
        level += 1
    if is_mixed:
        _walk_mixed(element, depth, level, parts, blocks)
    else:
        for child in element:
            _walk(child, depth + 1, level, parts, blocks)
    _mark_item(element, parts, start)


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
        above = element if _name(element) in BLOCKS else None
        while above is not None and above not in found:
            found.add(above)
            above = above.getparent()
    return found


def _mark_item(element: Element, parts: list[str], start: int) -> None:
    """Mark the first of an item's paragraphs; the item of a feed, which has a title, is a section."""
    if _name(element) in ITEMS and len(parts) > start and not parts[start].startswith("#"):
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
