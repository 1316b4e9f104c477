"""Read a file's lines, decoded one at a time, so that memory holds one line and not the file."""

import codecs
import io
import re
from collections.abc import Iterator
from typing import IO, cast

from datagen.request import Reject
from datagen.stages.sources.ingest.decoding import BOMS, WIDE_SAMPLE, wide
from datagen.stages.sources.ingest.record import File, too_large

REMEDY = "Name its encoding with encoding: in the recipe"
NOT_UTF8 = re.compile("[\udc80-\udcff]")  # bytes that are not UTF-8, decoded as lone surrogates
MARK = "\ufeff"  # a byte-order mark; files that were concatenated have one in the middle


def numbered_lines(file: File, escaped: bool = False) -> Iterator[tuple[int, str | Reject]]:
    r"""
    Read a file's lines, numbered from 1, with their ends: \n, \r\n or \r.

    The encoding is that of the byte-order mark, else ``encoding:`` in the recipe, else that found by `wide`,
    else UTF-8; a line that is not UTF-8 is yielded as a `Reject`. The last line of data that end early is not
    complete, and is left out.

    Parameters
    ----------
    file
        The file.
    escaped
        Yield a line that is not UTF-8 as text in which `NOT_UTF8` finds the invalid bytes.

    Raises
    ------
    Reject
        If a line is larger than a document may be, or the file is not in the stated encoding.
    """
    with file.open() as opened:
        stream = cast(io.BufferedReader, opened)  # a second buffer would lose what precedes an error
        head = stream.peek(WIDE_SAMPLE)[:WIDE_SAMPLE]
        mark = next((mark for mark in BOMS if head.startswith(mark)), b"")
        encoding = BOMS.get(mark) or file.entry.encoding or wide(head) or "utf-8"
        try:
            if codecs.lookup(encoding).name in ("utf-8", "utf-8-sig"):
                yield from _utf8_lines(stream, file, escaped)
            else:
                yield from _text_lines(stream, encoding, file)
        except (UnicodeError, LookupError) as error:
            raise Reject("not in its encoding", f"{file.name}: {encoding}: {error}") from error


def _utf8_lines(stream: IO[bytes], file: File, escaped: bool) -> Iterator[tuple[int, str | Reject]]:
    limit, number = file.limits.document_bytes, 0
    while data := stream.readline(limit + 1):
        if len(data) > limit:
            raise too_large(file.limits)
        if file.cut and not data.endswith((b"\n", b"\r")):
            return
        for line in data.splitlines(keepends=True) if b"\r" in data else [data]:
            number += 1
            try:
                text = line.decode("utf-8", "surrogateescape" if escaped else "strict")
            except UnicodeDecodeError as error:
                problem = "it is binary, not text" if b"\0" in line else f"{error}. {REMEDY}"
                yield number, Reject("not utf-8", f"{file.name}:{number}: {problem}")
            else:
                yield number, text.removeprefix(MARK)


def _text_lines(stream: IO[bytes], encoding: str, file: File) -> Iterator[tuple[int, str | Reject]]:
    limit, number = file.limits.document_bytes, 0
    text = io.TextIOWrapper(stream, encoding, newline="")
    while line := text.readline(limit + 1):
        if len(line) > limit:
            raise too_large(file.limits)
        if file.cut and not line.endswith(("\n", "\r")):
            return
        number += 1
        yield number, line.removeprefix(MARK)
