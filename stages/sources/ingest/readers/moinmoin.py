"""MoinMoin's dialect of wikitext, rewritten in that of MediaWiki."""

import html
import re
from collections.abc import Iterator

MACRO = re.compile(r"<<(\w+)(?:\(([^<>\n]*)\))?>>")
IS_MOIN = re.compile(
    rf"{MACRO.pattern}|^(?:<!-- )?#(?:format|pragma|acl|language|refresh)\b|^<!-- (?:format wiki|pragma )",
    re.MULTILINE,
)
DIRECTIVE = re.compile(
    r"^#(?:format|pragma|acl|language|refresh|redirect|deprecated|[a-z]+ (?:on|off))\b.*$|^##.*$",
    re.MULTILINE,
)
CATEGORIES = re.compile(r"^(?:-{4,}\s*)?(?:(?:\[\[)?Category\w+(?:\]\])?[ ,]*)+\s*\Z", re.MULTILINE)
RAISED = re.compile(r"\^([^\^\n]*)\^|,,((?:(?!,,)[^\n])*),,")
CODE = re.compile(r"\{\{\{(?:#!(\w+)(?: (\w+))?[^\n]*\n)?((?:(?!\}\}\}).)*)\}\}\}", re.DOTALL)
ITEM = re.compile(r"^( +)(\*|(?:\d+|[aAiI])\.(?:#\d+)?) +(.*)$")
CELL_STYLE = re.compile(r"^(?:<[^<>\n]*>)+")
SHOWN = {"Color", "Color2", "Font", "FootNote", "Text", "Verbatim"}  # macros whose last argument is text
MAX_DEPTH = 6


def is_moinmoin(text: str) -> bool:
    """Check whether a page uses macros or directives of MoinMoin."""
    return IS_MOIN.search(text) is not None


def to_mediawiki(text: str) -> str:
    """Rewrite a page of MoinMoin as one of MediaWiki."""
    codes: list[str] = []

    def keep(match: re.Match[str]) -> str:
        codes.append(_code(match))
        return f"\x01{len(codes) - 1}\x01"

    text = CODE.sub(keep, text.replace("\r\n", "\n"))
    text = RAISED.sub(lambda match: match[1] or match[2] or "", text)
    text = MACRO.sub(_macro, CATEGORIES.sub("", DIRECTIVE.sub("", text)))
    text = "\n".join(_lines(text.split("\n")))
    return re.sub("\x01(\\d+)\x01", lambda match: codes[int(match[1])], text)


def _code(match: re.Match[str]) -> str:
    """Write code: within a line as it is, else as a block."""
    parser, language, code = match.groups()
    if "\n" not in match[0]:
        return f"`{html.escape(code.strip(), quote=False)}`" if code.strip() else ""
    if parser == "wiki":
        return f"\n{code}\n"
    named = language if parser == "highlight" else parser
    return f'\n<source lang="{named}">{code}</source>\n' if named else f"\n<pre>{code}</pre>\n"


def _macro(match: re.Match[str]) -> str:
    name, arguments = match[1], match[2] or ""
    if name == "BR":
        return "\n"
    shown = arguments.rpartition(",")[2] if name in ("Color", "Color2", "Font") else arguments
    text = shown.strip() if name in SHOWN else ""
    return f" ({text})" if text and name == "FootNote" else text


def _lines(lines: list[str]) -> Iterator[str]:
    in_table = False
    depths: list[int] = []  # indentation of the lists around a line
    for line in lines:
        row = line.strip()
        is_row = row.startswith("||") and row.endswith("||") and len(row) > 4
        if is_row != in_table:
            yield "{|" if is_row else "|}"
            in_table = is_row
        if is_row:
            cells = (CELL_STYLE.sub("", cell.strip()).strip() for cell in row[2:-2].split("||"))
            yield "|-"
            yield "| " + " || ".join(cells)
        elif item := ITEM.match(line):
            outer = [depth for depth in depths if depth < len(item[1])]
            depths = [*outer[: MAX_DEPTH - 1], len(item[1])]
            yield ("*" if item[2] == "*" else "#") * len(depths) + f" {item[3]}"
        else:
            depths = [] if row else depths
            yield line
    if in_table:
        yield "|}"
