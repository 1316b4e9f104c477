"""
How much of a text is prose.

Prose is what a question can be asked about, as against grammars, tables of figures, lists of links,
indices, code and the wording of licences.
Letters are told by their Unicode category, so that every script is judged alike.
"""

import re
import unicodedata
from collections.abc import Iterator

from datagen.stages.shared.segment.blocks import blocks

MIN_LETTERS = 0.65  # of a unit's characters that are not blank: below: a citation, a formula, figures
MAX_CAPITALS = 0.5  # of its letters with case: above: a header, a disclaimer
SENTENCE, CLAUSE = 25, 80  # letters of a unit that is prose when it ends as a sentence does, and without
# The end of a sentence or of a clause in a list ("...; and").
ENDS = re.compile(r"(?:[.!?;…。！？；؟۔।։][\"'”’»)\]}」』）】*_`]*|[;,] \w{1,5})\Z")
NOT_PROSE = re.compile(r"::=|>>> |\A[{}<]|[{}]\Z|\A[$#%] ")  # grammars, consoles, code
INLINE_CODE = re.compile(r"(`+)[^`]+\1")  # counts neither for prose nor against it
CELL = re.compile(r"(?<!\\)\|")
SEPARATOR = re.compile(r"[|+:=\-\s]*\Z")
LICENCE = re.compile(
    r"permission (?:is hereby granted|to use, copy)|redistributions? (?:and use )?in (?:source|binary)"
    r"|without warrant(?:y|ies)|warranties of merchantability|[\"“]as[ -]is[\"”]|in no event shall"
    r"|all rights reserved|above copyright notice"
    r"|liable (?:to any party )?for (?:any )?(?:direct|claim|damages)"
)


class _Classes(dict[int, str]):
    """Code point -> l, u: small letter, capital; o: other letter, mark; w: ideograph; blank; "." the rest."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        category = unicodedata.category(char)
        if category in ("Ll", "Lu", "Lt"):
            found = "l" if category == "Ll" else "u"
        elif category[0] in "LM":
            found = "w" if unicodedata.east_asian_width(char) == "W" else "o"
        else:
            found = " " if char.isspace() else "."
        self[code] = found
        return found


CLASSES = _Classes()
IDEOGRAPH = 3  # letters that an ideograph is worth


def is_prose(unit: str) -> bool:
    """Tell whether a paragraph, a list item or a table's cell reads as a sentence or a clause of one."""
    kinds = INLINE_CODE.sub(" x ", unit).translate(CLASSES)
    small, capitals, caseless, wide = (kinds.count(kind) for kind in "luow")
    other = kinds.count(".")
    letters = small + capitals + caseless + IDEOGRAPH * wide
    if letters < SENTENCE or letters < MIN_LETTERS * (letters + other) or NOT_PROSE.search(unit):
        return False
    if capitals > MAX_CAPITALS * (small + capitals + caseless + wide):
        return False
    return letters >= CLAUSE or bool(ENDS.search(unit))


def prose_share(text: str) -> float:
    """
    Measure the share of a text's characters that stand in prose, headings aside.

    Returns
    -------
    float
        0 to 1; 0 for a text without any.
    """
    prose = other = 0
    for block in blocks(text):
        if block.kind == "heading":
            continue
        part = text[block.start : block.end]
        units = list(_cells(part)) if block.kind == "table" else [part]
        for unit in units:
            if block.kind != "code" and is_prose(unit):
                prose += len(unit)
            else:
                other += len(unit)
    return prose / (prose + other) if prose else 0.0


def is_licence(text: str) -> bool:
    """Tell whether a text is the wording of a software licence: it has two or more of their phrases."""
    return len({match[:12] for match in LICENCE.findall(text.lower())}) >= 2


def _cells(table: str) -> Iterator[str]:
    """Read a table's cells; in one that is drawn as a grid, the lines of a cell are joined."""
    lines = table.split("\n")
    drawn = any(line.lstrip().startswith("+") for line in lines)
    row: list[str] = []
    for line in lines:
        cells = [] if SEPARATOR.match(line) else [cell.strip() for cell in CELL.split(line)[1:]]
        if drawn and len(cells) == len(row):
            row = [f"{above} {below}".strip() for above, below in zip(row, cells, strict=True)]
        else:
            yield from filter(None, row)
            row = cells
    yield from filter(None, row)
