"""Measure the text of a page's elements."""

from lxml import etree, html


class Measure:
    """The size of the text of all elements, in total, in links and in paragraphs; and the number of links."""

    def __init__(self, body: html.HtmlElement) -> None:
        self._of: dict[html.HtmlElement, tuple[int, int, int, int]] = {}
        open_parts: list[list[int]] = [[0, 0, 0, 0]]
        for event, part in etree.iterwalk(body, events=("start", "end")):
            if event == "start":
                open_parts.append([_length(part.text), 0, 0, 0])
                continue
            size, linked, prose, links = open_parts.pop()
            if part.tag == "a" and part.get("href") is not None:
                linked, links = size, links + 1
            if part.tag == "p":
                prose = size
            self._of[part] = size, linked, prose, links
            for place, count in enumerate((size + _length(part.tail), linked, prose, links)):
                open_parts[-1][place] += count
        self._has_paragraphs = body.find(".//p") is not None

    def size(self, part: html.HtmlElement) -> int:
        """Return the size of an element's text."""
        return self._of[part][0]

    def linked(self, part: html.HtmlElement) -> int:
        """Return the size of its text in links."""
        return self._of[part][1]

    def prose(self, part: html.HtmlElement) -> int:
        """Return the size of its text in paragraphs; if the page has none, of the text outside links."""
        size, linked, prose, _ = self._of[part]
        return prose if self._has_paragraphs else size - linked

    def links(self, part: html.HtmlElement) -> int:
        """Count its links."""
        return self._of[part][3]


def _length(text: str | None) -> int:
    return len(" ".join(text.split())) if text else 0
