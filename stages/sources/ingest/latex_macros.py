r"""
The macros that a LaTeX document defines itself.

A package beside the document has definitions that its text needs; most of the rest of a package pandoc does
not understand. A macro that includes a file, such as \newcommand{\chapterfile}[1]{\input{chapters/#1}}, is
written as what it stands for, so that the file is found.
"""

import re
from collections.abc import Iterator

COMMENT = re.compile(r"(?<!\\)%.*")
DEFINITION = re.compile(
    r"\\(?:(?:re)?new(?:command|environment|theorem)|providecommand|DeclareRobustCommand|DeclareMathOperator)"
    r"(?![A-Za-z@])\*?|\\def(?=\s{0,9}\\[A-Za-z])"
)
# What precedes an argument in braces: the number of arguments, a default; a name, with parameters for \def.
BEFORE = re.compile(r"\s{0,9}(?:\[[^\]\n]{0,99}\]\s{0,9}){0,2}\{")
NAME = re.compile(r"\s{0,9}\\[A-Za-z@]{1,60}\s{0,9}")
BARE = re.compile(NAME.pattern + r"(?:#\d){0,9}" + BEFORE.pattern)
INCLUDES = re.compile(r"\\(?:input|include|subfile|subfileinclude)\s{0,9}\{[^{}]{0,200}#1[^{}]{0,200}\}")
NAMED = re.compile(
    r"\\(?:(?:re)?newcommand|providecommand)\*?\s{0,9}\{?\s{0,9}\\(?P<name>[A-Za-z]{1,60})\s{0,9}\}?\s{0,9}\[1\]\s{0,9}(?=\{)"
)
ARGUMENT = r"(?![A-Za-z@])\s{0,9}\{\s{0,9}([^{}\\#%\n]{1,300}?)\s{0,9}\}"
MAX_DEFINITION = 5_000  # characters
COMMAND, ENVIRONMENT = 2, 3  # arguments: a name and what it stands for, or the beginning and the end
MAX_GROWTH = 100_000  # characters that one macro adds
MAX_MACROS = 20  # that include files


def definitions(package: str) -> str:
    """Return the definitions of macros in a package, without internal ones."""
    return "\n".join(_definitions(COMMENT.sub("", package))) + "\n"


def _definitions(text: str) -> Iterator[str]:
    at = 0
    while match := DEFINITION.search(text, at):
        at = match.end()
        is_bare = match[0] == r"\def" or NAME.match(text, at)
        count = 1 if is_bare else ENVIRONMENT if "env" in match[0] else COMMAND
        for number in range(count):
            opening = (BEFORE if number or not is_bare else BARE).match(text, at)
            if opening is None:
                break
            if (end := closing(text, opening.end())) < 0:
                return  # so that the time is linear
            at = end
        else:
            found = text[match.start() : at]
            if "@" not in found:
                yield found


def closing(text: str, start: int) -> int:
    """Return the place after the brace that closes the one before `start`; -1 if none does."""
    depth = 1
    for brace in re.compile(r"\\.|[{}]", re.DOTALL).finditer(text, start, start + MAX_DEFINITION):
        depth += {"{": 1, "}": -1}.get(brace[0], 0)
        if not depth:
            return brace.end()
    return -1


def expanded(text: str) -> str:
    """Replace the document's macros that include a file by what they stand for."""
    if "#1" not in text:
        return text
    for match in list(NAMED.finditer(text))[:MAX_MACROS]:
        start = match.end() + 1
        body = text[start : closing(text, start) - 1]
        if INCLUDES.search(body):
            used = re.compile(rf"\\{match['name']}{ARGUMENT}")
            if len(used.findall(text)) * len(body) > MAX_GROWTH:
                continue
            text = used.sub(lambda use, body=body: body.replace("#1", use[1]), text)  # type: ignore[misc]
    return text
