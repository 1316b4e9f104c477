"""LaTeX, converted by pandoc, the only reader that handles sections, macros and notes."""

import html
import re
import shutil
import subprocess
from collections.abc import Iterator

from datagen.request import Reject
from datagen.stages.sources.ingest.decoding import unusual
from datagen.stages.sources.ingest.readers.webpage import read_webpage
from datagen.stages.sources.ingest.record import File, Record

# In pandoc's HTML: formulas, and citations, which are empty without a bibliography.
FORMULA = re.compile(r'<span\s+class="math (inline|display)">\\[(\[](.*?)\\[)\]]</span>', re.DOTALL)
CITATION = re.compile(r'<span\s+class="citation"\s+data-cites="([^"]*)">\s*</span>')
PLACE = "\ue000{}\ue001"  # of a formula, while the page is converted
PLACES = re.compile("\ue000(\\d+)\ue001")
INPUT = re.compile(r"(\\input)[ \t]+([^\s{}\\%]+)")  # in TeX's syntax, which pandoc rejects
PLACE_OF_ERROR = re.compile(r"\(?line (\d+), column (\d+)\)?")
NO_TITLE = "-"  # pandoc's title of a document without one


def read(file: File) -> Iterator[Record]:
    """Read the document, without the files that it includes."""
    pandoc = shutil.which("pandoc")
    if pandoc is None:
        raise Reject(
            "needs pandoc", "to read LaTeX, install pandoc (pandoc.org) and make sure that it is on the PATH"
        )
    text, encoding = file.text()
    done = subprocess.run(  # the reader's time limit includes it
        [pandoc, "--sandbox", "--from=latex", "--to=html", "--standalone", "--mathjax"],
        input=INPUT.sub(r"\1{\2}", text).encode("utf-8", "replace"),
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise Reject("unreadable file", _why_not(done.stderr.decode("utf-8", "replace"), done.returncode))
    markdown, title = to_markdown(done.stdout.decode("utf-8", "replace"))
    yield Record(markdown, "" if title == NO_TITLE else title, metadata=unusual(encoding))


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
    return PLACES.sub(lambda match: formulas[int(match[1])], text), title
