"""
The supported formats, and how the format of a file is determined.

To add a format, add a row to `FORMATS` and a module to ``readers/``, which is imported when the first file of
the format is read.
"""

import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import takewhile

from datagen.request import Reject
from datagen.stages.sources.ingest.readers.source_code import BY_ENDING as BY_LANGUAGE
from datagen.stages.sources.ingest.readers.source_code import NAMES as FILES_OF_CODE
from datagen.stages.sources.ingest.record import File, Reader

READERS = "datagen.stages.sources.ingest.readers"
HEAD = 4096  # bytes that `Format.sniff` receives

# Names of plain text files without ending.
NAMES: tuple[str, ...] = ("readme", "license", "licence", "copying", "copyright", "notice")
NAMES += ("authors", "changelog", "changes", "news", "todo", "install", "faq", "history")

ODF = b"application/vnd.oasis.opendocument."
ZIPPED = ("docx", "odt", "odp", "pptx", "spreadsheet", "epub")
LFS = b"version https://git-lfs.github.com/spec/"

# Fields of a letter's header (RFC 5322), and of an article's in a newsgroup (RFC 5536).
FIELD = re.compile(rb"[!-9;-~]{1,60}")
FIELDS = frozenset((b"from", b"to", b"cc", b"date", b"subject", b"message-id", b"received", b"return-path"))
FIELDS |= {b"delivered-to", b"reply-to", b"mime-version", b"newsgroups", b"organization", b"lines"}

TAR = (".tar", ".tgz", ".tbz2", ".txz", ".tzst")


@dataclass(frozen=True)
class Format:
    """
    A format of documents.

    Parameters
    ----------
    name
        Value of the column `format`.
    reader
        Module in ``readers/`` whose ``read(file)`` yields the documents.
    endings
        Endings of its files, in lower case, with the dot. They may have two parts, such as ".tar.gz".
    summary
        What becomes a document, for the table in the documentation.
    names
        Whole file names, in lower case, such as "makefile".
    sniff
        Checks a file's first `HEAD` bytes, decompressed, for marks unique to the format; None if it has none.
    needs
        Package that the reader imports and that datagen does not require.
    extra
        The extra of datagen that installs it.
    """

    name: str
    reader: str
    endings: tuple[str, ...]
    summary: str
    names: tuple[str, ...] = ()
    sniff: Callable[[bytes], bool] | None = None
    needs: str = ""
    extra: str = ""

    def load(self) -> Reader:
        """
        Import the reader.

        Raises
        ------
        Reject
            If the package that it needs is not installed.
        """
        if self.needs and find_spec(self.needs) is None:
            remedy = f"pip install 'datagen[{self.extra}]'"
            raise Reject(f"needs datagen[{self.extra}]", f"to read it, run: {remedy}")
        reader: Reader = importlib.import_module(f"{READERS}.{self.reader}").read
        return reader


def _begins(*marks: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(marks)


def _zipped(*marks: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(b"PK") and any(mark in head for mark in marks)


def _is_html(head: bytes) -> bool:
    return head.removeprefix(b"\xef\xbb\xbf").lstrip().lower().startswith((b"<!doctype html", b"<html"))


def _is_man(head: bytes) -> bool:
    lines = (line for line in head.split(b"\n") if line.strip() and not line.startswith((b'.\\"', b"'\\\"")))
    return any(line.startswith((b".TH ", b".Dd ", b".Dt ", b".so ")) for line in lines)


def _is_mail(head: bytes) -> bool:
    """Check for the header of a letter: its sender, and two more of its usual fields."""
    lines = head.lstrip(b"\r\n").splitlines()
    if lines and lines[0].startswith(b"From "):  # a mailbox
        del lines[0]
    fields: set[bytes] = set()
    for line in takewhile(bytes.strip, lines[:-1] if len(head) == HEAD else lines):
        if not line.startswith((b" ", b"\t")):
            name, colon, _ = line.partition(b":")
            if not colon or not FIELD.fullmatch(name):
                return False
            fields.add(name.lower())
    return b"from" in fields and len(fields & FIELDS) >= 3


FORMATS = (
    Format("text", "text", (".txt", ".text", ".log"), "the file", NAMES),
    Format(
        "markdown",
        "markdown",
        (".md", ".markdown", ".mdx", ".rmd", ".qmd"),
        "the file; its front matter is metadata",
    ),
    Format("html", "html", (".html", ".htm", ".xhtml"), "the main part of the page", sniff=_is_html),
    Format("jsonl", "jsonl", (".jsonl", ".ndjson"), "each line"),
    Format(
        "json",
        "json",
        (".json",),
        "each object of an array, or each object; also within a server's answer",
    ),
    Format("csv", "csv", (".csv", ".tsv"), "each row; the first names the fields"),
    Format("parquet", "parquet", (".parquet",), "each row", sniff=_begins(b"PAR1")),
    Format("arrow", "arrow", (".arrow", ".feather"), "each row", sniff=_begins(b"ARROW1")),
    # Documents that are zip files, before plain zip files.
    Format("docx", "docx", (".docx", ".docm", ".dotx", ".dotm"), "the file", sniff=_zipped(b"word/")),
    Format("odt", "opendocument", (".odt", ".ott"), "the file", sniff=_zipped(ODF + b"text")),
    Format("odp", "opendocument", (".odp", ".otp"), "the slides", sniff=_zipped(ODF + b"presentation")),
    Format(
        "pptx",
        "pptx",
        (".pptx", ".pptm", ".ppsx", ".ppsm", ".potx", ".potm"),
        "the slides, with their notes",
        sniff=_zipped(b"ppt/"),
    ),
    Format(
        "spreadsheet",
        "spreadsheet",
        (".xlsx", ".xlsm", ".xltx", ".xltm", ".xlsb", ".xls", ".ods"),
        "each sheet",
        sniff=_zipped(b"xl/", ODF + b"spreadsheet"),
    ),
    Format("epub", "epub", (".epub",), "the book", sniff=_zipped(b"mimetypeapplication/epub+zip")),
    # Each member is read in its own format.
    Format("zip", "zip", (".zip",), "each member", sniff=_begins(b"PK\x03\x04", b"PK\x05\x06")),
    Format("tar", "tar", TAR, "each member", sniff=lambda head: head[257:262] == b"ustar"),
    # Office documents, books, mail, markup and code.
    Format("pdf", "pdf", (".pdf",), "the file", sniff=lambda head: b"%PDF-" in head[:1024]),
    Format("rtf", "rtf", (".rtf",), "the file", sniff=lambda head: head.lstrip().startswith(b"{\\rtf")),
    Format(
        "mail",
        "mail",
        (".eml", ".mbox", ".mbx", ".mht", ".mhtml"),
        "each letter, and each attachment of a known format; a saved page",
        sniff=_is_mail,
    ),
    Format("notebook", "notebook", (".ipynb",), "the file: text, code and what it printed"),
    Format(
        "xml",
        "xml",
        (
            *(".xml", ".dbk", ".docbook", ".tei", ".nxml", ".jats", ".rss", ".atom"),
            *(".page", ".dita", ".ditamap", ".xhp", ".svg"),
        ),
        "the file; of a wiki's export, each page; of a drawing, its words",
    ),
    Format("latex", "latex", (".tex", ".latex"), "the file; needs pandoc"),
    Format(
        "man",
        "manpage",
        (*(f".{section}" for section in "123456789"), ".man"),
        "the page",
        sniff=_is_man,
    ),
    Format("subtitles", "subtitles", (".srt", ".vtt"), "spoken text"),
    Format("mediawiki", "mediawiki", (".wiki", ".mediawiki"), "the page"),
    Format("rst", "restructured", (".rst", ".rest"), "the file"),
    Format("code", "source_code", tuple(BY_LANGUAGE), "the file, as a block of code", tuple(FILES_OF_CODE)),
)

MAPPING = Format("text", "mapping", (), "each entry of a mapping in a Python module")

BY_ENDING = {ending: form for form in FORMATS for ending in form.endings}
BY_NAME = {name: form for form in FORMATS for name in form.names}
SNIFFED = tuple(form for form in FORMATS if form.sniff)
KNOWN = ", ".join(BY_ENDING)


def format_of(file: File) -> Format | None:
    """
    Determine a file's format by its name or, if the name is unknown or wrong, by its content.

    Returns
    -------
    None if it is unknown.

    Raises
    ------
    OSError, Reject
        If the content cannot be read.
    """
    if file.entry.python:
        return MAPPING
    named = by_name(file.basename)
    head = file.head(HEAD)
    if head.startswith(LFS):
        raise Reject("not fetched", "it is a Git LFS pointer; fetch the file with git lfs pull")
    if named and named.sniff and named.sniff(head):
        return named
    sniffed = next((form for form in SNIFFED if form.sniff and form.sniff(head)), None)
    if sniffed is None or (named and not _overrules(sniffed, named, head)):
        return named
    return sniffed


def _overrules(sniffed: Format, named: Format, head: bytes) -> bool:
    """Check whether a file's content is better evidence of its format than its ending."""
    if sniffed.name == "man":
        return False  # a line that begins with .TH may occur in any text
    if sniffed.name == "mail":
        return named.name in ("text", "man")  # a letter of a folder may be named 17.1
    if sniffed.name == "html":
        return named.name not in ("code", "xml", "mail")  # which may contain pages
    if sniffed.name == "zip":
        return named.name not in ZIPPED
    return sniffed.name != "pdf" or head.lstrip().startswith(b"%PDF-")


def by_name(name: str) -> Format | None:
    """Determine a format by a file's name, without its folder and the ending of its compression."""
    name = name.lower()
    if name in BY_NAME:
        return BY_NAME[name]
    return BY_ENDING.get(ending_of(name))


def ending_of(name: str) -> str:
    """Return a file's ending in lower case: the longest known one, such as ".tar.gz"; else the last or ""."""
    parts = name.lower().lstrip(".").split(".")[1:]
    endings = ["." + ".".join(parts[at:]) for at in range(len(parts))]
    return next((ending for ending in endings if ending in BY_ENDING), endings[-1] if endings else "")


def table() -> str:
    """Return the formats as a Markdown table, for docs/documents.md."""
    lines = ["| format | endings and names | a document is | needs |", "|---|---|---|---|"]
    for form in FORMATS:
        marks = " ".join(f"`{mark}`" for mark in (*form.endings, *form.names))
        extra = f"`datagen[{form.extra}]`" if form.extra else ""
        lines.append(f"| {form.name} | {marks} | {form.summary} | {extra} |")
    return "\n".join(lines) + "\n"
