"""
Remove what a PDF's pages repeat: running heads, footers and page numbers.

A line at a page's edge is furniture if space separates it from the text and nearby pages have the same line,
except for numbers, at the same height; or if most pages have furniture at its height, as with running heads
that differ by chapter; or if it repeats, no larger than the text, a title of the document ("3 USAGE" above a
page of the section "3 Usage", which may have no other page).
"""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence

from datagen.stages.sources.ingest.pdf.document import Line, Page

EDGE = 3  # heights at a page's top and bottom that may contain furniture
MARGIN = 0.12  # maximum distance of furniture from the page's edge, as a share of its height
NUMBER_MARGIN = (
    0.2  # likewise, for page numbers and what is beside them: a page set for letter may be printed on A4
)
APART = 1.7  # minimum distance of baselines between furniture and text, in font sizes
NEIGHBOURS = 2  # pages before and after: left and right pages have different heads
MOST = 0.5  # share of pages with furniture at a height from which every line there is furniture
MOST_OF_A_SIDE = 0.4  # share of pages with a line that may be code: left or right ones
LARGE = 1.25  # times the size of the text: a larger line is a title
TITLE = 1.1  # times the size of the text: a line larger than this may be a title, another may repeat it
LARGE_REPEATED = 2.0  # likewise, for a line that pages of a book repeat
MAX_CHARS = 150
SAME = 1.5  # maximum difference of equal heights, in points
NUMBER = re.compile(r"\d+|\b[ivxlc]+\b", re.IGNORECASE)
NO_LETTERS = re.compile(r"[\W\d_]+")
PAGE_NUMBER = re.compile(r"\W*(?:\w+\s)?(\d+)\W*(?:\w+\s\d+)?\W*")

Key = tuple[int, str]  # height, text without numbers


def drop_furniture(pages: Sequence[Page], body_size: float, slides: bool = False) -> int:
    """
    Remove running heads, footers and page numbers from pages, in place; from slides, not their titles.

    Returns
    -------
    int
        Number of dropped lines.
    """
    dropped = 0
    largest = body_size * (LARGE if slides else LARGE_REPEATED)
    lines = [] if slides else [line for page in pages for line in page.lines]
    titles = {_letters(line) for line in lines if line.size > TITLE * body_size} - {""}
    for side in (1, -1):
        edges = [_edge(page, side) for page in pages]
        where: dict[Key, list[int]] = defaultdict(list)
        for number, edge in enumerate(edges):
            for line in edge:
                where[_key(line, body_size)].append(number)
        numbers = _numbered(edges)
        repeated: list[list[Line]] = []
        for number, edge in enumerate(edges):
            repeated.append(
                [
                    line
                    for line in edge
                    if _repeats(line, number, where, numbers, len(pages), body_size, largest)
                    or (_letters(line) in titles and _small(line, TITLE * body_size))
                ]
            )
        heights = Counter(height for lines in repeated for height in {round(line.base) for line in lines})
        usual = {
            height for height, count in heights.items() if count >= max(3, MOST * len(pages)) and not slides
        }
        for page, edge, lines in zip(pages, edges, repeated, strict=True):
            furniture = {id(line) for line in lines}
            furniture |= {id(line) for line in edge if _at(line, usual) and _small(line, LARGE * body_size)}
            kept = [line for line in page.lines if id(line) not in furniture]
            dropped += len(page.lines) - len(kept)
            page.lines = kept
    return dropped


def _edge(page: Page, side: int) -> list[Line]:
    """List the lines at a page's outermost heights, at its top (side 1) or its bottom (side -1)."""
    margin = MARGIN * (page.bottom - page.top)
    lines = sorted(page.lines, key=lambda line: side * line.base)
    edge: list[Line] = []
    apart = heights = 0
    for line in lines:
        step = abs(line.base - edge[-1].base) if edge else 0.0
        if not edge or step > SAME:
            heights += 1
        if step > APART * line.size:
            apart = len(edge)
        if heights > EDGE:
            break
        edge.append(line)
    if len(edge) < len(lines) or heights > 1:
        edge = edge[:apart]
    numbers = [line.base for line in edge if PAGE_NUMBER.fullmatch(line.text[:40])]
    farthest = NUMBER_MARGIN / MARGIN * margin
    return [
        line
        for line in edge
        if min(line.base - page.top, page.bottom - line.base)
        <= (farthest if any(abs(line.base - base) <= SAME for base in numbers) else margin)
    ]


def _key(line: Line, body_size: float) -> Key:
    """Return a line's height and its text without numbers; titles that differ by a number are not equal."""
    text = line.text.casefold()[:MAX_CHARS]
    return round(line.base / 2), NUMBER.sub("#", text) if _small(line, LARGE * body_size) else text


def _numbered(edges: Sequence[Sequence[Line]]) -> set[tuple[int, int]]:
    """Find the page numbers: pairs (height, number minus page) that several pages share."""
    counts: Counter[tuple[int, int]] = Counter()
    for number, edge in enumerate(edges):
        counts.update({mark for line in edge if (mark := _page_number(line, number))})
    return {mark for mark, count in counts.items() if count > 1}


def _page_number(line: Line, number: int) -> tuple[int, int] | None:
    match = PAGE_NUMBER.fullmatch(line.text[:40])
    return (round(line.base / 2), int(match[1][:9]) - number) if match else None


def _repeats(
    line: Line,
    number: int,
    where: dict[Key, list[int]],
    numbers: set[tuple[int, int]],
    count: int,
    body_size: float,
    largest: float,
) -> bool:
    if not _small(line, largest):
        return False
    height, text = _key(line, body_size)
    if _page_number(line, number) in numbers:
        return True
    if text.strip(" #.-–—") == "" and not re.search("[ivxl]", line.text, re.IGNORECASE):
        return False  # a number, but not of the page
    places = [place for near in (-1, 0, 1) for place in where.get((height + near, text), ())]
    if line.mono:
        return len(places) >= max(3, MOST_OF_A_SIDE * count)
    near = sum(abs(place - number) <= NEIGHBOURS for place in places)
    return near > 1 or len(places) >= max(3, 0.05 * count)


def _letters(line: Line) -> str:
    """Return a line's words in small letters, without numbers; of a longer one, ""."""
    return NO_LETTERS.sub(" ", line.text).strip().casefold() if len(line.text) <= MAX_CHARS else ""


def _small(line: Line, largest: float) -> bool:
    return line.size <= largest and len(line.text) <= MAX_CHARS


def _at(line: Line, heights: set[int]) -> bool:
    return any(abs(line.base - height) <= SAME for height in heights)
