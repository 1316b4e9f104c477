"""OpenDocument texts and slides, converted via HTML."""

import zipfile
from collections import Counter
from collections.abc import Iterator

from lxml import etree, html
from lxml.html.builder import E

from datagen.stages.sources.ingest.readers.mathml import linear
from datagen.stages.sources.ingest.readers.office_page import BOLD, NOTE, place_notes, raise_bold
from datagen.stages.sources.ingest.readers.page_blocks import SPAN
from datagen.stages.sources.ingest.readers.webpage import read_webpage
from datagen.stages.sources.ingest.readers.zipped import NO_TITLE, Element, described, opened, part
from datagen.stages.sources.ingest.record import File, Record

SPACES = {
    "office": "urn:oasis:names:tc:opendocument:xmlns:office:1.0",
    "text": "urn:oasis:names:tc:opendocument:xmlns:text:1.0",
    "table": "urn:oasis:names:tc:opendocument:xmlns:table:1.0",
    "draw": "urn:oasis:names:tc:opendocument:xmlns:drawing:1.0",
    "presentation": "urn:oasis:names:tc:opendocument:xmlns:presentation:1.0",
    "style": "urn:oasis:names:tc:opendocument:xmlns:style:1.0",
    "fo": "urn:oasis:names:tc:opendocument:xmlns:xsl-fo-compatible:1.0",
}
LINK = "{http://www.w3.org/1999/xlink}href"
LISTS = ("ul", "ol")
MAX_PARENTS = 10  # of a style
NOT_BOLD = ("normal", "100", "200", "300", "400", "500")
MAX_REPEATED = 100  # copies of a cell, consecutive spaces
TAGS = {"list-item": "li", "list-header": "li", "table": "table", "table-row": "tr"}
# Not part of the text: tracked changes, the table of contents (it repeats the headings), annotations.
LEFT_OUT = (
    *("tracked-changes", "table-of-content", "annotation", "forms", "sequence-decls", "notes"),
    *("header-decl", "footer-decl", "date-time-decl"),
)
OUTLINE = ("h1", "h2", "h3", "h4", "h5", "h6", "div")  # headings, and lists of them
FURNITURE = ("page-number", "date-time", "header", "footer", "notes-page", "page")  # frames of a slide


def read(file: File) -> Iterator[Record]:
    """Read the document."""
    with opened(file) as archive:
        title, metadata = described(archive, "meta.xml")
        root = part(archive, "content.xml")
        _write_formulas(root, archive)
        styles = [root, *([part(archive, "styles.xml")] if "styles.xml" in archive.NameToInfo else ())]
        _mark_numbered(root, styles)
    body = root.find(f"{{{SPACES['office']}}}body")
    page = E.body()
    if body is not None:
        _mark_title(root, body)
        has_slides = body.find(f"{{{SPACES['office']}}}presentation") is not None
        _mark_bold(root, styles)
        _walk(body, page)
        _free_headings(page)
        if not has_slides:
            raise_bold(page)
        place_notes(page)
        _nest_lists(page)
    text, _ = read_webpage(html.tostring(page, encoding="unicode"), whole=True)
    yield Record(text, title, metadata=metadata)


def _write_formulas(root: Element, archive: zipfile.ZipFile) -> None:
    """Put formulas, which are files of their own, in the places where they are shown."""
    for embedded in list(root.iter(f"{{{SPACES['draw']}}}object")):
        name = embedded.get(LINK, "").removeprefix("./") + "/content.xml"
        formula = part(archive, name) if name in archive.NameToInfo else next(iter(embedded), None)
        if formula is not None and isinstance(formula.tag, str) and etree.QName(formula).localname == "math":
            embedded.clear(keep_tail=True)
            embedded.text = linear(formula)


def _mark_numbered(root: Element, parts: list[Element]) -> None:
    """Set the first number of numbered lists; an inner list without a style has that of the outer."""
    text, style = f"{{{SPACES['text']}}}", f"{{{SPACES['style']}}}"
    numbered = {
        (named.get(f"{style}name"), level.get(f"{text}level"))
        for source in parts
        for named in source.iter(f"{text}list-style")
        for level in named.iterchildren(f"{text}list-level-style-number")
        if level.get(f"{style}num-format")
    }
    places: dict[Element, tuple[str | None, int]] = {}
    counted: Counter[str | None] = Counter()
    for part_of in root.iter(f"{text}list"):
        outer = next(part_of.iterancestors(f"{text}list"), None)
        above, depth = places[outer] if outer is not None else (None, 0)
        places[part_of] = part_of.get(f"{text}style-name", above), depth + 1
        named = places[part_of][0]
        if (named, str(depth + 1)) not in numbered:
            continue
        goes_on = part_of.get(f"{text}continue-numbering") == "true" or part_of.get(f"{text}continue-list")
        start = counted[named] + 1 if goes_on and not depth else 1
        part_of.set("start", str(start))
        if not depth:
            counted[named] = start - 1 + len(part_of.findall(f"{text}list-item"))


def _mark_title(root: Element, body: Element) -> None:
    """Make a heading of the paragraph with the style "Title", or with one based on it."""
    style, text = f"{{{SPACES['style']}}}", f"{{{SPACES['text']}}}"
    names = {
        named.get(f"{style}name")
        for named in root.iter(f"{style}style")
        if named.get(f"{style}parent-style-name") == "Title"
    }
    for paragraph in body.iter(f"{text}p"):
        if paragraph.get(f"{text}style-name") in names | {"Title"} and "".join(paragraph.itertext()).strip():
            paragraph.tag = f"{text}h"
            return


def _mark_bold(root: Element, parts: list[Element]) -> None:
    """Mark the paragraphs whose text is bold, by their own style or those of their parts."""
    style, text = f"{{{SPACES['style']}}}", f"{{{SPACES['text']}}}"
    stated: dict[str, tuple[str, str]] = {}  # the weight and the parent of a style
    for named in (named for source in reversed(parts) for named in source.iter(f"{style}style")):
        weight = named.find(f"{style}text-properties")
        found = "" if weight is None else weight.get(f"{{{SPACES['fo']}}}font-weight", "")
        stated[named.get(f"{style}name", "")] = found, named.get(f"{style}parent-style-name", "")

    def is_bold(name: str, default: bool) -> bool:
        for _ in range(MAX_PARENTS):
            weight, name = stated.get(name, ("", ""))
            if weight:
                return weight not in NOT_BOLD
        return default

    for paragraph in root.iter(f"{text}p"):
        whole = is_bold(paragraph.get(f"{text}style-name", ""), False)
        parts_of = [child for child in paragraph if "".join(child.itertext()).strip()]
        outside = [paragraph.text, *(child.tail for child in paragraph)]
        if (whole or not any((said or "").strip() for said in outside)) and all(
            is_bold(child.get(f"{text}style-name", ""), whole) for child in parts_of
        ):
            paragraph.set(BOLD, "1")


def _nest_lists(page: Element) -> None:
    """
    Put a list into the item before it, and write items of one paragraph without space between them.

    OpenDocument has an inner list in an item of its own, and slides have a list per paragraph. Items without
    text are spaces.
    """
    for inner in list(page.iter(*LISTS)):
        previous = inner.getprevious()
        if previous is not None and previous.tag == inner.tag and not (previous.tail or "").strip():
            previous.extend(list(inner))
            inner.drop_tree()
    for item in list(page.iter("li")):
        if len(item) == 1 and item[0].tag == "p":
            item[0].drop_tag()
        only_lists = len(item) and all(child.tag in LISTS for child in item) and not (item.text or "").strip()
        previous = item.getprevious()
        if only_lists and previous is not None and previous.tag == "li":
            previous.extend(list(item))
        if not len(item) and not (item.text or "").strip():
            item.drop_tree()
    for item in page.iter("li"):
        if len(item) > 1 and item[0].tag == "p" and all(child.tag in LISTS for child in item[1:]):
            item[0].drop_tag()


def _free_headings(page: Element) -> None:
    """Take headings out of the lists that OpenDocument writes for the numbers of an outline."""
    for numbered in reversed(list(page.iter(*LISTS))):  # inner lists first
        if len(numbered) and all(len(item) and item[0].tag in OUTLINE for item in numbered):
            for part in (numbered, *numbered):
                part.tag = "div"


def _walk(source: Element, into: Element) -> None:
    """Copy the contents of an element into an HTML element."""
    _say(into, source.text)
    for child in source:
        if isinstance(child.tag, str):
            _element(child, etree.QName(child).localname, into)
        _say(into, child.tail)


def _element(child: Element, name: str, into: Element) -> None:
    if name in LEFT_OUT or name == "page-number":
        return
    if name == "h":
        level = child.get(f"{{{SPACES['text']}}}outline-level", "1")
        _walk(child, etree.SubElement(into, f"h{min(int(level), 6) if level.isdecimal() else 1}"))
    elif name == "list":
        start = child.get("start")
        _walk(child, etree.SubElement(into, "ol", start=start) if start else etree.SubElement(into, "ul"))
    elif name == "p":
        _walk(child, etree.SubElement(into, "p", {BOLD: "1"} if child.get(BOLD) else {}))
    elif name == "note":
        _note(child, into)
    elif name in TAGS:
        _walk(child, etree.SubElement(into, TAGS[name]))
    elif name in ("table-cell", "covered-table-cell"):
        repeated = child.get(f"{{{SPACES['table']}}}number-columns-repeated", "1")
        for _ in range(min(int(repeated) if repeated.isdecimal() else 1, MAX_REPEATED)):
            spanned = child.get(f"{{{SPACES['table']}}}number-columns-spanned", "1")
            _walk(child, etree.SubElement(into, "td", {SPAN: spanned} if spanned != "1" else {}))
    elif name == "page":
        _slide(child, into)
    elif name == "s":
        count = child.get(f"{{{SPACES['text']}}}c", "1")
        _say(into, " " * min(int(count) if count.isdecimal() else 1, MAX_REPEATED))
    elif name == "tab":
        _say(into, "\t")
    elif name == "line-break":
        etree.SubElement(into, "br")
    else:
        _walk(child, into)


def _note(note: Element, into: Element) -> None:
    """Write the number of a note in its place, with the note's text for `place_notes`."""
    text = f"{{{SPACES['text']}}}"
    words = "".join(note.findtext(f"{text}note-citation") or "*")
    said = " ".join(" ".join("".join(part.itertext()) for part in note.iter(f"{text}note-body")).split())
    mark = etree.SubElement(into, "sup", {NOTE: said})
    mark.text = f"[{words.strip()}]"


def _slide(page: Element, into: Element) -> None:
    """Convert a slide: its title becomes a heading; its notes follow."""
    kind = f"{{{SPACES['presentation']}}}class"
    titles = [frame for frame in page if frame.get(kind) == "title"]
    heading = etree.SubElement(into, "h2")
    name = page.get(f"{{{SPACES['draw']}}}name", "")
    words = etree.Element("div")
    for frame in titles:
        _walk(frame, words)
    heading.text = " ".join(" ".join(words.itertext()).split()) or ("" if NO_TITLE.fullmatch(name) else name)
    if not heading.text:
        into.remove(heading)  # the slide goes on with the section
    notes = [frame for part in page.iterchildren(f"{{{SPACES['presentation']}}}notes") for frame in part]
    for frame in (*page, *notes):
        if frame not in titles and isinstance(frame.tag, str) and frame.get(kind) not in FURNITURE:
            _element(frame, etree.QName(frame).localname, into)


def _say(into: Element, text: str | None) -> None:
    if text:
        last = next(into.iterchildren(reversed=True), None)
        if last is not None:
            last.tail = (last.tail or "") + text
        else:
            into.text = (into.text or "") + text
