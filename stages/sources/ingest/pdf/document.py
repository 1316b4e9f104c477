"""The contents of a PDF: its pages with their lines, its outline and its information dictionary."""

from dataclasses import dataclass, field

WRAP = "\x1e"  # where a line of code was broken to fit: at its end, or at the start of the rest
HYPHEN = "\x02"  # PDFium's mark of a hyphen at a line's end, in place of the hyphen and the line break


@dataclass(slots=True)
class Line:
    """
    A line of a page, or the part of one between two wide gaps.

    Parameters
    ----------
    text
        Its text; ends with `HYPHEN` if a word may continue on the next line.
    left, right, base
        Its position in points: its ends from the left, its baseline from the top, in the direction of the
        page's text, so that the text of a rotated page also runs to the right.
    size
        The font size in points.
    bold, mono
        Whether all of it is bold, or in a monospaced font.
    """

    text: str
    left: float
    right: float
    base: float
    size: float
    bold: bool = False
    mono: bool = False


@dataclass(slots=True)
class Page:
    """
    A page.

    Parameters
    ----------
    lines
        In the order of the content stream.
    rules
        Baselines of horizontal rules, as (base, left, right).
    sideways
        Number of lines left out because they run in a different direction.
    has_image
        Whether it has an image.
    top, bottom
        The baselines of its edges.
    is_wide
        Whether it is wider than high, like a slide.
    """

    lines: list[Line] = field(default_factory=list)
    rules: list[tuple[float, float, float]] = field(default_factory=list)
    sideways: int = 0
    has_image: bool = False
    top: float = 0.0
    bottom: float = 0.0
    is_wide: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the outline: its title, its level from 1, and the number of its page from 0."""

    title: str
    level: int
    page: int


@dataclass(slots=True)
class Document:
    """The contents of a PDF: pages, outline and information dictionary."""

    pages: list[Page]
    outline: list[Entry]
    info: dict[str, str]
