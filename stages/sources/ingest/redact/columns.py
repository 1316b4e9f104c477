"""Secrets in the columns of tables that are named for passwords, tokens or PINs."""

import re
from collections.abc import Iterator, Sequence

from datagen.stages.sources.ingest.redact.assigned import PASSWORD, TOKEN, name_places
from datagen.stages.sources.ingest.redact.codes import ABBREVIATION, ADDRESS, abbreviation_places
from datagen.stages.sources.ingest.redact.values import is_given

# Tables of text: lines of cells between the same signs, below a line of names.
SIGNS = "\t;,|"  # and spaces, where there is none of these
NAME = re.compile(r"[^\W\d_][\w .()/-]{0,38}")
PASSWORDS = re.compile(rf"(?:[\w-]+[ _-])?(?:(?P<password>{PASSWORD})|{TOKEN})s?", re.IGNORECASE)
NUMBERS = re.compile(rf"{ABBREVIATION}s?|(?:\w+[ -])?(?i:passcode|access code)s?")
AMBIGUOUS = "clave"  # in Spanish a password, or the number of an article in a catalogue
USER = re.compile(r"usuario|user(?:[ _-]?name)?|login|correo|e-?mail", re.IGNORECASE)
# Columns beside the tokens of texts.
OF_TEXTS = re.compile(r"pos|lemma|tag|label|ner|count|freq(?:uency)?", re.IGNORECASE)
MARKDOWN = re.compile(
    r"^(?P<head>[^|\n]*\|[^\n]*)\n[ \t|:+]*-[-:|+ \t]*\n(?P<rows>(?:[^|\n]*\|[^\n]*(?:\n|\Z))+)", re.MULTILINE
)
CELL = re.compile(r"(?:[^|\\]|\\.?)*+(?:\||\Z)", re.DOTALL)
WORD, WORDS = re.compile(r"\S+"), re.compile(r"\S+(?: \S+)*+")  # between spaces, or between several
CODE = re.compile(r"\d{4,8}")
CONSTANT = re.compile(r"[A-Z]+(?:_[A-Z0-9]+)+")  # the name of a setting
MAX_HEADER = 200  # characters of a line of names
LONGEST_QUOTED = 5_000  # characters of a line with quotes, whose search takes superlinear time


def find_in_columns(text: str) -> Iterator[tuple[int, int, str]]:
    """Find secrets in a column of a table that is named for passwords, tokens or PINs."""
    for table in MARKDOWN.finditer(text) if "|" in text else ():
        columns = _columns([cell.strip(" \t*`_") for cell in table["head"].split("|")])
        begin = table.start("rows")
        for row in table["rows"].splitlines(keepends=True) if columns else ():
            yield from _in_row(row, [cell.span() for cell in CELL.finditer(row)], columns, begin)
            begin += len(row)
    done = 0
    numbers = [at for _, at in abbreviation_places(text)]
    for place in sorted((*name_places(text), *numbers)):
        if place < done:
            continue
        start = text.rfind("\n", max(0, place - MAX_HEADER), place) + 1
        end = text.find("\n", place, place + MAX_HEADER)
        if end < 0 or place - start > MAX_HEADER:
            continue
        found, done = _below(text, start, end)
        yield from found


def _below(text: str, start: int, end: int) -> tuple[list[tuple[int, int, str]], int]:
    """Find secrets in the lines below one that may have the names of columns; and where these lines end."""
    found: list[tuple[int, int, str]] = []
    head = text[start:end]
    sign = max(SIGNS, key=head.count)
    if sign not in head:
        sign = "  " if "  " in head.strip() else " "
    elif f"{sign} " in head:
        return found, end
    names = [head[begin:stop].rstrip(sign).strip().strip('"') for begin, stop in _cells(head, sign)]
    if sign == " " and not (len(names) < 5 and any(map(USER.fullmatch, names))):
        return found, end  # a sentence
    columns = _columns(names)
    if not columns or not all(map(NAME.fullmatch, names)):
        return found, end
    while (begin := end + 1) < len(text):
        end = text.find("\n", begin)
        end = len(text) if end < 0 else end
        row = text[begin:end]
        cells = _cells(row, sign)
        if len(cells) != len(names):
            return found, begin
        found += _in_row(row, cells, columns, begin)
    return found, end


def _cells(row: str, sign: str) -> list[tuple[int, int]]:
    """Return the spans of the cells of a line, with the signs after them; quotes may enclose a sign."""
    if sign.isspace() and sign != "\t":
        return [cell.span() for cell in (WORDS if sign == "  " else WORD).finditer(row)]
    if '"' in row and len(row) > LONGEST_QUOTED:
        return []
    pattern = rf'(?:"(?:[^"]|"")*+"|[^{sign}"]*+)(?:\{sign}|\Z)'
    cells = [cell.span() for cell in re.finditer(pattern, row)]
    return cells if row.endswith(sign) else cells[:-1]  # without the empty match at the end


def _columns(names: Sequence[str]) -> dict[int, str]:
    """Return the columns named for secrets: number -> "password", "token" or "number"."""
    columns: dict[int, str] = {}
    has_user, has_address = any(map(USER.fullmatch, names)), any(map(ADDRESS.search, names))
    if any(map(OF_TEXTS.fullmatch, names)):
        return columns
    for at, name in enumerate(names):
        if name.lower() == AMBIGUOUS and not has_user:
            continue
        if match := PASSWORDS.fullmatch(name):
            columns[at] = "password" if match["password"] else "token"
        elif NUMBERS.fullmatch(name) and not has_address:
            columns[at] = "number"
    return columns


def _in_row(
    row: str, cells: Sequence[tuple[int, int]], columns: dict[int, str], begin: int
) -> Iterator[tuple[int, int, str]]:
    for at, (start, end) in enumerate(cells):
        value = row[start:end].strip(' \t*`"\n|;,')
        kind = columns.get(at)
        if kind is None or not value:
            continue
        if kind == "number":
            is_secret = bool(CODE.fullmatch(value))
        else:
            is_secret = (
                len(value) >= 6 and is_given(value, kind == "password") and not CONSTANT.fullmatch(value)
            )
        if is_secret:
            place = begin + start + row[start:end].index(value)
            yield place, place + len(value), value
