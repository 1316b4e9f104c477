"""What a reader is given and what it gives: a file of the corpus, and the documents in it."""

import codecs
import io
import os
import re
import stat
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path
from typing import IO, Any

import chardet

from datagen.recipe.sections import Source
from datagen.request import Reject
from datagen.stages.sources.ingest.compression import compression_of, decompressed

DEPTH = 3  # of archives within archives
CHUNK = 1 << 18  # bytes that most files have not
WIDE = ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")
WIDE_SAMPLE = 4096  # bytes that tell one of them
SAMPLE = 50_000  # bytes on either side of the first that is not UTF-8, which its encoding is told from

BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32"}
BOMS |= {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}

ISO_2022 = re.compile(rb"\x1b[$(][@-Z(]")  # escapes that choose characters; those of terminals are \x1b[
MULTIBYTE = re.compile(rb"[\xc3-\xf4][\x80-\xbf]+")
PRINTABLE = re.compile(rb"[\t\n\r\f -~]*")
MIXED = 8  # characters beyond ASCII, after which a text is UTF-8 whatever follows

# What is neither text nor layout: control characters, and byte-order marks wherever they stand. A form feed
# ends a line, as Unicode's own line and paragraph separators do.
CONTROL = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff]")
NO_TEXT = ("Cc", "Cn", "Co", "Cs")  # categories of characters
LAYOUT = frozenset("\t\n\r\f\ufeff")
LINE_ENDS = "\x0b\x0c\x85\u2028\u2029"

# Bytes that mean the same in all Windows code pages: quotes, dashes, an ellipsis, a bullet, signs.
WINDOWS_SIGNS = re.compile(
    rb"[\x82\x84-\x87\x89\x8b\x91-\x97\x99\x9b\xa0\xa6\xa7\xa9\xab-\xae\xb0\xb1\xb5-\xb7\xbb]"
)


@dataclass(frozen=True)
class Limits:
    """
    What one document may take.

    Parameters
    ----------
    seconds
        Processor time to read it.
    memory_mb
        Memory of the process that reads it.
    document_mb
        Its own size where it is read whole: decompressed, and as text.
    """

    seconds: float = 60
    memory_mb: int = 800
    document_mb: int = 64

    @property
    def document_bytes(self) -> int:
        """`document_mb` in bytes."""
        return self.document_mb * 1_000_000


def matches(path: Sequence[str], pattern: Sequence[str]) -> bool:
    """Tell whether the parts of a path match those of a glob, of which ``**`` stands for any number."""
    if not pattern:
        return not path
    if pattern[0] == "**":
        return any(matches(path[at:], pattern[1:]) for at in range(len(path) + 1))
    return bool(path) and fnmatchcase(path[0], pattern[0]) and matches(path[1:], pattern[1:])


def pattern_parts(pattern: str) -> list[str]:
    """Split a glob into parts; one without a slash matches a name in any folder."""
    parts = [part for part in pattern.split("/") if part not in ("", ".")]
    return parts if "/" in pattern.rstrip("/") else ["**", *parts]


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def _open_regular(path: Path) -> IO[bytes]:
    """Open a file that may have become something else since it was found: a pipe would block its reader."""
    stream = open(path, "rb", opener=_without_waiting)  # noqa: SIM115
    if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        stream.close()
        raise Reject("not a file", "it is a pipe, a device or a folder now, and was a file when it was found")
    return stream


@dataclass(frozen=True)
class File:
    """
    A file of the corpus, or a member of an archive in it.

    Parameters
    ----------
    path
        Where it is; empty for a mapping in a Python module.
    name
        What `source` calls it: the same on every machine.
    given
        The recipe's entry that named it.
    size
        Its bytes, compressed as it is.
    limits
        What a document of it may take.
    opener
        Opens a member of an archive; None for a file on the disk.
    depth
        Archives around it.
    remote
        Whether it is in an object store, where `opener` opens it for reading at any position.
    """

    path: Path
    name: str
    given: Source
    size: int = 0
    limits: Limits = Limits()
    opener: Callable[[], IO[bytes]] | None = None
    depth: int = 0
    remote: bool = False

    @property
    def compression(self) -> str:
        """The ending of its compression, such as ".gz"; "" where it has none."""
        return compression_of(self.name)

    @property
    def basename(self) -> str:
        """Its name without folder and compression's ending: "README.md" of docs/README.md.gz."""
        name = re.split("[/!]", self.name)[-1]
        return name[: -len(self.compression)] if self.compression else name

    @property
    def stem(self) -> str:
        """Its name without folder and endings: a title where nothing better is found."""
        return Path(self.basename).stem

    def member(self, name: str, opener: Callable[[], IO[bytes]], size: int) -> "File":
        """
        Name a file within this one: a member of an archive, an attachment of a letter.

        Parameters
        ----------
        name
            Its path within.
        opener
            Opens it, bounded (`datagen.stages.sources.ingest.compression.bounded`).
        size
            Its bytes.

        Raises
        ------
        Reject
            When there are `DEPTH` archives around it already.
        """
        if self.depth == DEPTH:
            raise Reject("nested too deep", f"{self.name}!{name} stands in {DEPTH} archives")
        path = f"{self.name}!{name}"
        return replace(self, name=path, opener=opener, size=size, depth=self.depth + 1, remote=False)

    def open(self) -> IO[bytes]:
        """Open it for reading from the front, decompressed; what grows without bound raises `Reject`."""
        stream: IO[bytes] = self.opener() if self.opener else _open_regular(self.path)
        return decompressed(stream, self.compression, self.size) if self.compression else stream

    def seekable(self) -> IO[bytes]:
        """Open it for reading at any position, decompressed."""
        is_stream = self.compression or (self.opener and not self.remote)
        return io.BytesIO(self.read()) if is_stream else self.open()

    def read(self) -> bytes:
        """
        Read it whole, decompressed.

        Raises
        ------
        Reject
            When it is larger than a document may be.
        """
        limit = self.limits.document_bytes
        with self.open() as stream:
            data = stream.read(CHUNK)
            if len(data) == CHUNK:  # room for the limit is not asked of the system for every small file
                data += stream.read(max(0, limit + 1 - CHUNK))
        if len(data) > limit:
            raise too_large(self.limits)
        return data

    def head(self, count: int) -> bytes:
        """Read so many bytes from its front, decompressed."""
        with self.open() as stream:
            return stream.read(count)

    def text(self) -> tuple[str, str]:
        """
        Read it whole and decode it (`decode`).

        Returns
        -------
        text, encoding

        Raises
        ------
        Reject
            When it is no text in any known encoding, or too large.
        """
        return decode(self.read(), self.given.encoding)


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


Reader = Callable[[File], Iterator[Record | File | Reject]]


def normalise(text: str) -> str:
    r"""
    Write a text in one form: NFC, lines ended by \n, no control characters, no blanks at the ends of lines.

    Nothing else is changed: passages and evidence are quoted from it.
    """
    text = CONTROL.sub(_plain, text.replace("\r\n", "\n").replace("\r", "\n"))
    lines = [line.rstrip() for line in unicodedata.normalize("NFC", text).split("\n")]
    return "\n".join(lines).strip("\n")


def _plain(control: re.Match[str]) -> str:
    sign = control[0]
    return "\n" if sign in LINE_ENDS else "\ufffd" if "\ud800" <= sign <= "\udfff" else ""


def decode(data: bytes, stated: str = "") -> tuple[str, str]:
    """
    Decode a text: by its byte-order mark, as UTF-8, as the encoding that was stated, or as the likeliest one.

    chardet, and not charset-normalizer: of 337 texts in seven legacy encodings it told 337, the other 296,
    and took most Spanish ones for Central European. An English text tells nothing of the few letters in it
    that are not ASCII, so it is not guessed.

    Parameters
    ----------
    data
        The text's bytes.
    stated
        What is said of its encoding; "" where nothing is.

    Returns
    -------
    text, encoding
        The encoding is "utf-8" or what was told from a mark, from what was stated or from the bytes.

    Raises
    ------
    Reject
        When the bytes are no text in any known encoding.
    """
    for mark, encoding in BOMS.items():
        if data.startswith(mark):
            return data.decode(encoding, "replace"), encoding.removesuffix("-sig")
    at = 0
    if not stated and (encoding := wide(data)):
        return data.decode(encoding, "replace"), encoding
    escaped = (stated and b"\x1b" in data) or ISO_2022.search(data)  # ISO 2022 is all ASCII, with escapes
    if b"\0" not in data and not escaped:
        try:
            return data.decode("utf-8"), "utf-8"
        except UnicodeDecodeError as error:
            at = error.start
            if not stated and sum(1 for _ in islice(MULTIBYTE.finditer(data, 0, at), MIXED)) == MIXED:
                said = f"UTF-8 up to byte {at:,}, then not: damaged, or two encodings in one file"
                raise Reject("mixed encodings", said) from error
    encoding = stated or _likely_encoding(data[max(0, at - SAMPLE) : at + SAMPLE])
    try:
        return data.decode(encoding), encoding.lower()
    except (UnicodeDecodeError, LookupError) as error:
        told = "encoding:" if stated else "likely"
        raise Reject("not utf-8 nor any known encoding", f"{told} {encoding}, but {error}") from error


def wide(data: bytes) -> str:
    """
    Tell UTF-16 and UTF-32 that have no byte-order mark by their first bytes; "" where it is neither.

    They hold the NULs that text in no other encoding has, and read as text in one byte order only.
    """
    sample = data[:WIDE_SAMPLE]
    bare = sample.replace(b"\0", b"")
    if len(bare) == len(sample) or (PRINTABLE.fullmatch(bare) and len(sample) < 1.9 * len(bare)):
        return ""  # no NUL, or a few in a plain text
    likely: dict[str, int] = {}
    for encoding in WIDE:
        try:
            text = codecs.getincrementaldecoder(encoding)().decode(sample)
        except UnicodeDecodeError:
            continue
        ascii_signs = sum(sign < "\x80" for sign in text)
        if ascii_signs and not any(unicodedata.category(sign) in NO_TEXT for sign in set(text) - LAYOUT):
            likely[encoding] = ascii_signs
    return max(likely, key=lambda encoding: likely[encoding], default="")


def _likely_encoding(data: bytes) -> str:
    likely = chardet.detect(data)
    if likely["encoding"] is None:
        raise Reject("not utf-8 nor any known encoding", f"it begins with {data[:16]!r}")
    if likely["language"] != "en":
        return str(likely["encoding"])
    if unknown := re.search(rb"[\x80-\xff]", WINDOWS_SIGNS.sub(b"", data)):
        seen = data[max(0, (at := data.find(unknown[0])) - 10) : at + 10]
        raise Reject(
            "unknown encoding",
            f"not UTF-8, and a letter or two do not tell which it is, as in {seen!r}. "
            "Name it with encoding: in the corpus entry",
        )
    return "windows-1252"


def unusual(encoding: str) -> dict[str, str]:
    """Give the metadata of a text that was not UTF-8: which encoding it was taken for."""
    return {} if encoding == "utf-8" else {"encoding": encoding}


def is_hidden(path: str) -> bool:
    """Tell whether a member of an archive is hidden, or one of those that a Mac adds."""
    parts = path.replace("\\", "/").split("/")
    return any(part.startswith(".") and part.strip(".") for part in parts) or "__MACOSX" in parts


def too_large(limits: Limits) -> Reject:
    """Say that a document is larger than it may be."""
    return Reject("too large", f"more than {limits.document_mb} MB; stages.ingest.document_mb allows more")
