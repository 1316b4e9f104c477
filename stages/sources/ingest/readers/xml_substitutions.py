"""
Replace parts of an XML document by the text that a reader sees.

Entities become characters or words, empty references the titles that they point to, formulas one line, keys
and menus what is pressed, and HTML within feeds text. Fields that are not prose, and lists of references, are
removed.
"""

import html
import re
from collections import Counter
from html.entities import html5, name2codepoint

from lxml import etree

from datagen.stages.sources.ingest.readers.mathml import linear
from datagen.stages.sources.ingest.readers.webpage import read_webpage
from datagen.stages.sources.ingest.readers.xml_blocks import MARKDOWN, PARAGRAPHS, text_of
from datagen.stages.sources.ingest.readers.xml_fields import name_of
from datagen.stages.sources.ingest.readers.zipped import Element

# Keys that are pressed together, and entries of menus, of which only a reader sees that they are apart.
JOINED = {
    **dict.fromkeys(("keycombo", "keyseq"), "+"),
    **dict.fromkeys(("menuchoice", "guiseq", "menucascade"), " > "),
}
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
FEEDS = frozenset({"rss", "feed", "RDF"})  # their elements may contain HTML, escaped or in CDATA
HTML_TAG = re.compile(
    r"<(?:/?(?:p|div|ul|ol|li|b|i|em|strong|span|h[1-6]|pre|code|table)|a [^<>]*|(?:br|img)[^<>]*)>"
)
ID = "{http://www.w3.org/XML/1998/namespace}id"
MAX_ENTITY = 80  # characters; a few words, so that a document grows little by its entities
OTHER_NAME = re.compile(r"&[\w.-]+;")
ENTITY_MARKUP = re.compile(r"[<>%]|&\S*;")
MAX_TITLE = 200  # characters of a title that references repeat


def substitute(root: Element) -> Counter[str]:
    """Replace all such parts, and count by kind what is left out."""
    left_out = Counter(_remove_fields(root))
    _join(root)
    _write_references(root)
    left_out["entities"] = _write_entities(root)
    _write_formulas(root)
    if name_of(root) in FEEDS:
        _unescape(root)
    return +left_out


def _remove_fields(root: Element) -> dict[str, int]:
    """Remove the fields of an article or patent that are not prose, and the references; count them."""
    counts = Counter[str]()
    for element in list(root.iter(*(f"{{*}}{name}" for name in (*FIELDS, REFERENCES)), *UNREAD)):
        name, parent = name_of(element), element.getparent()
        if name in FIELDS:
            fields = [field for field in element if name_of(field) not in FIELDS[name]]
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
            text = _words(child.name) if child.tag is etree.Entity else text_of(child)
            if name_of(child) == "shortcut":
                shortcut = f" ({text})" if text else ""
            elif text := text.strip(" >→"):
                steps.append(text)
        if steps and not (element.text or "").strip():
            element.clear(keep_tail=True)
            element.text = JOINED[name_of(element)].join(steps) + shortcut


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
            titles[name] = "" if title is None else text_of(title)[:MAX_TITLE]
        xref.text = titles.get(name)


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
        is_notice = not around.strip() and (name_of(parent) in PARAGRAPHS or "\n" in around)
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


def _write_formulas(root: Element) -> None:
    """Write formulas on one line; of the alternatives for one formula, the one in TeX."""
    for alternatives in list(root.iter("{*}alternatives")):
        if (tex := alternatives.find("{*}tex-math")) is not None:
            alternatives[:] = [tex]
    for formula in list(root.iter("{*}math")):
        written = linear(formula)
        formula.clear(keep_tail=True)
        formula.text = written


def _unescape(feed: Element) -> None:
    """Put the text of a feed's HTML, which is text within the XML, in place of the HTML."""
    for element in feed.iter(etree.Element):
        if len(element) == 0 and element.text and HTML_TAG.search(element.text):
            paragraphs = read_webpage(element.text, whole=True)[0].split("\n\n")
            element.text = None
            for paragraph in paragraphs:
                etree.SubElement(element, MARKDOWN).text = paragraph
