"""
Measure how much of a text is prose.

Questions can be asked about prose, but not about grammars, tables of figures, lists of links, indexes, code
or licences. Letters are recognised by their Unicode category, so that all scripts are treated alike.
"""

import re
import unicodedata
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from datagen.stages.shared.language.joined import licences
from datagen.stages.shared.segment.blocks import blocks

MIN_LETTERS = 0.65  # share of a unit's non-blank characters; below: a citation, a formula, figures
MAX_CAPITALS = 0.5  # share of its letters; above: a header, a disclaimer
SENTENCE, CLAUSE = 25, 80  # minimum letters of a prose unit that ends like a sentence, and of any other
# The end of a sentence; and of a clause in a list ("...; and"), unless a cell ends so ("petrol, EURO4").
END = r"[.!?;…。！？；؟۔।։][\"'”’»)\]}」』）】*_`]*"
ENDS, CELL_ENDS = re.compile(rf"(?:{END}|[;,] \w{{1,5}})\Z"), re.compile(rf"{END}\Z")
COMMA = re.compile("[,、，،]")
PER_COMMA = 50  # least letters for each comma of a cell that ends otherwise; with fewer, it lists properties
# Marks of grammars, consoles and code: anywhere, at the start, at the end.
NOT_PROSE = ("::=", ">>> "), ("{", "}", "<", "$ ", "# ", "% "), ("{", "}")
INLINE_CODE = re.compile(r"(?<!`)(`+)[^`]+\1")  # counts neither for prose nor against it
URL = re.compile(r"<?\b(?:https?|ftp|mailto):[^\s<>]+>?")
SCHEMES = ("http:", "https:", "ftp:", "mailto:")  # looked for first, which is faster
NAMES = re.compile(r"(?<!\S)\S*\w[_/\\]\w\S*")  # identifiers and paths
MARK = re.compile(r"[_/\\]")  # looked for first, which is faster
ENCODED = re.compile(r"[A-Za-z0-9+/=]{50,}")  # base64: its letters are no words
MAX_NAMES = 0.5  # share of a unit's letters in names
OPENING = re.compile(r"^[ \t]*(?:`{3,}|~{3,})", re.MULTILINE)
CLOSING = re.compile(r"^[ \t]*(?:`{3,}|~{3,})[ \t]*$", re.MULTILINE)
CELL = re.compile(r"(?<!\\)\|")
SEPARATOR = re.compile(r"[|+:=\-\s]*\Z")


class _Classes(dict[int, str]):
    """Code point -> l: lower case, u: upper case, o: other letter, w: ideograph, space, ".": the rest."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        category = unicodedata.category(char)
        if category in ("Ll", "Lu", "Lt"):
            kind = "l" if category == "Ll" else "u"
        elif category[0] in "LM":
            kind = "w" if unicodedata.east_asian_width(char) == "W" else "o"
        else:
            kind = " " if char.isspace() else "."
        self[code] = kind
        return kind


CLASSES = _Classes()
BEYOND_ASCII = re.compile(r"[^\x00-\x7f]+")
IDEOGRAPH = 3  # letters that an ideograph counts as


def is_prose(unit: str, is_cell: bool = False) -> bool:
    """Check whether a paragraph, a list item or a table cell (`is_cell`) reads like a sentence or clause."""
    words = INLINE_CODE.sub(" x ", unit) if "`" in unit else unit
    words = URL.sub(" ", words) if any(scheme in words for scheme in SCHEMES) else words
    encoded = sum(map(len, ENCODED.findall(words)))
    kinds = _kinds(ENCODED.sub("", words) if encoded else words)
    small, capitals, caseless, wide = (kinds.count(kind) for kind in "luow")
    other = kinds.count(".") + encoded
    letters = small + capitals + caseless + IDEOGRAPH * wide
    if letters < SENTENCE or letters < MIN_LETTERS * (letters + other):
        return False
    marks, starts, ends = NOT_PROSE
    if any(mark in unit for mark in marks) or unit.startswith(starts) or unit.endswith(ends):
        return False
    if MARK.search(words) and sum(map(len, NAMES.findall(words))) > MAX_NAMES * (letters + other):
        return False
    if capitals > MAX_CAPITALS * (small + capitals + caseless + wide):
        return False
    if is_cell and "\\|" in unit:
        return False  # parts of a name, such as those of a key
    if is_cell:
        is_clause = letters >= max(CLAUSE, PER_COMMA * len(COMMA.findall(unit)))
        return is_clause or bool(CELL_ENDS.search(unit))
    return letters >= CLAUSE or bool(ENDS.search(unit))


def _kinds(text: str) -> str:
    """Return the class of each character, in any order; ASCII apart from the rest, which is faster."""
    if text.isascii():
        return text.translate(CLASSES)
    plain = text.encode("ascii", "ignore").decode("ascii")
    return plain.translate(CLASSES) + "".join(BEYOND_ASCII.findall(text)).translate(CLASSES)


def prose_share(text: str, in_code: bool = False, ends_in_code: bool = False) -> float:
    """
    Return the share of a text's characters in prose, without headings.

    Parameters
    ----------
    text
        A passage.
    in_code
        Whether it begins within a block of code; then code ends at the first closing fence.
    ends_in_code
        Whether it ends within one, which begins at its last fence.

    Returns
    -------
    float
        0 to 1; 0 for a text without prose.
    """
    prose = other = 0
    if ends_in_code:
        opening = max((fence.start() for fence in OPENING.finditer(text)), default=0)
        other, text = len(text) - opening, text[:opening]
    if in_code and text:
        fence = CLOSING.search(text)
        end = len(text) if fence is None else fence.end()
        other, text = other + end, text[end:]
    for block in blocks(text):
        if block.kind == "heading":
            continue
        part = text[block.start : block.end]
        is_table = block.kind == "table"
        units = list(_cells(part)) if is_table else [part]
        read: set[str] = set()
        for unit in units:
            # A remark that a table repeats in each row is read once.
            if block.kind != "code" and not (is_table and unit in read) and is_prose(unit, is_table):
                prose += len(unit)
                read.add(unit)
            else:
                other += len(unit)
    return prose / (prose + other) if prose else 0.0


def mention_licences(texts: pa.ChunkedArray) -> list[bool]:
    """Check which of a column of texts contain a typical phrase of a software licence."""
    found = pc.match_substring_regex(pc.utf8_lower(texts), licences().pattern)
    result: list[bool] = pc.fill_null(found, False).to_pylist()
    return result


def is_licence(text: str) -> bool:
    """Check whether a text is a software licence: it contains at least two typical phrases."""
    return len({match[:12] for match in licences().findall(text.lower())}) >= 2


def _cells(table: str) -> Iterator[str]:
    """Read the cells of a table; in a grid table, join the lines of a cell."""
    lines = table.split("\n")
    is_grid = any(line.lstrip().startswith("+") for line in lines)
    row: list[str] = []
    for line in lines:
        cells = [] if SEPARATOR.match(line) else [cell.strip() for cell in CELL.split(line)[1:]]
        if is_grid and len(cells) == len(row):
            row = [f"{above} {below}".strip() for above, below in zip(row, cells, strict=True)]
        else:
            yield from filter(None, row)
            row = cells
    yield from filter(None, row)
