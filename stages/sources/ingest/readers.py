"""
How files become documents: one reader a format.

A reader takes a `File` and yields `Record`s, one a document, or a `Reject` for what could not be read,
one at a time, so that memory holds a record and not a file. A format is added by one entry in `READERS`.
"""

import gzip
import importlib
import json
import unicodedata
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import chardet
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from html_to_markdown import ConversionError

from datagen.errors import UserError
from datagen.recipe.sections import Source
from datagen.request import Reject
from datagen.stages.shared.segment.blocks import first_heading
from datagen.stages.sources.ingest.webpage import read_webpage

BOMS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe\0\0": "utf-32", b"\0\0\xfe\xff": "utf-32"}
BOMS |= {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
PARQUET_ROWS = 256  # read at once

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
    def ending(self) -> str:
        """Its format's ending in lower case, without .gz: ".md" of README.MD.gz; "python" for a mapping."""
        if self.given.python:
            return "python"
        return Path(self.path.stem if self.zipped else self.path.name).suffix.lower()

    @property
    def zipped(self) -> bool:
        """Whether it is gzipped."""
        return self.path.suffix.lower() == ".gz"

    @property
    def stem(self) -> str:
        """Its name without folder and endings."""
        return Path(self.path.stem).stem if self.zipped else self.path.stem

    def open(self) -> IO[bytes]:
        """Open it for reading, unzipped."""
        return gzip.open(self.path) if self.zipped else self.path.open("rb")  # type: ignore[return-value]


@dataclass(frozen=True)
class Record:
    """
    A document as it was read.

    Parameters
    ----------
    text
        Normalised text.
    title
        Its title; "" where none was found.
    name
        What names it in its file: the id field or the key; None for a file that is one document, "" where
        nothing does.
    line
        Line or row number in its file, from 1; 0 for a file that is one document.
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


def read_plain(file: File) -> Iterator[Record | Reject]:
    """Read plain text; a Markdown file's YAML front matter becomes its metadata."""
    with file.open() as stream:
        text, encoding = decode(stream.read())
    text, metadata = _front_matter(normalise(text))
    title = _title(metadata, "title") or first_heading(text) or file.stem
    yield Record(text, title, metadata=metadata | _unusual(encoding))


def read_html(file: File) -> Iterator[Record | Reject]:
    """Read a web page as Markdown, without its furniture."""
    with file.open() as stream:
        page, encoding = decode(stream.read())
    try:
        text, title = read_webpage(page)
    except ConversionError as error:
        raise Reject("unreadable file", str(error)) from error
    text, title = normalise(text), normalise(title)
    yield Record(text, title or first_heading(text) or file.stem, metadata=_unusual(encoding))


def read_jsonl(file: File) -> Iterator[Record | Reject]:
    """Read one JSON object a line; blank lines are no records."""
    with file.open() as stream:
        yield from _records(_json_lines(stream, file), file)


def read_parquet(file: File) -> Iterator[Record | Reject]:
    """Read one record a row."""
    with file.open() as stream:
        table = pq.ParquetFile(stream)
        names = table.schema_arrow.names
        if file.given.text_field not in names:
            raise _no_text_field(file, names)
        batches = table.iter_batches(PARQUET_ROWS)
        yield from _records(enumerate((row for batch in batches for row in batch.to_pylist()), start=1), file)


def read_mapping(file: File) -> Iterator[Record | Reject]:
    """Read a mapping of titles to texts in a Python module."""
    for key, text in find_mapping(file.given.python).items():
        if isinstance(text, str):
            text = normalise(text)
            yield Record(text, first_heading(text) or str(key), str(key))
        else:
            yield Reject("no text field", f"{file.name}#{key}: a {type(text).__name__}, not a text")


def find_mapping(where: str) -> Mapping[Any, Any]:
    """
    Import the mapping that ``module:attribute`` names.

    Raises
    ------
    UserError
        When there is none.
    """
    module, _, attribute = where.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(
            f"corpus: python: {where!r} cannot be imported: {error}. "
            "Write module:attribute, of a module that is installed"
        ) from error
    if not isinstance(found, Mapping):
        raise UserError(
            f"corpus: python: {where!r} is a {type(found).__name__}, not a mapping of titles to texts"
        )
    return found


def _json_lines(stream: IO[bytes], file: File) -> Iterator[tuple[int, dict[str, Any] | Reject]]:
    for number, line in enumerate(stream, start=1):
        if not line.strip():
            continue
        try:
            fields = json.loads(line.decode("utf-8-sig"))
        except (ValueError, RecursionError) as error:  # not JSON, not UTF-8, nested too deep
            yield number, Reject("bad json line", f"{file.name}:{number}: {error}")
            continue
        known = isinstance(fields, dict)
        yield number, fields if known else Reject("bad json line", f"{file.name}:{number}: not an object")


def _records(rows: Iterable[tuple[int, dict[str, Any] | Reject]], file: File) -> Iterator[Record | Reject]:
    """Make records of numbered fields, and see that any of them has a text."""
    count = texts = 0
    names: list[str] = []
    for number, fields in rows:
        count += 1
        if isinstance(fields, Reject):
            yield fields
            continue
        names = names or list(fields)
        record = _record(fields, number, file)
        texts += isinstance(record, Record)
        yield record
    if count and not texts:
        raise _no_text_field(file, names)


def _record(fields: dict[str, Any], number: int, file: File) -> Record | Reject:
    """Make a record of fields; what is neither text, title nor id becomes metadata."""
    given = file.given
    text = fields.pop(given.text_field, None)
    if not isinstance(text, str):
        seen = "absent" if text is None else f"a {type(text).__name__}"
        return Reject("no text field", f"{file.name}:{number}: {given.text_field} is {seen}")
    text = normalise(text)
    title = _title(fields, given.title_field) or first_heading(text) or file.stem
    name = fields.pop(given.id_field, None)
    return Record(text, title, "" if name is None else str(name), number, fields)


def _title(fields: dict[str, Any], name: str) -> str:
    """Take the title out of a record's fields, on one line; "" where there is none or it is no text."""
    return " ".join(normalise(fields.pop(name)).split()) if isinstance(fields.get(name), str) else ""


def _no_text_field(file: File, names: list[str]) -> UserError:
    seen = f"Its fields are {', '.join(names)}" if names else "None of its lines is a JSON object"
    return UserError(
        f"corpus: path: {file.given.path!r}: no record of {file.name} has a text in the field "
        f"{file.given.text_field!r}. {seen}; name the right one with text_field:"
    )


def _front_matter(text: str) -> tuple[str, dict[str, Any]]:
    """Split off the YAML between two lines of --- that a Markdown file may begin with."""
    if text.startswith("---\n") and (end := text.find("\n---\n", 3)) > 0:
        try:
            fields = yaml.safe_load(text[4:end])
        except yaml.YAMLError:
            return text, {}
        if isinstance(fields, dict):
            return text[end + 5 :].strip("\n"), {str(key): value for key, value in fields.items()}
    return text, {}


def _unusual(encoding: str) -> dict[str, str]:
    return {} if encoding == "utf-8" else {"encoding": encoding}


# Ending -> what `format` calls it, and its reader.
READERS: dict[str, tuple[str, Reader]] = {
    "python": ("text", read_mapping),
    ".txt": ("text", read_plain),
    ".text": ("text", read_plain),
    ".rst": ("text", read_plain),
    ".md": ("markdown", read_plain),
    ".markdown": ("markdown", read_plain),
    ".html": ("html", read_html),
    ".htm": ("html", read_html),
    ".xhtml": ("html", read_html),
    ".jsonl": ("jsonl", read_jsonl),
    ".ndjson": ("jsonl", read_jsonl),
    ".parquet": ("parquet", read_parquet),
}

# What a file that is damaged, unreadable or no such format makes its reader raise.
UNREADABLE = (OSError, EOFError, pa.ArrowException, zlib.error)
