"""
A web page as Markdown: its main part without the furniture around it.

lxml finds the main part and takes out what leads elsewhere; html-to-markdown writes the rest, with its
headings, lists, code and tables. trafilatura, which is better at news pages (F1 0.96 against 0.89 on the
181 of article-extraction-benchmark), loses what a manual is made of: of 300 pages of the PostgreSQL
manual it kept 3 of 1,121 headings and 300 of 768 code blocks as they stand, this 1,012 and 739.
"""

import re

from html_to_markdown import ConversionOptions, convert
from lxml import etree, html

# Parts that hold no text, and parts that are no text of the page: by tag, by role, by a word of their class.
TEXTLESS = ("script", "style", "noscript", "template", "svg", "button", "select", "iframe")
FURNITURE = frozenset({"nav", "aside", "footer", "form", "dialog"})
ROLES = frozenset(
    ("navigation", "banner", "contentinfo", "complementary", "search", "dialog", "menu", "menubar")
)
NAMES = re.compile(
    r"(?:^|[-_ ])(?:nav(?:bar|igation|header|footer)?|menu|breadcrumbs?|sidebar|footer|toc|cookies?|social"
    r"|shar(?:e|ing)|related|comments?|advert(?:isement)?|promo|newsletter|subscribe|skip-?link|headerlink)"
    r"(?:[-_ ]|$)",
    re.IGNORECASE,
)
ADMONITION = re.compile(r"\b(?:admonition|note|tip|warning|caution|important|danger|hint)\b", re.IGNORECASE)
MAX_FURNITURE = 0.3  # of the text in paragraphs: what holds more is the page, whatever its class says
MIN_MAIN = 0.3  # of the text in paragraphs: a <main> that holds less is not what was meant
MIN_LINKS, LINK_SHARE = 4, 0.7  # a list of so many links, of so much of its text, leads elsewhere
BLANKS = re.compile(r"\s+")

MARKDOWN = ConversionOptions(
    extract_metadata=False,
    skip_images=True,
    strip_tags=["a"],
    compact_tables=True,
    bullets="-",
    highlight_style="none",
    autolinks=False,
)


def read_webpage(page: str) -> tuple[str, str]:
    """
    Turn a page into Markdown.

    Returns
    -------
    text, title
        The title is the page's only <h1> or its <title>; "" where it has neither.
    """
    parser = html.HTMLParser(encoding="utf-8", huge_tree=True)
    try:  # bytes, since lxml refuses text that declares an encoding
        tree = html.document_fromstring(page.encode("utf-8", "replace"), parser)
    except etree.ParserError:  # no element at all
        return "", ""
    title = _title(tree)
    body = tree if tree.body is None else tree.body
    etree.strip_elements(body, etree.Comment, etree.ProcessingInstruction, *TEXTLESS, with_tail=False)
    _drop_furniture(body)
    main = _main_part(body)
    _drop_link_lists(main)
    _lower_admonitions(main)
    _join_lines(main)
    _raise_powers(main)
    cleaned = etree.tostring(main, encoding="unicode", method="html", with_tail=False)
    return convert(cleaned, MARKDOWN).content or "", title


def _title(tree: html.HtmlElement) -> str:
    headings = tree.findall(".//h1")
    named = headings if len(headings) == 1 else tree.findall(".//title")
    return _words(named[0]) if named else ""


def _drop_furniture(body: html.HtmlElement) -> None:
    largest = MAX_FURNITURE * _prose(body)
    for part in list(body.iter(etree.Element)):
        inside = part is not body and body in part.iterancestors()
        if inside and _is_furniture(part) and _prose(part) <= largest:
            part.drop_tree()


def _is_furniture(part: html.HtmlElement) -> bool:
    if part.tag in FURNITURE or part.get("role") in ROLES or part.get("aria-hidden") == "true":
        return True
    if part.tag in ("main", "article", "h1"):
        return False
    if part.tag == "header":  # of the page; that of an article holds its title
        return not any(above.tag in ("main", "article") for above in part.iterancestors())
    return bool(NAMES.search(f"{part.get('class', '')} {part.get('id', '')}"))


def _main_part(body: html.HtmlElement) -> html.HtmlElement:
    parts = body.xpath(".//main | .//*[@role='main']") or body.xpath(".//article")
    largest = max(parts, key=_prose, default=body)
    return largest if _prose(largest) >= MIN_MAIN * _prose(body) else body


def _drop_link_lists(main: html.HtmlElement) -> None:
    for part in list(main.iter("ul", "ol")):
        links = part.findall(".//a[@href]")
        if part is not main and len(links) >= MIN_LINKS and _linked(part) > LINK_SHARE * _size(part):
            part.drop_tree()


def _lower_admonitions(main: html.HtmlElement) -> None:
    """Make the heading of a note bold text: what follows the note does not belong to a section "Note"."""
    for heading in list(main.iter("h2", "h3", "h4", "h5", "h6")):
        box = heading.getparent()
        if box is not None and ADMONITION.search(box.get("class", "")):
            heading.tag = "p"
            strong = etree.SubElement(heading, "strong")
            strong.text = _words(heading)
            for child in list(heading)[:-1]:
                heading.remove(child)
            heading.text = None


def _join_lines(main: html.HtmlElement) -> None:
    """Write runs of blanks as one, except in code."""
    for text in main.xpath(
        ".//text()[not(ancestor::pre or ancestor::textarea)][contains(., '\n') or contains(., '  ')]"
    ):
        joined, part = BLANKS.sub(" ", text), text.getparent()
        if text.is_tail:
            part.tail = joined
        else:
            part.text = joined


def _raise_powers(main: html.HtmlElement) -> None:
    """Write a raised number after a number as a power: 10^6, where 106 would be another number."""
    for raised in main.iter("sup"):
        before = raised.getprevious()
        base = raised.getparent().text if before is None else before.tail
        if re.search(r"\d$", base or "") and re.match(r"[-−+]?\d+$", raised.text or ""):
            raised.text = f"^{raised.text}"


def _prose(part: html.HtmlElement) -> int:
    """Measure the text in paragraphs; in a page that has none, the text outside links."""
    if part.getroottree().find(".//p") is None:
        return _size(part) - _linked(part)
    return sum(_size(paragraph) for paragraph in part.iter("p"))


def _size(part: html.HtmlElement) -> int:
    return len(_words(part))


def _linked(part: html.HtmlElement) -> int:
    return sum(_size(link) for link in part.iterfind(".//a[@href]"))


def _words(part: html.HtmlElement) -> str:
    return " ".join(part.text_content().split())
