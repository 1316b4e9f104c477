"""
Read the lines of a page, with their positions and fonts, with PDFium.

PDFium returns the text in the order of the content stream. For each line, its position and the fonts of three
of its characters are queried, because one call per character would take longer than reading the text. Only
lines with a wide gap, such as rows of tables, are measured word by word.
"""

import ctypes
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate, pairwise

import pypdfium2.raw as pdfium

from datagen.stages.sources.ingest.pdf.document import HYPHEN, WRAP, Line, Page
from datagen.stages.sources.ingest.pdf.fonts import style_of

LINE = re.compile(rf"[^\r\n{HYPHEN}]*[^\s{HYPHEN}][^\r\n{HYPHEN}]*{HYPHEN}?")
WORD = re.compile(r"\S+")
MAX_WORD = 15  # characters; in a longer word, such as a row of dots, there may be a gap
GAP = 1.2  # of the font size: a wider space separates cells and columns
SPARSE = 0.62  # of the font size, per character: a wider line may have a gap inside one text object
NARROW = 0.2  # of the font size, per character: narrower boxes are unknown ones
# The arrows at a break in a long line of code, as they are drawn by dblatex (at the end) and Sphinx.
BROKEN = re.compile(r"\s*(?:←[-˒֓]?|[↩⤶])\Z")
ARROW = re.compile("[←↩⤶→↪]")
REST = re.compile(r"(?:[˓֒]→|↪)\s*")
# Codes of unnamed glyphs in TeX's encodings T1 and OT1.
UNNAMED = dict(zip(range(0x10, 0x17), "“”„«»–—", strict=True)) | {0xFFFE: HYPHEN}
UNNAMED |= dict(zip(range(0x1B, 0x20), "ﬀﬁﬂﬃﬄ", strict=True))
UNNAMED |= dict(zip((0x0B, 0x0C, 0x0E, 0x0F), "ﬀﬁﬃﬄ", strict=True))
UNNAMED[0x88] = "•"
UNNAMED_SIGN = re.compile(f"[{''.join(map(chr, UNNAMED))}]")  # which are few: faster than str.translate
LIGATURES = dict(zip(range(0xFB00, 0xFB07), ("ff", "fi", "fl", "ffi", "ffl", "st", "st"), strict=True))
ACCENTS = dict(
    zip(
        "´¨ˆ˜ˇ˘˚˝¯˙",
        "\u0301\u0308\u0302\u0303\u030c\u0306\u030a\u030b\u0304\u0307",
        strict=True,
    )
)
MAX_ACCENTS, ACCENT_DISTANCE = 60, 120  # of a line, apart from letters; characters to the letter before
LAM_ALEF = re.compile("[\u0622\u0623\u0625\u0627]\u0644")  # alef, lam


class TextPage:
    """The lines of a page, while PDFium holds it open."""

    def __init__(self, handle: pdfium.FPDF_TEXTPAGE) -> None:
        self.handle = handle
        self.fonts: dict[int, tuple[bool, bool]] = {}
        self.count = pdfium.FPDFText_CountChars(handle)
        self.text = self._read_text()
        self.direct = len(self.text) == self.count  # a place in the text is the number of a character
        self.units = [0, *accumulate(1 + (char > "\uffff") for char in self.text)] if not self.direct else []
        self.box = [ctypes.c_double() for _ in range(4)]
        self.matrix = pdfium.FS_MATRIX()
        self.text = self._with_ligatures()
        self.has_arrows = not self.text.isascii() and bool(ARROW.search(self.text))
        self.measured = -1, (0.0, 0)  # the last character measured: a line's first is asked for twice

    def _read_text(self) -> str:
        if self.count <= 0:
            return ""
        buffer = (ctypes.c_ushort * (2 * self.count + 2))()
        written = pdfium.FPDFText_GetText(self.handle, 0, self.count, buffer)
        text = bytes(buffer)[: 2 * max(written - 1, 0)].decode("utf-16-le", "replace")
        return UNNAMED_SIGN.sub(lambda match: UNNAMED[ord(match[0])], text)

    def _with_ligatures(self) -> str:
        """Order the letters of the ligature of lam and alef, which PDFium reverses with the line."""
        if self.text.isascii():
            return self.text
        return LAM_ALEF.sub(
            lambda match: match[0][::-1] if self._is_one_glyph(match.start()) else match[0], self.text
        )

    def _with_accents(self, text: str, start: int) -> str:
        """
        Compose the accents that TeX's older fonts print over letters; others are apostrophes.

        Mostly the letter is next. Some programs write the accent after the word, or at the end of the line.
        """
        marks = [at for at, sign in enumerate(text) if sign in ACCENTS]
        if not 0 < len(marks) <= MAX_ACCENTS:
            return text
        signs = [*text, " "]
        for at in marks:
            near = [at + 1, at + 2, *range(at - 1, max(-1, at - ACCENT_DISTANCE), -1)]
            for letter in near:
                if (
                    letter < len(signs)
                    and signs[letter].isalpha()
                    and self._is_over(start + at, start + letter)
                ):
                    base = {"ı": "i", "ȷ": "j"}.get(signs[letter], signs[letter])
                    composed = unicodedata.normalize("NFC", base + ACCENTS[signs[at]])
                    if len(composed) == 1:
                        signs[letter], signs[at] = composed, ""
                        if letter > at or signs[at + 1].isspace():
                            space = at + 1 if letter > at else at - 1
                            signs[space] = signs[space].strip()  # around the accent
                        break
        return "".join(signs[:-1])

    def _is_over(self, above: int, below: int) -> bool:
        """Check whether the middle of a character is between the ends of another."""
        ends = []
        for at in (above, below):
            if not pdfium.FPDFText_GetCharBox(self.handle, self._char(at), *self.box):
                return False
            ends.append((self.box[0].value, self.box[1].value))
        (left, right), (low, high) = ends
        return low < (left + right) / 2 < high

    def _is_one_glyph(self, at: int) -> bool:
        """Check whether a character and the next one are at the same place."""
        origins = []
        for char in (self._char(at), self._char(at + 1)):
            x, y = ctypes.c_double(), ctypes.c_double()
            if not pdfium.FPDFText_GetCharOrigin(self.handle, char, x, y):
                return False
            origins.append((x.value, y.value))
        return origins[0] == origins[1]

    def read(self, box: tuple[float, float, float, float]) -> Page:
        """Read the lines in the page's main direction; `box` is left, bottom, right and top of the page."""
        page = Page()
        by_direction: dict[int, list[Line]] = {}
        weight: Counter[int] = Counter()
        for match in LINE.finditer(self.text):
            start, end = match.span()
            while self.text[start].isspace():
                start += 1
            for direction, line in self._lines(start, end):
                by_direction.setdefault(direction, []).append(line)
                weight[direction] += len(line.text)
        weight.pop(-1, None)
        main = weight.most_common(1)[0][0] if weight else 0
        page.lines = by_direction.pop(main, [])
        left, bottom, right, top = box
        page.top, page.bottom = ((-top, -bottom), (left, right), (bottom, top), (-right, -left))[main]
        page.is_wide = right - left + top - bottom > 2 * (page.bottom - page.top)
        page.sideways = sum(map(len, by_direction.values()))
        return page

    def _lines(self, start: int, end: int) -> Iterator[tuple[int, Line]]:
        """Read a line of the text as one or more lines, split at wide gaps, each with its direction."""
        first, last = self._char(start), self._char(end - 1)
        size, direction = self._measure(first)
        if direction < 0:
            yield -1, Line(self.text[start:end], 0, 0, 0, size)
            return
        boxes = self._rects(first, last + 1 - first, direction)
        text = self.text[start:end]
        left, right = min([box[0] for box in boxes], default=0.0), max([box[1] for box in boxes], default=0.0)
        if right - left < NARROW * size * len(text):
            left, right = self._between(first, last, size, direction)
            yield direction, self._line(start, end, left, right, direction)
            return
        gap = any(after[0] - before[1] > GAP * size for before, after in pairwise(boxes))
        back = any(after[1] < before[0] - GAP * size for before, after in pairwise(boxes))
        if gap or back or right - left > SPARSE * size * len(text):
            parts = list(self._parts(start, end, size, direction))
        else:
            parts = [(start, end, left, right)]
        for begin, stop, left, right in parts:
            yield direction, self._line(begin, stop, left, right, direction)

    def _line(self, start: int, end: int, left: float, right: float, direction: int) -> Line:
        if max(self.text[start:end]) >= "←" and (broken := self._broken(start, end, left, right, direction)):
            return broken
        text = self.text[start:end].rstrip()
        end = start + len(text)
        half = (start + end) // 2
        half += self.text[half].isspace()  # a space that PDFium inserts has no font
        first, middle = self._char(start), self._char(half)
        bold, mono = self._font(first)
        if bold or mono:  # all of the line must be; most lines are decided by their first character
            last = self._char(end - 1 - text.endswith(HYPHEN))
            others = self._font(middle), self._font(last)
            bold = bold and all(font[0] for font in others)
            mono = mono and all(font[1] for font in others)
        size = max(self._measure(first)[0], self._measure(middle)[0])
        text = text if text.isascii() else self._with_accents(text, start).translate(LIGATURES)
        raised = text[0].isdigit() and len(text) > 4  # the number of a note may be
        return Line(text, left, right, self._base(middle if raised else first, direction), size, bold, mono)

    def _broken(self, start: int, end: int, left: float, right: float, direction: int) -> Line | None:
        """Read a line of code that is broken, which an arrow in another font shows; None if it is not."""
        arrow, rest = BROKEN.search(self.text, start, end), REST.match(self.text, start, end)
        begin, stop = rest.end() if rest else start, arrow.start() if arrow else end
        if stop - begin in (0, end - start):
            return None
        line = self._line(begin, stop, left, right, direction)
        line.text = WRAP * bool(rest) + line.text + WRAP * bool(arrow)
        return line if line.mono else None

    def _parts(
        self, start: int, end: int, size: float, direction: int
    ) -> Iterator[tuple[int, int, float, float]]:
        """Split a line at its wide gaps. Only the ends of a short word are measured."""
        begin, left, right = -1, 0.0, 0.0
        stop = start
        for at, upto in self._places(start, end):
            place = self._char_ends(self._char(at), direction)
            if upto > at + 1 and (other := self._char_ends(self._char(upto - 1), direction)):
                place = (min(place[0], other[0]), max(place[1], other[1])) if place else other
            if place is None:
                stop = upto
                continue
            if begin >= 0 and (place[0] - right > GAP * size or place[1] < left - size):
                yield begin, stop, left, right
                begin = -1
            if begin < 0:
                begin, (left, right) = at, place
            left, right, stop = min(left, place[0]), max(right, place[1]), upto
        if begin >= 0:
            yield begin, stop, left, right

    def _places(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield where short words, and the characters of longer ones, begin and end."""
        for match in WORD.finditer(self.text, start, end):
            at, upto = match.span()
            if upto - at <= MAX_WORD:
                yield at, upto
            else:
                yield from ((place, place + 1) for place in range(at, upto))

    def _char(self, at: int) -> int:
        if self.direct:
            return at
        char: int = pdfium.FPDFText_GetCharIndexFromTextIndex(self.handle, self.units[at])
        return max(0, char)

    def _measure(self, char: int) -> tuple[float, int]:
        """Return a character's font size, and its direction in quarter turns; -1 if slanted."""
        if char != self.measured[0]:
            self.measured = char, self._size_and_direction(char)
        return self.measured[1]

    def _size_and_direction(self, char: int) -> tuple[float, int]:
        size: float = pdfium.FPDFText_GetFontSize(self.handle, char)
        matrix = self.matrix
        if not pdfium.FPDFText_GetMatrix(self.handle, char, matrix):
            return size, 0
        if not matrix.b and not matrix.c and matrix.a > 0:
            return size * abs(matrix.d), 0
        size *= math.hypot(matrix.c, matrix.d)
        turns = math.atan2(matrix.b, matrix.a) / (math.pi / 2)
        return size, round(turns) % 4 if abs(turns - round(turns)) < 0.05 else -1

    def _font(self, char: int) -> tuple[bool, bool]:
        """Check whether a character's font is bold, and whether it is monospaced."""
        item = pdfium.FPDFText_GetTextObject(self.handle, char)
        font = pdfium.FPDFTextObj_GetFont(item) if item else None
        if not font:
            return False, False
        address = ctypes.addressof(font.contents)
        if address not in self.fonts:
            self.fonts[address] = style_of(font)
        return self.fonts[address]

    def _rects(self, first: int, count: int, direction: int) -> list[tuple[float, float]]:
        """Return where a run of characters begins and ends, by text object."""
        left, top, right, bottom = box = self.box
        ends = []
        for index in range(pdfium.FPDFText_CountRects(self.handle, first, count)):
            if pdfium.FPDFText_GetRect(self.handle, index, *box):
                ends.append(_along(direction, left.value, right.value, bottom.value, top.value))
        return ends

    def _char_ends(self, char: int, direction: int) -> tuple[float, float] | None:
        left, right, bottom, top = box = self.box
        if not pdfium.FPDFText_GetCharBox(self.handle, char, *box):
            return None
        return _along(direction, left.value, right.value, bottom.value, top.value)

    def _between(self, first: int, last: int, size: float, direction: int) -> tuple[float, float]:
        """Measure a line by the origins of its end characters, if the font has no glyph sizes."""
        x, y = self.box[:2]
        ends = []
        for char in (first, last):
            pdfium.FPDFText_GetCharOrigin(self.handle, char, x, y)
            ends.append((x.value, y.value, -x.value, -y.value)[direction])
        return min(ends), max(ends) + size

    def _base(self, char: int, direction: int) -> float:
        x, y = self.box[:2]
        pdfium.FPDFText_GetCharOrigin(self.handle, char, x, y)
        return (-y.value, x.value, y.value, -x.value)[direction]


def _along(direction: int, left: float, right: float, bottom: float, top: float) -> tuple[float, float]:
    """Return a box's ends in a text direction."""
    if direction % 2:
        return (bottom, top) if direction == 1 else (-top, -bottom)
    return (left, right) if direction == 0 else (-right, -left)
