"""What a reader is given and what it gives: a file of the corpus, and the documents in it."""

import codecs
import gzip
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import chardet

from datagen.recipe.model import Source
from datagen.request import Reject

BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32"}
BOMS |= {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}

# What is neither text nor layout: control characters, and byte-order marks wherever they stand. A form feed
# ends a line, as Unicode's own line and paragraph separators do.
CONTROL = dict.fromkeys([*range(0x09), *range(0x0E, 0x20), *range(0x7F, 0xA0), 0xFEFF])
CONTROL |= dict.fromkeys([0x0B, 0x0C, 0x85, 0x2028, 0x2029], "\n") | dict.fromkeys(
    range(0xD800, 0xE000), "\ufffd"
)


@dataclass(frozen=True)
class File:
    """
    A file of the corpus.

    Parameters
    ----------
    path
        Where it is; empty for a mapping in a Python module.
    name
        What `source` calls it: the same on every machine.
    given
        The recipe's entry that named it.
    """

    path: Path
    name: str
    given: Source

    @property
    def zipped(self) -> bool:
        """Whether it is gzipped."""
        return self.name.lower().endswith(".gz")

    @property
    def basename(self) -> str:
        """Its name without folder and compression's ending: "README.md" of docs/README.md.gz."""
        name = self.name.rpartition("/")[2]
        return name[: -len(".gz")] if self.zipped else name

    @property
    def stem(self) -> str:
        """Its name without folder and endings: a title where nothing better is found."""
        return Path(self.basename).stem

    def open(self) -> IO[bytes]:
        """Open it for reading from the front, decompressed."""
        return gzip.open(self.path) if self.zipped else self.path.open("rb")  # type: ignore[return-value]

    def seekable(self) -> IO[bytes]:
        """Open it for reading at any position, decompressed."""
        return BytesIO(self.read()) if self.zipped else self.open()

    def read(self) -> bytes:
        """Read it whole, decompressed."""
        with self.open() as stream:
            return stream.read()

    def text(self) -> tuple[str, str]:
        """
        Read it whole and decode it (`decode`).

        Returns
        -------
        text, encoding

        Raises
        ------
        Reject
            When it is no text in any known encoding.
        """
        return decode(self.read())


@dataclass(frozen=True)
class Record:
    """
    A document as a reader found it.

    Parameters
    ----------
    text
        Its text, headings marked as in Markdown; it is normalised afterwards (`normalise`).
    title
        Its title; "" where the format gives none: then it is the heading that the text opens with, or the
        file's name.
    name
        What names it in its file: the id field or the key; None for a file that is one document, "" where
        nothing does.
    line
        Line, row or page in its file, from 1; 0 for a file that is one document.
    metadata
        What else the record or the page said about itself.
    """

    text: str
    title: str = ""
    name: str | None = None
    line: int = 0
    metadata: dict[str, Any] = field(default_factory=dict)


Reader = Callable[[File], Iterator[Record | Reject]]


def normalise(text: str) -> str:
    r"""
    Write a text in one form: NFC, lines ended by \n, no control characters, no blanks at the ends of lines.

    Nothing else is changed: passages and evidence are quoted from it.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").translate(CONTROL)
    lines = [line.rstrip() for line in unicodedata.normalize("NFC", text).split("\n")]
    return "\n".join(lines).strip("\n")


def decode(data: bytes) -> tuple[str, str]:
    """
    Decode a text: by its byte-order mark, as UTF-8, or as the likeliest other encoding.

    chardet, and not charset-normalizer: of 337 texts in seven legacy encodings it told 337, the other 296,
    and took most Spanish ones for Central European.

    Returns
    -------
    text, encoding
        The encoding is "utf-8" or what was told from a mark or from the bytes.

    Raises
    ------
    Reject
        When the bytes are no text in any known encoding.
    """
    for mark, encoding in BOMS.items():
        if data.startswith(mark):
            return data.decode(encoding, "replace"), encoding.removesuffix("-sig")
    if b"\0" not in data:
        try:
            return data.decode("utf-8"), "utf-8"
        except UnicodeDecodeError:
            pass
    likely = chardet.detect(data)["encoding"]
    if likely is None:
        raise Reject("not utf-8 nor any known encoding", f"it begins with {data[:16]!r}")
    try:
        return data.decode(likely), likely.lower()
    except (UnicodeDecodeError, LookupError) as error:
        raise Reject("not utf-8 nor any known encoding", f"likely {likely}, but {error}") from error


def unusual(encoding: str) -> dict[str, str]:
    """Give the metadata of a text that was not UTF-8: which encoding it was taken for."""
    return {} if encoding == "utf-8" else {"encoding": encoding}
