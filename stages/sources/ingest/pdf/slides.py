"""Read pages as slides: they build up in steps, repeat navigation, and have their titles in one place."""

import re
from collections import Counter
from collections.abc import Sequence

from datagen.stages.sources.ingest.pdf.document import Line, Page
from datagen.stages.sources.ingest.pdf.furniture import PAGE_NUMBER
from datagen.stages.sources.ingest.pdf.headings import Marks
from datagen.stages.sources.ingest.pdf.layout import Layout

REPEATED = 0.3  # share of slides with a line, from which the line is navigation
FEWEST = 4  # slides with a line, likewise
USUAL = 0.5  # share of slides whose first line is at the height of titles
DIGITS = re.compile(r"\d+")
SAME = 2  # points within which positions are equal


def are_slides(pages: Sequence[Page]) -> bool:
    """Check whether most pages are wider than high."""
    return 2 * sum(page.is_wide for page in pages) > len(pages)


def drop_steps(pages: Sequence[Page]) -> list[Page]:
    """Return the pages without those whose lines all occur, at the same places, on the next page."""
    places = [
        {_place(line) for line in page.lines if not PAGE_NUMBER.fullmatch(line.text[:40])} for page in pages
    ]
    return [
        page
        for number, page in enumerate(pages)
        if number + 1 == len(pages) or not places[number] or not places[number] <= places[number + 1]
    ]


def drop_navigation(pages: Sequence[Page]) -> int:
    """
    Remove lines that many slides have at the same place, such as a sidebar, in place.

    Returns
    -------
    int
        Number of dropped lines.
    """
    counts = Counter(place for page in pages for place in {_place(line) for line in page.lines})
    least = max(FEWEST, REPEATED * len(pages))
    dropped = 0
    for page in pages:
        kept = [line for line in page.lines if counts[_place(line)] < least]
        dropped += len(page.lines) - len(kept)
        page.lines = kept
    return dropped


def find_titles(layouts: Sequence[Layout], marks: Marks) -> Marks:
    """Find titles in the font of the text: the first lines of slides, if most are at the same place."""
    first = [line for layout in layouts if (line := _first(layout))]
    places = Counter(_position(line) for line in first)
    if not places:
        return {}
    usual, count = places.most_common(1)[0]
    if count < max(FEWEST, USUAL * len(first)):
        return {}
    start = 1 + max((number for _, number in marks.values()), default=0)
    level = max((level for level, _ in marks.values()), default=1)
    return {
        id(line): (level, start + number)
        for number, line in enumerate(first)
        if _near(_position(line), usual) and id(line) not in marks
    }


def _first(layout: Layout) -> Line | None:
    lines = [line for column in layout.columns for line in column if isinstance(line, Line)]
    return min(lines, key=lambda line: line.base, default=None)


def _near(place: tuple[int, int], other: tuple[int, int]) -> bool:
    return all(abs(one - two) <= 1 for one, two in zip(place, other, strict=True))


def _position(line: Line) -> tuple[int, int]:
    return round(line.base / SAME), round(line.left / SAME)


def _place(line: Line) -> tuple[str, int, int]:
    """Return a line's text and position; numbers without words are equal, as numbers of slides are."""
    text = line.text if any(map(str.isalpha, line.text)) else DIGITS.sub("#", line.text)
    base, left = _position(line)
    return text, base, left if text == line.text else left // 10
