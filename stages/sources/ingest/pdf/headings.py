"""
Detect the headings of a PDF.

If it has an outline, the titles of the outline are searched on their pages. Otherwise headings are recognised
by font: short blocks that are larger than the text or bold.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

from datagen.stages.sources.ingest.pdf.document import HYPHEN, Entry, Line
from datagen.stages.sources.ingest.pdf.layout import Layout

MAX_LINES = 4  # of a heading
MIN_FOUND = 0.5  # minimum share of the outline's entries found; otherwise the outline is not used
LARGER = 1.08  # times the size of the text
TITLE, MAX_TITLE = 1.3, 80  # times the size of the text, and characters: a title may end with a full stop
MAX_CHARS = 160
MAX_SHARE = 0.25  # maximum share of characters in a bold font of headings
NUMBER = re.compile(r"(?:\w+\s)?(\d+(?:\.\d+)*)\.?\s+(?=\S)|[A-Z](?:\.\d+)+\s+(?=\S)|[IVXLC]+\.\s+(?=\S)")
NUMBERED = re.compile(r"(\d+(?:\.\d+)*)\.?\s+\S|[A-Z](?:\.\d+)+\s+\S")
NAMED = re.compile(r"[^\W\d_]{3,12} (?:\d{1,3}|[IVXLC]{1,7}|[A-Z])[.:]?")  # "Chapter 2", "Appendix A"
NO_LETTERS = re.compile(r"[\W_]+")
MAX_LEVEL = 6
LABEL, MAX_LABEL = 0, 16  # level of a line that only numbers a heading ("Chapter 2"); its maximum characters

Marks = dict[int, tuple[int, int]]  # id of a line -> level or `LABEL`, number of the heading


def find_headings(
    layouts: Sequence[Layout], outline: Sequence[Entry], size: float, are_slides: bool = False
) -> Marks:
    """
    Find the lines that are headings; `size` is the font size of the text.

    The outline of slides is not used: it lists parts of the talk, and the slides' titles are better headings.
    """
    if are_slides:
        return _by_font(layouts, size)
    marks = _by_outline(layouts, outline)
    entries = len({number for _, number in marks.values()})
    if entries and entries >= MIN_FOUND * len(outline):
        return marks
    return _by_font(layouts, size) | marks


def fold(title: str) -> str:
    """Reduce a title to its letters and digits, so that different spellings are equal."""
    if not title.isascii():
        title = unicodedata.normalize("NFKC", title)
    return NO_LETTERS.sub("", title.casefold())


def without_number(title: str) -> str:
    """Remove a leading number from a title."""
    return NUMBER.sub("", title, count=1)


def _by_outline(layouts: Sequence[Layout], outline: Sequence[Entry]) -> Marks:
    marks: Marks = {}
    folded: dict[int, list[tuple[Line, str]]] = {}
    for number, entry in enumerate(outline):
        wanted = {fold(entry.title), fold(without_number(entry.title))} - {""}
        for page in (entry.page, entry.page + 1):
            if page >= len(layouts):
                continue
            if page not in folded:
                lines = [
                    line for column in layouts[page].columns for line in column if isinstance(line, Line)
                ]
                folded[page] = [(line, fold(line.text.removesuffix(HYPHEN))) for line in lines]
            title = _match(folded[page], wanted, marks)
            if title:
                marks |= {id(line): (min(entry.level, MAX_LEVEL), number) for line in title}
                if entry.level == 1:
                    marks |= {id(line): (LABEL, number) for line in _label(folded[page], title[0])}
                break
    return marks


def _label(lines: Sequence[tuple[Line, str]], title: Line) -> list[Line]:
    """Find the label above a chapter's title: "Chapter" and its number, in one or two lines."""
    above: list[Line] = []
    for line, _ in lines:
        if line is title:
            return above if len(above) <= 2 else []
        above.append(line)
        if len(line.text) > MAX_LABEL or len(line.text.split()) > 2:
            break
    return []


def _match(lines: Sequence[tuple[Line, str]], wanted: set[str], marks: Marks) -> list[Line]:
    """Find the lines of a page that together are a title; prefer the largest, then bold ones."""
    best: list[Line] = []
    longest = max(map(len, wanted), default=0) + 12
    ends = tuple(wanted)
    for at, (first, text) in enumerate(lines):
        if id(first) in marks or not text:
            continue
        joined = ""
        for size in range(MAX_LINES):
            if at + size >= len(lines):
                break
            joined += lines[at + size][1]
            if len(joined) > longest:
                break
            if joined not in wanted and joined.endswith(ends):
                written = " ".join(line.text for line, _ in lines[at : at + size + 1])
                joined_title = fold(without_number(written))
            else:
                joined_title = joined
            if joined_title in wanted:
                if not best or (first.size, first.bold) > (best[0].size, best[0].bold):
                    best = [line for line, _ in lines[at : at + size + 1]]
                break
    return best


def _by_font(layouts: Sequence[Layout], size: float) -> Marks:
    """Find short blocks in a font that is larger than the text's, or bold."""
    candidates: list[list[Line]] = []
    labels: set[int] = set()  # numbers of candidates that only number the next one
    total = 0
    for layout in layouts:
        for column in layout.columns:
            run: list[Line] = []
            for line in [*column, None]:
                text = isinstance(line, Line)
                total += len(line.text) if isinstance(line, Line) else 0
                if run and not (isinstance(line, Line) and _same_heading(run[-1], line)):
                    if _may_be(run, size):
                        candidates.append(run)
                        if isinstance(line, Line) and _is_label(run, line):
                            labels.add(len(candidates) - 1)
                    run = []
                if text and isinstance(line, Line) and _stands_out(line, size):
                    run.append(line)
    chars: Counter[tuple[float, bool]] = Counter()
    for run in candidates:
        chars[_style(run[0])] += sum(len(line.text) for line in run)
    styles = sorted(
        (style for style in chars if style[0] > size or chars[style] <= MAX_SHARE * total), reverse=True
    )
    sizes = sorted({style[0] for style in styles}, reverse=True)
    marks: Marks = {}
    depths = _depths(candidates)
    for number, run in enumerate(candidates):
        style = _style(run[0])
        if style in styles:
            level = depths.get(number) or sizes.index(style[0]) + 1
            level = LABEL if number in labels else min(level, MAX_LEVEL)
            marks |= {id(line): (level, number) for line in run}
    return marks


def _is_label(run: Sequence[Line], below: Line) -> bool:
    """Check whether a heading is "Chapter 2" or the like, with the chapter's title below it."""
    return len(run) == 1 and bool(NAMED.fullmatch(run[0].text)) and _style(run[0]) == _style(below)


def _depths(candidates: Sequence[Sequence[Line]]) -> dict[int, int]:
    """Derive levels from numbers such as 2.3.1, if most headings have one."""
    depths = {}
    for number, run in enumerate(candidates):
        if (match := NUMBERED.match(run[0].text)) and match[1]:
            depths[number] = match[1].count(".") + 1
    return depths if len(depths) > 0.5 * len(candidates) else {}


def _stands_out(line: Line, size: float) -> bool:
    if line.mono:
        return False
    return line.size >= LARGER * size or (line.bold and line.size >= 0.95 * size)


def _style(line: Line) -> tuple[float, bool]:
    return round(2 * line.size) / 2, line.bold


def _same_heading(above: Line, line: Line) -> bool:
    pitch = line.base - above.base
    if NUMBERED.match(line.text) and NUMBERED.match(above.text):
        return False  # the heading of a section right below that of its chapter
    return _style(above) == _style(line) and 0 < pitch < 1.8 * line.size


def _may_be(run: Sequence[Line], size: float) -> bool:
    text = " ".join(line.text for line in run)
    letters = sum(char.isalpha() for char in text)
    if (
        len(run) > MAX_LINES
        or len(text) > MAX_CHARS
        or letters < 2
        or letters < 0.4 * len(text.replace(" ", ""))
    ):
        return False
    if text.endswith(".") and ". " not in text and run[0].size >= TITLE * size and len(text) < MAX_TITLE:
        return True
    return not text.endswith((".", ",", ";", ":", "。", "、")) or bool(
        NUMBERED.match(text) and len(text) < 80
    )
