"""The page of a Word or OpenDocument text: headings in bold, and notes in their places."""

import re
from collections import Counter
from itertools import groupby

from lxml import etree, html

HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
BOLD = "data-bold"  # of a paragraph in bold
NOTE = "data-note"  # of the place of a note: its text
MAX_HEADING = 150  # characters
MIN_HEADINGS = 2  # of a document; one paragraph in bold is emphasised
MAX_RUN = 2  # headings in a row; more are a title page or a form
MOST = 0.5  # share of paragraphs, lists and tables in bold from which none is a heading
LONGEST = 250  # characters of a heading by style; a longer one is a paragraph
# The number of a section ("B1. ", "Article 15: "), whose title may end in a full stop.
LABEL = re.compile(r"\(?(?:[A-Z]?\d{1,3}|[A-Z]|[IVX]+)[.):]\s|\d+(?:\.\d+)+\s|[^\W\d_]+ \d{1,3}\s?[:.–-]")
SENTENCE = re.compile(r".*[.;,!…。；，]", re.DOTALL)
VALUE = re.compile(r".*=.*|[\W\d_]*", re.DOTALL)  # p = 0.2; numbers
ANSWER = 3  # characters of a repeated paragraph, such as "No" in a flow chart


def raise_bold(page: html.HtmlElement) -> None:
    """
    Make headings of short paragraphs in bold before text: authors without styles write them so.

    They are one level below the heading of a style above them. A whole paragraph in such a style is text.
    """
    for heading in page:
        if heading.tag in HEADINGS and len(_words(heading)) > LONGEST:
            heading.tag = "p"
    _join_bold(page)
    blocks = [block for block in page if block.tag != "br" and _words(block)]
    said = Counter(_words(block) for block in blocks if block.tag == "p")
    bold = [
        _is_bold(block) and not (len(_words(block)) <= ANSWER and said[_words(block)] > 1) for block in blocks
    ]
    found: list[html.HtmlElement] = []
    at = 0
    for is_bold, group in groupby(bold):
        run = list(group)
        at += len(run)
        if is_bold and len(run) <= MAX_RUN and at < len(blocks):
            found += blocks[at - len(run) : at]
    if len(found) < MIN_HEADINGS or sum(bold) > MOST * len(blocks):
        return
    level = 1
    headings = set(found)
    for block in blocks:
        if block.tag in HEADINGS:
            level = int(block.tag[1])
        elif block in headings:
            for line in block.iter("br"):
                line.tail = f" {line.tail or ''}"
            text = _words(block)
            block[:] = []
            block.text = text
            block.tag = f"h{min(level + 1, 6)}"


def _join_bold(page: html.HtmlElement) -> None:
    """Join a bold paragraph that goes on in small letters to the one before it."""
    above: html.HtmlElement | None = None
    for block in [block for block in page if _words(block)]:
        is_bold = block.tag == "p" and _is_bold(block)
        if above is not None and is_bold and _words(block)[0].islower():
            etree.SubElement(above, "br")
            above.extend(list(block) if len(block) else [_strong(_words(block))])
            block.drop_tree()
        else:
            above = block if is_bold else None


def _strong(text: str) -> etree._Element:
    part = etree.Element("strong")
    part.text = text
    return part


def _is_bold(block: html.HtmlElement) -> bool:
    text = _words(block)
    if len(text) > MAX_HEADING or VALUE.fullmatch(text):
        return False
    if SENTENCE.fullmatch(text) and not LABEL.match(text) and block.tag == "p":
        return False
    if block.tag in ("ol", "ul"):  # the number of a heading, as a list of one item
        return len(block) == 1 and block[0].tag == "li" and _is_bold_text(block[0])
    return block.tag == "p" and (bool(block.get(BOLD)) or _is_bold_text(block))


def _is_bold_text(part: html.HtmlElement) -> bool:
    outside = [part.text, *(child.tail for child in part)]
    return (
        len(part) > 0
        and not any(re.search(r"\w", text or "") for text in outside)
        and all(child.tag in ("strong", "br") or not _words(child) for child in part)
    )


def place_notes(page: html.HtmlElement) -> None:
    """Put each note after the paragraph, list or table that refers to it."""
    last: dict[html.HtmlElement, html.HtmlElement] = {}
    for mark in [mark for mark in page.iter("sup") if mark.get(NOTE)]:
        block = mark
        while block.getparent() is not page:
            block = block.getparent()
        note = etree.Element("p")
        note.text = f"{_words(mark)} {mark.attrib.pop(NOTE)}"
        last.get(block, block).addnext(note)
        last[block] = note


def _words(part: html.HtmlElement) -> str:
    return " ".join(part.text_content().split())
