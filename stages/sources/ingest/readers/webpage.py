"""
Convert the main part of a web page to Markdown, without navigation and other furniture.

lxml finds the main part and removes navigation; html-to-markdown converts the rest with its headings, lists,
code and tables. trafilatura is better on news pages (F1 0.96 against 0.89 on the 181 pages of
article-extraction-benchmark), but loses the structure of manuals: on 300 pages of the PostgreSQL manual it
kept 3 of 1,121 headings and 300 of 768 code blocks unchanged; this module keeps 1,012 and 739.
"""

import re

from html_to_markdown import ConversionOptions, convert
from lxml import etree, html

from datagen.request import Reject
from datagen.stages.sources.ingest.readers.generated_page import rewrite
from datagen.stages.sources.ingest.readers.page_blocks import tidy
from datagen.stages.sources.ingest.readers.page_measure import Measure
from datagen.stages.sources.ingest.readers.tables import repeat_headers

# Elements without text, and elements that are furniture: by tag, by role, by a word in their class.
TEXTLESS = ("script", "style", "noscript", "template", "svg", "button", "select", "iframe")
FURNITURE = frozenset({"nav", "aside", "footer", "form", "dialog"})
ROLES = frozenset(
    ("navigation", "banner", "contentinfo", "complementary", "search", "dialog", "menu", "menubar")
)
NAMES = re.compile(
    r"(?:^|[-_ ])(?:(?:doc|top|sub|side)?nav(?:bar|igation|header|footer)?|menu|breadcrumbs?|sidebar"
    r"|footer|toc|ttc|cookies?|social|shar(?:e|ing)|related|comments?|advert(?:isement)?|promo|newsletter|subscribe|skip-?(?:link|nav)|headerlink)"
    r"(?:[-_ ]|$)",
    re.IGNORECASE,
)
ADMONITION = re.compile(r"\b(?:admonition|note|tip|warning|caution|important|danger|hint)\b", re.IGNORECASE)
MAX_FURNITURE = 0.3  # of the text in paragraphs: an element with more is the page, regardless of its class
MIN_MAIN = 0.3  # of the text in paragraphs: a <main> with less is not the main part
MIN_LINKS = 4  # of navigation
LINK_SHARES = {"ul": 0.7, "ol": 0.7, "p": 0.9}  # minimum share of the text in links, of navigation
INDEX_LINKS, INDEX_SHARE = 60, 0.8  # minimum links, and share of the text, of an index page
NEIGHBOURS = frozenset(("next", "prev", "previous", "up", "contents", "index", "start", "first", "last"))
MIN_NEIGHBOURS, MAX_LABELS = 2, 60  # links to neighbouring pages, and characters between them, of a line
ARROW = re.compile(r"<-|->|[←→«»‹›]")
MAX_SIGNS = 12  # characters between links that are known by their text
BLANKS = re.compile(r"\s+")
NOT_XML = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
TOO_MANY = re.compile(r"<([a-zA-Z][\w-]*)\s[^<>]{20000,}>")  # attributes, for which lxml takes quadratic time
PERMALINK = re.compile(r"[¶#§🔗\uf0c1∞↑↩◆]\ufe0e?|(?:permalink|link) to th\w+ \w+", re.IGNORECASE)
ESCAPED = re.compile(r"(?:^([ >]*(?:- )?)(?:(\d+)\\(?=[.)]\s)|\\(?=[-+] ))|\\(?=-))", re.MULTILINE)
# A span of code, or an escaped backslash that begins or ends a formula, as MathJax has it: \(x\).
FORMULA_SIGN = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)|\\\\(?=[()\[\]])")
EDGE_RULES = re.compile(
    r"\A(?:\s*---\s*?(?:\n|\Z))+\s*|(?:\n\s*---\s*)+\Z"
)  # without text before or after them
HEADING_RULES = re.compile(
    r"^(#{1,6} .+\n)\n*(?:---\n+)+|^(?:---\n+)+(?=#{1,6} )", re.MULTILINE
)  # beside a heading
FENCE = re.compile(r"^( *)(`{3,}).*?^\1\2`*$", re.MULTILINE | re.DOTALL)
REPEATED = re.compile(r"^(#{1,6} (.+))\n+#{1,6} \2$", re.MULTILINE)

MARKDOWN = ConversionOptions(
    extract_metadata=False,
    skip_images=True,
    strip_tags=["a"],
    compact_tables=True,
    bullets="-",
    highlight_style="none",
    autolinks=False,
)


def read_webpage(page: str, whole: bool = False) -> tuple[str, str]:
    """
    Convert a page to Markdown.

    Parameters
    ----------
    page
        The HTML.
    whole
        Whether to keep everything, as for books, instead of removing furniture.

    Returns
    -------
    text, title
        The title is the page's only <h1> or its <title>; "" if it has neither.

    Raises
    ------
    Reject
        If the page is an index with hardly anything but links, or is nested too deeply.
    """
    parser = html.HTMLParser(encoding="utf-8", huge_tree=True)
    page = TOO_MANY.sub(r"<\1>", NOT_XML.sub("", page))
    try:  # bytes, since lxml refuses text that declares an encoding
        tree = html.document_fromstring(page.encode("utf-8", "replace"), parser)
    except etree.ParserError:  # no element at all
        return "", ""
    body = tree if tree.body is None else tree.body
    etree.strip_elements(body, etree.Comment, etree.ProcessingInstruction, with_tail=False)
    _show_hidden(body)  # before its buttons are removed
    etree.strip_elements(body, *TEXTLESS, with_tail=False)
    _drop_permalinks(body)
    rewrite(body)
    title = _title(tree)
    if not whole:
        body = _main_part(body)
    tidy(body)
    _lower_admonitions(body)
    _join_lines(body)
    _raise_powers(body)
    cleaned = etree.tostring(body, encoding="unicode", method="html", with_tail=False)
    text = _without_escapes(_without_repeated_headings(convert(cleaned, MARKDOWN).content or ""))
    text = EDGE_RULES.sub("", text)
    if not text and any(error.type == etree.ErrorTypes.ERR_RESOURCE_LIMIT for error in parser.error_log):
        raise Reject("nested too deep", "all of its text is nested within hundreds of elements")
    return text, title


def _drop_permalinks(body: html.HtmlElement) -> None:
    """Remove the symbols that link a heading to itself, or a note to its place."""
    for link in list(body.iter("a")):
        if link.get("href", "").startswith("#") and PERMALINK.fullmatch(link.text_content().strip()):
            _empty(link)


def _show_hidden(body: html.HtmlElement) -> None:
    """
    Show what the reader of a page can open: tabs, and panels that a button controls.

    Of words of which a script shows one, and which are all hidden, the last is shown: "choose Tools" on other
    systems than the first, macOS.
    """
    controlled = {name for part in body.iter() for name in part.get("aria-controls", "").split()}
    for part in body.xpath(".//*[@hidden or contains(@style, 'display')]"):
        parent = part.getparent()
        is_last_word = (
            part.tag == "span"
            and parent[-1] is part
            and all(word.tag == "span" and word.get("hidden") is not None for word in parent)
            and not "".join([parent.text or "", *(word.tail or "" for word in parent)]).strip()
        )
        if part.get("role") == "tabpanel" or part.get("id", "") in controlled or is_last_word:
            part.attrib.pop("hidden", None)
            part.attrib.pop("style", None)


def _without_repeated_headings(text: str) -> str:
    """Keep the first of two consecutive headings with the same text."""
    return REPEATED.sub(r"\1", text)


def _without_escapes(text: str) -> str:
    """
    Remove the backslash before a list item's number or sign, any dash, and the sign of a formula.

    Outside code, where long tables are divided, too.
    """
    parts, at = [], 0
    for fence in FENCE.finditer(text):
        parts += [repeat_headers(_unescaped(text[at : fence.start()])), fence[0]]
        at = fence.end()
    return "".join([*parts, repeat_headers(_unescaped(text[at:]))])


def _unescaped(text: str) -> str:
    text = HEADING_RULES.sub(lambda match: f"{match[1]}\n" if match[1] else "", text)
    return FORMULA_SIGN.sub(lambda match: match[0] if match[1] else "\\", ESCAPED.sub(r"\1\2", text))


def _title(tree: html.HtmlElement) -> str:
    headings = tree.findall(".//h1")
    named = headings if len(headings) == 1 else tree.findall(".//title")
    return _words(named[0]) if named else ""


def _main_part(body: html.HtmlElement) -> html.HtmlElement:
    """Find the page's main part, and empty the furniture in it."""
    _drop_neighbours(body)
    measure = Measure(body)
    _drop_furniture(body, measure)
    measure = Measure(body)
    parts = body.xpath(".//main | .//*[@role='main']") or body.xpath(".//article")
    largest = max(parts, key=measure.prose, default=body)
    main = largest if measure.prose(largest) >= MIN_MAIN * measure.prose(body) else body
    links = measure.links(main)
    if links >= INDEX_LINKS and measure.linked(main) > INDEX_SHARE * measure.size(main):
        raise Reject("index page", f"{links} links contain most of its text")
    _drop_link_lists(main, measure)
    return main


def _drop_furniture(body: html.HtmlElement, measure: Measure) -> None:
    largest = MAX_FURNITURE * measure.prose(body)
    waiting = [(child, False) for child in reversed(body)]
    while waiting:
        part, in_main = waiting.pop()
        if _is_furniture(part, in_main) and measure.prose(part) <= largest:
            _empty(part)
        else:
            in_main = in_main or part.tag in ("main", "article")
            waiting += [(child, in_main) for child in reversed(part)]


def _is_furniture(part: html.HtmlElement, in_main: bool) -> bool:
    if part.tag in FURNITURE or part.get("role") in ROLES or part.get("aria-hidden") == "true":
        return True
    if part.tag in ("main", "article", "h1"):
        return False
    if part.tag == "header":  # of the page; that of an article holds its title
        return not in_main
    return bool(NAMES.search(f"{part.get('class', '')[:1000]} {part.get('id', '')[:1000]}"))


def _drop_neighbours(body: html.HtmlElement) -> None:
    """
    Remove lines of links to the next and previous page and the contents, as Texinfo writes them.

    Links are known by their relation to the page or, in a line of nothing but links, by their text.
    """
    links: dict[html.HtmlElement, list[html.HtmlElement]] = {}
    said: dict[html.HtmlElement, list[html.HtmlElement]] = {}
    for link in body.iter("a"):
        if NEIGHBOURS & set(link.get("rel", "").lower().split()):
            links.setdefault(link.getparent(), []).append(link)
        elif len(link) == 0 and re.sub(r"[\W\d_]+", "", link.text or "").lower() in NEIGHBOURS:
            said.setdefault(link.getparent(), []).append(link)
    for lines, labels in ((links, MAX_LABELS), (said, MAX_SIGNS)):
        for line, named in lines.items():
            others = len(_words(line)) - sum(len(_words(link)) for link in named)
            if len(named) >= MIN_NEIGHBOURS and others <= labels:
                _empty(line)
            elif sum(bool(ARROW.search(link.text or "")) for link in named) >= MIN_NEIGHBOURS:
                for link in named:  # beside the text of the page
                    _empty(link)


def _empty(part: html.HtmlElement) -> None:
    """Remove an element's contents; removing the element itself would join long texts repeatedly."""
    part.clear(keep_tail=True)
    part.tag = "span"


def _drop_link_lists(main: html.HtmlElement, measure: Measure) -> None:
    waiting = list(reversed(main))
    while waiting:
        part = waiting.pop()
        share = LINK_SHARES.get(part.tag, 1) * measure.size(part)
        if measure.links(part) >= MIN_LINKS and measure.linked(part) > share:
            _empty(part)
        else:
            waiting += reversed(part)


def _lower_admonitions(main: html.HtmlElement) -> None:
    """Convert the heading of a note to bold text, so that the text after it is not in a section "Note"."""
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
    """Collapse runs of white space, except in code."""
    for text in main.xpath(
        ".//text()[not(ancestor::pre or ancestor::textarea)][contains(., '\n') or contains(., '  ')]"
    ):
        joined, part = NOT_XML.sub("", BLANKS.sub(" ", text)), text.getparent()
        if text.is_tail:
            part.tail = joined
        else:
            part.text = joined


def _raise_powers(main: html.HtmlElement) -> None:
    """Write a superscript number after a number as a power: 10^6 instead of 106."""
    for raised in main.iter("sup"):
        previous = raised.getprevious()
        base = raised.getparent().text if previous is None else previous.tail
        if re.search(r"\d$", base or "") and re.match(r"[-−+]?\d+$", raised.text or ""):
            raised.text = f"^{raised.text}"


def _words(part: html.HtmlElement) -> str:
    return " ".join(part.text_content().split())
