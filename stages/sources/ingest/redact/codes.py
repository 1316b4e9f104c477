"""Secrets that are known by what names them: PINs and one-time codes, cookies, and columns of passwords."""

import re
from collections.abc import Iterator, Sequence

from datagen.stages.sources.ingest.redact.secrets import (
    PASSWORD,
    TOKEN,
    is_given,
    is_random,
    name_places,
    places,
)

ABBREVIATIONS = ("PIN", "PUK", "TAN", "OTP", "CVV", "CVC")
ABBREVIATION = rf"(?:{'|'.join(ABBREVIATIONS)})2?(?:[ -]?(?:[Cc]ode|[Nn]umber|[Nn]ummer|[Nn]o\.?))?"
# Between the name and the number: a colon, a verb, the next cell.
GAP = r"(?:\*\*)?(?:\s?[:=：]\s?|\s(?:is|ist|lautet|est|es)\s?:?\s?|[ ]*\t\s*|[ ]*\|[ ]*)(?:\*\*)?"
DIGITS = r"(?P<value>\d{3,8})(?!\w|[.,:/-]\d)"
ABBREVIATED = re.compile(rf"(?:(?<![\w-])|(?<=\bm)){ABBREVIATION}{GAP}{DIGITS}")
CODES = ("code", "Code", "CODE", "password")
NAMED = re.compile(rf"(?:code|password)(?P<after> PIN| secret| d'accès)?{GAP}{DIGITS}", re.IGNORECASE)
# What a code or password must be to be a number.
KIND = re.compile(
    r"(?:\bpass|(?:verification|security|access|entry|door|gate|unlock|confirmation|one-time)[ -]"
    r"|sicherheits|zugangs|zutritts|tür|entsperr)\Z",
    re.IGNORECASE,
)
LONGEST_KIND = 20  # characters
# The value of a header or an argument, after the start of its name.
COOKIES = re.compile(r"ookie2?[\"']?:\s?[\"']?(?P<cookies>[^\s\"'=;]{1,100}=[^\n]{0,4000})", re.IGNORECASE)
COOKIE = re.compile(r"[^\s\"'=;,]+=(?P<value>[^\s\"';,]+)")
HEADERS = {
    **dict.fromkeys(
        ("SESSID=", "SESSIONID=", "SessionId=", "sessionid="),
        re.compile(r"\w{6,9}=(?P<value>[\w%.-]{16,200})"),
    ),
    **dict.fromkeys(
        ("uthorization", "UTHORIZATION"),
        re.compile(r"\w{12,40}[\"']?\s?[:=]\s?[\"']?(?:[A-Za-z][\w-]{1,30}\s+)?(?P<value>[\w.~+/:-]{16,2000}=*)"),
    ),
}
# Words and addresses in place of credentials, and the algorithm of a signature.
NO_CREDENTIAL = re.compile(r"https?:.*|[a-z]+(?:-[a-z0-9]+)+|[A-Z0-9]+(?:-[A-Z0-9]+)+")
# Tables of text: lines of cells between the same signs, below a line of names.
SIGNS = "\t;,"
NAME = re.compile(r"[^\W\d_][\w .()/-]{0,38}")
PASSWORDS = re.compile(rf"(?:[\w-]+[ _-])?(?:(?P<password>{PASSWORD})|{TOKEN})s?", re.IGNORECASE)
NUMBERS = re.compile(rf"{ABBREVIATION}s?|(?:\w+[ -])?(?i:passcode|access code)s?")
MARKDOWN = re.compile(
    r"^(?P<head>[^|\n]*\|[^\n]*)\n[ \t|:]*-[-:| \t]*\n(?P<rows>(?:[^|\n]*\|[^\n]*(?:\n|\Z))+)", re.MULTILINE
)
CELL = re.compile(r"(?:[^|\\]|\\.?)*+(?:\||\Z)", re.DOTALL)
CODE = re.compile(r"\d{4,8}")
MAX_HEADER = 200  # characters of a line of names


def find_codes(text: str) -> Iterator[tuple[int, int, str]]:
    """Find PINs, one-time codes, cookies and the credentials of requests."""
    yield from _numbers(text)
    for name in ("ookie", "OOKIE"):
        done = 0
        for at in places(name, text):
            if at >= done and (header := COOKIES.match(text, at)):
                done = header.end()
                for cookie in COOKIE.finditer(text, *header.span("cookies")):
                    if is_random(cookie["value"]):
                        yield *cookie.span("value"), cookie["value"]
    for name, pattern in HEADERS.items():
        for at in places(name, text):
            match = pattern.match(text, at)
            if match and is_random(match["value"]) and not NO_CREDENTIAL.fullmatch(match["value"]):
                yield *match.span("value"), match["value"]


def _numbers(text: str) -> Iterator[tuple[int, int, str]]:
    for name in ABBREVIATIONS:
        for at in places(name, text):
            match = ABBREVIATED.match(text, at)
            if match and (len(match["value"]) > 3 or name.startswith("CV")):
                yield *match.span("value"), match["value"]
    for name in CODES:
        for at in places(name, text):
            match = NAMED.match(text, at)
            if match is None or len(match["value"]) < 4:
                continue
            if match["after"] or KIND.search(text, max(0, at - LONGEST_KIND), at):
                yield *match.span("value"), match["value"]


def find_in_columns(text: str) -> Iterator[tuple[int, int, str]]:
    """Find secrets in a column of a table that is named for passwords, tokens or PINs."""
    for table in MARKDOWN.finditer(text) if "|" in text else ():
        columns = _columns([cell.strip(" \t*`_") for cell in table["head"].split("|")])
        begin = table.start("rows")
        for row in table["rows"].splitlines(keepends=True) if columns else ():
            yield from _in_row(row, [cell.span() for cell in CELL.finditer(row)], columns, begin)
            begin += len(row)
    done = 0
    numbers = [at for name in ABBREVIATIONS for at in places(name, text)]
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
    if sign not in head or f"{sign} " in head:
        return found, end
    names = [name.strip().strip('"') for name in head.split(sign)]
    columns = _columns(names)
    if not columns or not all(map(NAME.fullmatch, names)):
        return found, end
    while (begin := end + 1) < len(text):
        end = text.find("\n", begin)
        end = len(text) if end < 0 else end
        row = text[begin:end]
        if row.count(sign) != len(names) - 1:
            return found, begin
        cells = [cell.span() for cell in re.finditer(rf"[^{sign}]*(?:{sign}|\Z)", row)][: len(names)]
        found += _in_row(row, cells, columns, begin)
    return found, end


def _columns(names: Sequence[str]) -> dict[int, str]:
    """Return the columns named for secrets: number -> "password", "token" or "number"."""
    columns: dict[int, str] = {}
    for at, name in enumerate(names):
        if match := PASSWORDS.fullmatch(name):
            columns[at] = "password" if match["password"] else "token"
        elif NUMBERS.fullmatch(name):
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
            is_secret = len(value) >= 6 and is_given(value, kind == "password")
        if is_secret:
            place = begin + start + row[start:end].index(value)
            yield place, place + len(value), value
