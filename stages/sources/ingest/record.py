"""The input and output of readers: a file of the corpus, and the documents in it."""

import codecs
import errno
import io
import os
import re
import stat
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path
from typing import IO

from datagen.recipe.sections import Source
from datagen.request import Reject
from datagen.stages.sources.ingest.compression import compression_of, decompressed

DEPTH = 3  # of archives within archives
CHUNK = 1 << 18  # bytes; most files are smaller
WIDE = ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")
WIDE_SAMPLE = 4096  # bytes from which they are recognised
SAMPLE = 50_000  # bytes on either side of the first non-UTF-8 byte, from which the encoding is guessed

BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32"}
BOMS |= {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}

ISO_2022 = re.compile(rb"\x1b[$(][@-Z(]")  # escapes that choose characters; those of terminals are \x1b[
MULTIBYTE = re.compile(rb"[\xc3-\xf4][\x80-\xbf]+")
UNPRINTABLE = re.compile(rb"[^\t\n\r\f -~]+")
PLAIN = 0.75  # least share of printable ASCII in text with stray NULs; in wide CJK text it is about a half
MIXED = 8  # non-ASCII characters after which a text counts as UTF-8, even if errors follow

# Neither text nor layout: control characters, and byte-order marks at any position. A form feed ends a line,
# like Unicode's line and paragraph separators.
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
    Limits for one document.

    Parameters
    ----------
    seconds
        Processor time to read it.
    memory_mb
        Memory of the process that reads it.
    document_mb
        Its decompressed size if it is read whole, and the size of its text.
    """

    seconds: float = 60
    memory_mb: int = 800
    document_mb: int = 64

    @property
    def document_bytes(self) -> int:
        """`document_mb` in bytes."""
        return self.document_mb * 1_000_000


def matches(path: Sequence[str], pattern: Sequence[str]) -> bool:
    """Check whether the parts of a path match those of a glob; ``**`` matches any number of parts."""
    if not pattern:
        return not path
    if pattern[0] == "**":
        return any(matches(path[at:], pattern[1:]) for at in range(len(path) + 1))
    return bool(path) and fnmatchcase(path[0], pattern[0]) and matches(path[1:], pattern[1:])


def pattern_parts(pattern: str) -> list[str]:
    """Split a glob into parts; one without a slash matches a name in any folder."""
    parts = [part for part in pattern.split("/") if part not in ("", ".")]
    return parts if "/" in pattern.rstrip("/") else ["**", *parts]


def _opener(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW)  # a pipe would block


def _open_regular(path: Path) -> IO[bytes]:
    """Open a file, unless it has been replaced since it was found: a link could lead out of the corpus."""
    try:
        stream = open(path, "rb", opener=_opener)  # noqa: SIM115
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _replaced() from error
        raise
    if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        stream.close()
        raise _replaced()
    return stream


def _replaced() -> Reject:
    return Reject("not a file", "it has been replaced by a link, a pipe or a folder since it was found")


@dataclass(frozen=True)
class File:
    """
    A file of the corpus, or a member of an archive in it.

    Parameters
    ----------
    path
        Its path, of which the last part is not a link; empty for a mapping in a Python module.
    name
        Its name in `source`, which is the same on every machine.
    given
        The recipe's corpus entry that it belongs to.
    size
        Its size in bytes, without decompression.
    limits
        The limits of each of its documents.
    opener
        Opens a member of an archive; None for a file on the disk.
    depth
        Number of archives around it.
    remote
        Whether it is in an object store; then `opener` opens it for reading at any position.
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
        """The ending of its compression, such as ".gz"; "" if it has none."""
        return compression_of(self.name)

    @property
    def basename(self) -> str:
        """Its name without folder and compression ending: "README.md" for docs/README.md.gz."""
        name = re.split("[/!]", self.name)[-1]
        return name[: -len(self.compression)] if self.compression else name

    @property
    def stem(self) -> str:
        """Its name without folder and endings: the default title."""
        return Path(self.basename).stem

    def member(self, name: str, opener: Callable[[], IO[bytes]], size: int) -> "File":
        """
        Return a file within this one: a member of an archive, or an attachment of a message.

        Parameters
        ----------
        name
            Its path within this file.
        opener
            Opens it as a buffered reader with a size limit (`bounded` in `compression`).
        size
            Its size in bytes.

        Raises
        ------
        Reject
            If it would be nested in more than `DEPTH` archives.
        """
        if self.depth == DEPTH:
            raise Reject("nested too deep", f"{self.name}!{name} is in more than {DEPTH} archives")
        path = f"{self.name}!{name}"
        return replace(self, name=path, opener=opener, size=size, depth=self.depth + 1, remote=False)

    def open(self) -> IO[bytes]:
        """Open it for sequential reading, decompressed; reading raises `Reject` if it grows without bound."""
        return self._open()[0]

    def seekable(self) -> IO[bytes]:
        """Open it for reading at any position, decompressed."""
        stream, compressed = self._open()
        if not compressed and (self.opener is None or self.remote):
            return stream
        with stream:
            return io.BytesIO(self._whole(stream))

    def stored(self) -> IO[bytes]:
        """Open it for sequential reading as it is stored, not decompressed."""
        return self.opener() if self.opener else _open_regular(self.path)

    def _open(self) -> tuple[IO[bytes], bool]:
        ending = Path(self.name).suffix.lower() if self.compression else ""
        return decompressed(self.stored(), ending, self.size)

    def read(self) -> bytes:
        """
        Read it whole, decompressed.

        Raises
        ------
        Reject
            If it is larger than a document may be.
        """
        with self.open() as stream:
            return self._whole(stream)

    def _whole(self, stream: IO[bytes]) -> bytes:
        limit = self.limits.document_bytes
        data = stream.read(CHUNK)
        if len(data) == CHUNK:  # so that not every small file allocates the limit
            data += stream.read(max(0, limit + 1 - CHUNK))
        if len(data) > limit:
            raise too_large(self.limits)
        return data

    def head(self, count: int) -> bytes:
        """Read its first `count` bytes, decompressed."""
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
            If it is not text in any known encoding, or too large.
        """
        return decode(self.read(), self.given.encoding)


@dataclass(frozen=True)
class Record:
    """
    A document as read from its file.

    Parameters
    ----------
    text
        Its text, with headings marked as in Markdown; it is normalised afterwards (`normalise`).
    title
        Its title; "" if the format has none: then the initial heading of the text or the file's name is used.
    name
        Its name within the file: the id field or the key; None for a file that is one document, "" if it has
        no name.
    line
        Line, row or page in its file, from 1; 0 for a file that is one document.
    metadata
        The other fields of the record, or the metadata of the file.
    """

    text: str
    title: str = ""
    name: str | None = None
    line: int = 0
    metadata: Mapping[str, object] = field(default_factory=dict)


Reader = Callable[[File], Iterator[Record | File | Reject]]


def normalise(text: str) -> str:
    r"""
    Normalise a text: NFC, line ends \n, no control characters, no white space at the ends of lines.

    Nothing else is changed, because passages and evidence are quoted from it.
    """
    text = CONTROL.sub(_plain, text.replace("\r\n", "\n").replace("\r", "\n"))
    lines = [line.rstrip() for line in unicodedata.normalize("NFC", text).split("\n")]
    return "\n".join(lines).strip("\n")


def _plain(control: re.Match[str]) -> str:
    sign = control[0]
    return "\n" if sign in LINE_ENDS else "\ufffd" if "\ud800" <= sign <= "\udfff" else ""


def decode(data: bytes, stated: str = "") -> tuple[str, str]:
    """
    Decode a text: by its byte-order mark, as UTF-8, in the stated encoding, or in the likeliest one.

    chardet is used rather than charset-normalizer: it recognised 337 of 337 texts in seven legacy encodings;
    charset-normalizer recognised 296 and took most Spanish ones for Central European. For English texts with
    a few non-ASCII letters the encoding is not guessed, because there is too little evidence.

    Parameters
    ----------
    data
        The text's bytes.
    stated
        The stated encoding; "" if none is stated.

    Returns
    -------
    text, encoding
        The encoding is "utf-8", or that of the mark, the stated one, or the guessed one.

    Raises
    ------
    Reject
        If the bytes are not text in any known encoding.
    """
    for mark, encoding in BOMS.items():
        if data.startswith(mark):
            return data.decode(encoding, "replace"), encoding.removesuffix("-sig")
    at = 0
    if not stated and (encoding := wide(data)):
        return data.decode(encoding, "replace"), encoding
    escaped = (stated and b"\x1b" in data) or ISO_2022.search(data)  # ISO 2022 consists of ASCII and escapes
    if b"\0" not in data and not escaped:
        try:
            return data.decode("utf-8"), "utf-8"
        except UnicodeDecodeError as error:
            at = error.start
            if not stated and sum(1 for _ in islice(MULTIBYTE.finditer(data, 0, at), MIXED)) == MIXED:
                detail = f"UTF-8 up to byte {at:,}, then not: damaged, or two encodings in one file"
                raise Reject("mixed encodings", detail) from error
    encoding = stated or _likely_encoding(data[max(0, at - SAMPLE) : at + SAMPLE])
    try:
        return data.decode(encoding), encoding.lower()
    except (UnicodeDecodeError, LookupError) as error:
        origin = "encoding:" if stated else "likely"
        raise Reject("not utf-8 nor any known encoding", f"{origin} {encoding}, but {error}") from error


def wide(data: bytes) -> str:
    """
    Recognise UTF-16 and UTF-32 without a byte-order mark by their first bytes; "" if it is neither.

    Unlike text in other encodings they contain NULs, and they decode to text in one byte order only.
    """
    sample = data[:WIDE_SAMPLE]
    bare = sample.replace(b"\0", b"")
    printable = len(UNPRINTABLE.sub(b"", bare))
    most = 1.9 if printable == len(bare) else 1.1 if printable >= PLAIN * len(bare) else 1.0
    if len(sample) <= most * len(bare):
        return ""  # no NUL, or a few in plain text
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
    import chardet  # loaded when used, as recipes load all stages

    likely = chardet.detect(data)
    if likely["encoding"] is None:
        raise Reject("not utf-8 nor any known encoding", f"it begins with {data[:16]!r}")
    if likely["language"] != "en":
        return str(likely["encoding"])
    if unknown := re.search(rb"[\x80-\xff]", WINDOWS_SIGNS.sub(b"", data)):
        quoted = data[max(0, (at := data.find(unknown[0])) - 10) : at + 10]
        raise Reject(
            "unknown encoding",
            f"not UTF-8, and too few non-ASCII letters to recognise the encoding, as in {quoted!r}. "
            "Name it with encoding: in the corpus entry",
        )
    return "windows-1252"


def unusual(encoding: str) -> dict[str, str]:
    """Return the metadata of a text that was not UTF-8: the encoding used."""
    return {} if encoding == "utf-8" else {"encoding": encoding}


def is_hidden(path: str) -> bool:
    """Check whether a member of an archive is hidden, or was added by macOS."""
    parts = path.replace("\\", "/").split("/")
    return any(part.startswith(".") and part.strip(".") for part in parts) or "__MACOSX" in parts


def too_large(limits: Limits) -> Reject:
    """Return the rejection of a document above the size limit."""
    return Reject("too large", f"more than {limits.document_mb} MB; stages.ingest.document_mb allows more")
