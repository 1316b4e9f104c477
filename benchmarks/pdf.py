"""
Text and headings read from a PDF, compared with the same book in another format.

``python -m benchmarks.pdf BOOK.pdf BOOK.epub`` (or .html, .txt, a folder of HTML pages)

* sequences: share of the reference's sequences of six words (six characters in scripts without spaces) that
  the PDF's text contains, ignoring punctuation and case;
* headings: share of the reference's headings that are headings in the text, and heading lines per heading
  of the reference;
* speed: pages per second of CPU time, the best of three runs.
"""

import argparse
import json
import re
import time
import zipfile
from collections import Counter
from pathlib import Path

from lxml import etree, html

from benchmarks import add_quick
from datagen.stages.sources.ingest.pdf import read_pdf
from datagen.stages.sources.ingest.pdf.headings import fold, without_number

RUN = 6
PAGE = re.compile(r"\.x?html?$")
WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W_]+")
HEADING = re.compile(r"^#{1,6} (.*)$", re.MULTILINE)
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("pdf", type=Path)
    parser.add_argument("reference", type=Path)
    add_quick(parser)
    given = parser.parse_args()
    data = given.pdf.read_bytes()
    seconds = []
    for _ in range(3):
        start = time.process_time()
        text = read_pdf(data)
        seconds.append(time.process_time() - start)
    book, titles = reference(given.reference)
    figures: dict[str, object] = {"sequences": round(found(book, text.markdown), 3)}
    written = [key(title) for title in HEADING.findall(FENCED.sub("", text.markdown))]
    wanted = [key(title) for title in titles]
    right = sum((Counter(written) & Counter(wanted)).values())
    if wanted:
        figures["headings"] = round(right / len(wanted), 3)
        figures["lines_per_heading"] = round(len(written) / len(wanted), 2)
    pages = text.metadata["pages"]
    print(json.dumps(figures | {"pages_per_second": round(pages / min(seconds)), **text.metadata}))


def key(title: str) -> str:
    """Normalise a heading for comparison."""
    return fold(without_number(title.rstrip("¶#")))


def found(book: str, text: str) -> float:
    """Return the share of a book's word sequences that a text contains."""
    wanted, seen = runs(book), runs(text)
    return sum(min(count, seen[run]) for run, count in wanted.items()) / max(wanted.total(), 1)


def runs(text: str) -> Counter[tuple[str, ...]]:
    """Count the word sequences of a text."""
    words = WORD.findall(text.casefold())
    return Counter(zip(*(words[start:] for start in range(RUN)), strict=False))


def reference(path: Path) -> tuple[str, list[str]]:
    """Read the text and the headings of the reference."""
    if path.suffix == ".epub":
        with zipfile.ZipFile(path) as book:
            names = [
                name for name in book.namelist() if name.endswith((".xhtml", ".html")) and "nav" not in name
            ]
            pages = [book.read(name) for name in names]
    elif path.is_dir():
        pages = [page.read_bytes() for page in sorted(path.glob("*.html"))]
    elif path.suffix in (".html", ".htm"):
        pages = [path.read_bytes()]
    else:
        return path.read_text(), []
    texts, titles = [], []
    for page in pages:
        tree = html.document_fromstring(page, html.HTMLParser(encoding="utf-8"))
        etree.strip_elements(tree, etree.Comment, "script", "style", "head", "nav", with_tail=False)
        for heading in tree.iter("h1", "h2", "h3", "h4", "h5", "h6"):
            titles.append(" ".join(heading.text_content().split()))
        for block in tree.iter("p", "li", "dt", "dd", "td", "th", "pre", "div", "h1", "h2", "h3", "h4", "br"):
            block.tail = f"\n{block.tail or ''}"
        texts.append(tree.text_content())
    return "\n".join(texts), titles


if __name__ == "__main__":
    main()
