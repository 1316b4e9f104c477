"""LaTeX, converted by pandoc, the only reader that handles sections, macros and notes."""

import html
import re
import shutil
import subprocess
from collections.abc import Iterator, Set
from pathlib import Path
from typing import TypeAlias

from datagen.request import Reject
from datagen.stages.sources.ingest.decoding import unusual
from datagen.stages.sources.ingest.inclusions import assembled
from datagen.stages.sources.ingest.readers.webpage import read_webpage
from datagen.stages.sources.ingest.record import File, Record

# In pandoc's HTML: formulas, and citations, which are empty without a bibliography.
FORMULA = re.compile(r'<span\s+class="math (inline|display)">\\[(\[](.*?)\\[)\]]</span>', re.DOTALL)
CITATION = re.compile(r'<span\s+class="citation"\s+data-cites="([^"]*)">\s*</span>')
PLACE = "\ue000{}\ue001"  # of a formula, while the page is converted
PLACES = re.compile("\ue000(\\d+)\ue001")
# Code that pandoc does not know as such: with options, and a backslash written as a formula.
VERB = re.compile(r"\\Verb\*?(?:\[(?:\\.|[^\]\\\n]){0,200}\])?(?=[^\w\s\[])")
BACKSLASH = re.compile(r"\$\\backslash\s?(?:\{\})?\$")
MAX_AGAIN = 300_000  # characters of a text that is converted again
PASSES = 3  # macros within the arguments of others are found one after the other
LOST = re.compile(r"^without arguments: ([A-Za-z]+)$", re.MULTILINE)
BRACES = r"\{(?:[^{}]|\{[^{}]*\})*\}"  # with at most one level within
ARGUMENTS = rf"(?![A-Za-z])\*?(?:\[[^\]\n]{{0,200}}\])?((?:{BRACES})+)"
GROUP, MACRO = re.compile(BRACES), re.compile(r"\{\\[A-Za-z@]+\*?\}")
BEGIN = r"\begin{document}"
TITLE = re.compile(r"\\title\s*\{[^{}]*\}")
FILTER = Path(__file__).with_suffix(".lua")
# A character that begins and ends code in the text, which pandoc does not know: \MakeShortVerb{\|}, |code|.
SHORT = re.compile(
    r"\\(?P<make>MakeShortVerb|DefineShortVerb|lstMakeShortInline)\*?\s{0,9}(?:\[[^\]]{0,99}\])?\s{0,9}\{?\\?(?P<sign>[^\w\s{}\\])\}?"
    r"|\\(?:DeleteShortVerb|UndefineShortVerb|lstDeleteShortInline)\s{0,9}\{?\\?(?P<end>[^\w\s{}\\])\}?"
)
# Where such a character is none: listings, tables, other code and comments.
LISTING = re.compile(
    r"\\begin\{(?P<name>[vV]erbatim\*?|lstlisting|alltt|minted|tabular\*?)\}"
    r"|\\verb\*?(?P<sign>[^\w\s]).*?(?P=sign)|(?<!\\)%.*"
)
PLACE_OF_ERROR = re.compile(r"\(?line (\d+), column (\d+)\)?")
Converted: TypeAlias = subprocess.CompletedProcess[bytes]
NO_TITLE = "-"  # pandoc's title of a document without one


def read(file: File) -> Iterator[Record | File | Reject]:
    """
    Read the document, with the files that it includes.

    A part that pandoc rejects is yielded instead, so that its error names its own line. If pandoc rejects the
    document without such parts, too, all parts are documents of their own.
    """
    pandoc = shutil.which("pandoc")
    if pandoc is None:
        raise Reject(
            "needs pandoc", "to read LaTeX, install pandoc (pandoc.org) and make sure that it is on the PATH"
        )
    whole = assembled(file)
    text, done, lines = _converted(pandoc, whole.text)
    if done.returncode and whole.used:
        alone = ((part, _convert(pandoc, _understood(assembled(part).text))) for part in whole.used)
        whole = assembled(file, [part for part, tried in alone if tried.returncode])
        text, done, lines = _converted(pandoc, whole.text)
    if done.returncode:
        yield Reject("unreadable file", _why_not(done.stderr.decode("utf-8", "replace"), done.returncode))
        yield from file.parts
        return
    if len(text) <= MAX_AGAIN:
        done = _with_lost(pandoc, text, done)
    markdown, title = to_markdown(done.stdout.decode("utf-8", "replace"))
    left_out = {
        "lines of the preamble": lines,
        "included files": len(whole.missing),
    }
    metadata = dict(unusual(whole.encoding)) | {
        "left_out": {what: count for what, count in left_out.items() if count},
        "includes": [part.name for part in whole.used],
    }
    filled = {name: value for name, value in metadata.items() if value}
    yield Record(markdown, "" if title == NO_TITLE else title, metadata=filled)
    yield from (part for part in file.parts if part not in whole.used)


def _understood(text: str) -> str:
    """Write code as pandoc expects it."""
    return BACKSLASH.sub(r"\\textbackslash{}", with_verb(VERB.sub(r"\\verb", text)))


def _converted(pandoc: str, text: str) -> tuple[str, Converted, int]:
    """Convert a document, without its preamble if pandoc rejects that; return the lines left out, too."""
    text = _understood(text)
    done = _convert(pandoc, text)
    if done.returncode and (body := text.find(BEGIN)) > 0:
        title = TITLE.search(text)
        without = (title[0] if title else "") + text[body:]
        again = _convert(pandoc, without)
        if not again.returncode:
            return without, again, text.count("\n", 0, body)
    return text, done, 0


def _convert(pandoc: str, text: str) -> Converted:
    return subprocess.run(  # the reader's time limit includes it
        [
            *(pandoc, "--sandbox", "--from=latex+raw_tex", f"--lua-filter={FILTER}"),
            *("--to=html", "--standalone", "--mathjax"),
        ],
        input=text.encode("utf-8", "replace"),
        capture_output=True,
        check=False,
    )


def _with_lost(pandoc: str, text: str, done: Converted) -> Converted:
    """Convert a text again with definitions of the macros whose arguments were lost, if there are any."""
    lost: set[str] = set()
    definitions = ""
    start = text.find(BEGIN) + len(BEGIN) if BEGIN in text else 0
    for _ in range(PASSES):
        lost |= set(LOST.findall(done.stderr.decode("utf-8", "replace")))
        before, definitions = definitions, _definitions(text, lost)
        if definitions == before:
            break
        again = _convert(pandoc, text[:start] + definitions + text[start:])
        if again.returncode:
            break
        done = again
    return done


def _definitions(text: str, names: Set[str]) -> str:
    """
    Define macros as their arguments, which pandoc has lost in the cells of tables.

    A macro that anywhere names another one, like the macro cmd in cmd{frame}, is not: its argument is code.
    """
    definitions = []
    for name in sorted(names):
        used = [match[1] for match in re.finditer(rf"\\{name}{ARGUMENTS}", text)]
        if used and not any(MACRO.search(arguments) for arguments in used):
            count = min(min(len(GROUP.findall(arguments)) for arguments in used), 4)
            words = " ".join(f"#{number}" for number in range(2, count + 2))
            definitions.append(rf"\newcommand{{\{name}}}[{count + 1}][]{{{words}}}")
    return "".join(definitions)


def with_verb(text: str) -> str:
    r"""Write code between the characters that the text declares for it, such as |code|, as \verb|code|."""
    parts: list[str] = []
    sign, at = "|" if "{ltxdoc}" in text else "", 0
    body = max(0, text.find(BEGIN))  # before it are definitions, where \verb is not valid
    for match in (*SHORT.finditer(text), None):
        end = match.start() if match else len(text)
        start = min(max(at, body), end)
        parts += [text[at:start], _with_verb(text[start:end], sign) if sign else text[start:end]]
        if match:
            sign = match["sign"] or ""
            at = match.end()
    return "".join(parts)


def _with_verb(text: str, sign: str) -> str:
    mark = re.escape(sign)
    short = re.compile(rf"(?<!\\){mark}([^{mark}\n]+){mark}")
    parts: list[str] = []
    at = 0
    unclosed: set[str] = set()  # looked for once, so that the time is linear
    for listing in LISTING.finditer(text):
        start, end, name = *listing.span(), listing["name"]
        if start < at or name in unclosed:
            continue
        if name and (end := text.find(rf"\end{{{name}}}", end)) < 0:
            unclosed.add(name)
            continue
        parts += [short.sub(rf"\\verb{sign}\1{sign}", text[at:start]), text[start:end]]
        at = end
    return "".join([*parts, short.sub(rf"\\verb{sign}\1{sign}", text[at:])])


def _why_not(errors: str, status: int) -> str:
    """Say where pandoc ended, what it met there, and what to do."""
    lines = [line for line in map(str.strip, errors.splitlines()) if line and not line.startswith("[")]
    if place := next((found for line in lines if (found := PLACE_OF_ERROR.search(line))), None):
        said = [line for line in lines if line.startswith(("unexpected", "expecting"))]
        where = f"line {place[1]}, column {place[2]}: {', '.join(said) or 'not understood'}"
    else:
        where = lines[0] if lines else f"it ended with status {status}"
    return f"pandoc cannot read it: {where}; correct it, or add the PDF that it makes to the corpus instead"


def to_markdown(page: str) -> tuple[str, str]:
    """Convert pandoc's page to text and title: formulas between dollar signs, citations by their keys."""
    formulas: list[str] = []

    def keep(match: re.Match[str]) -> str:
        sign = "$" if match[1] == "inline" else "$$"
        formulas.append(f"{sign}{html.unescape(match[2]).strip()}{sign}")
        return PLACE.format(len(formulas) - 1)

    page = CITATION.sub(lambda match: f"[{', '.join(match[1].split())}]", FORMULA.sub(keep, page))
    text, title = read_webpage(page, whole=True)
    text, title = (PLACES.sub(lambda match: formulas[int(match[1])], part) for part in (text, title))
    return text, title
