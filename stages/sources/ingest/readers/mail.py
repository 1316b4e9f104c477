"""E-mail: a single message, or a mailbox."""

import re
from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import EmailPolicy
from functools import partial
from io import BufferedReader, BytesIO, RawIOBase
from typing import IO, cast

from datagen.request import Reject
from datagen.stages.sources.ingest.decoding import decode, decode_declared
from datagen.stages.sources.ingest.formats import by_name
from datagen.stages.sources.ingest.readers.digest import Message, split_digest
from datagen.stages.sources.ingest.readers.mail_parts import (
    SIGNATURE,
    attachments,
    body_of,
    content_of,
    header_of,
    repair_boundaries,
)
from datagen.stages.sources.ingest.readers.mail_text import (
    PICTURE,
    without_footer,
    without_quote,
    without_signature,
    without_tracking,
)
from datagen.stages.sources.ingest.record import File, Record

FORWARD = re.compile(r"(?:re: ?|aw: ?)*(?:fwd?|wg|tr|rv|enc|i|pd|doorst|转发|転送) ?[:：]", re.IGNORECASE)
HEADERS = {"from": "From", "to": "To", "date": "Date"}
DECODED = ("subject", "from", "to")
LONE = re.compile("[\udc80-\udcff]")  # a byte that is not UTF-8
LONGEST_HEADER = 4_000  # characters of a header that are parsed, which takes superlinear time
REPORTS = ("delivery-status", "disposition-notification")
MAILER = re.compile(r"mailer-daemon(?:@|\Z)", re.IGNORECASE)
ESCAPED = re.compile(rb"^>(>*From )", re.MULTILINE)


class _Policy(EmailPolicy):
    """Cuts long headers before they are parsed."""

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        """Parse a header line; truncate long values."""
        name, value = super().header_source_parse(sourcelines)
        return name, value[:LONGEST_HEADER]


POLICY = _Policy()


def read(file: File) -> Iterator[Record | File | Reject]:
    """Read each message, and its attachments in known formats."""
    with file.open() as stream:
        start = stream.readline(9)
    if start.removeprefix(BOM_UTF8).startswith(b"From "):
        for line, data in _letters(file):
            try:
                yield from _letter(data, file, line)
            except MemoryError:
                raise
            except Exception as error:  # the parser raises any; the other messages are read all the same
                why = f"{type(error).__name__}: {error}"
                yield Reject("unreadable message", f"{file.name}, line {line}: {why}")
    else:
        data = file.read()
        if b"\0" in data[:200]:  # UTF-16
            data = decode(data)[0].encode()
        yield from _letter(data.removeprefix(BOM_UTF8), file, 0)


def _letters(file: File) -> Iterator[tuple[int, bytes]]:
    """Split a mailbox at lines that begin with "From " after a blank line; yield numbers and messages."""
    limit = file.limits.document_bytes
    lines: list[bytes] = []
    begin, size, blank = 1, 0, True
    with file.open() as stream:
        for number, line in enumerate(stream, start=1):
            line = line if number > 1 else line.removeprefix(BOM_UTF8)
            if blank and line.startswith(b"From "):
                if lines:
                    yield begin, b"".join(lines)
                lines, begin, size = [], number, 0
            elif size <= limit:
                lines.append(line)
                size += len(line)
            blank = not line.strip()
    if lines and not file.cut:  # else the last message is not complete
        yield begin, b"".join(lines)


def _letter(data: bytes, file: File, line: int) -> Iterator[Record | File | Reject]:
    letter = message_from_bytes(ESCAPED.sub(rb"\1", data) if line else data.lstrip(b"\r\n"), policy=POLICY)
    if not isinstance(letter, EmailMessage) or not letter.keys():
        yield Reject("unreadable file", "it has no message header")
        return
    repair_boundaries(letter)
    _decode_headers(letter)
    message_id = header_of(letter, "Message-ID").strip("<>") if line else None
    metadata: dict[str, object] = {
        key: value for key, header in HEADERS.items() if (value := header_of(letter, header))
    }
    subject = header_of(letter, "Subject")
    where = f"{file.name}{f', line {line}' if line else ''}: {subject or 'no subject'}"
    why, body, footer = _no_letter(letter), "", 0
    try:
        body, footer = ("", 0) if why else body_of(letter, file.entry.encoding)
    except Reject as error:  # the other messages of a mailbox, and the attachments, are read all the same
        why, where = error.reason, f"{where}: {error.detail}"
    messages, lines = split_digest(body)
    if why:
        yield Reject(why, where)
    elif messages:
        yield from _messages(messages, subject, line, lines)
    elif body.strip():
        yield _record(body, subject, message_id, line, metadata, {"lines of the list's footer": footer})
    else:
        kinds = sorted({part.get_content_type() for part in letter.walk() if not part.is_multipart()})
        yield Reject("empty document", f"{where}: a message without text, of {', '.join(kinds)}")
    for number, attachment in enumerate(attachments(letter), start=1):
        content, name = content_of(attachment), attachment.get_filename() or ""
        if attachment.get_content_type() == "message/rfc822" and not name.lower().endswith(".eml"):
            name = f"{name or 'message'}-{number}.eml"
        if name and by_name(name):
            path = f"{line}!{name}" if line else name
            yield file.member(path, partial(_open, content), len(content))


def _no_letter(letter: EmailMessage) -> str:
    """Return why a message is not one that a person wrote, or ""; its attachments are read all the same."""
    if header_of(letter, "X-Spam-Flag").lower() == "yes":
        return "marked as spam"
    report = letter.get_content_type() == "multipart/report" and letter.get_param("report-type")
    if report in REPORTS or MAILER.search(header_of(letter, "From")):
        return "delivery report"
    if header_of(letter, "Auto-Submitted").lower().startswith("auto-replied"):
        return "automatic reply"
    return ""


def _record(
    body: str,
    subject: str,
    name: str | None,
    line: int,
    metadata: dict[str, object],
    without: Mapping[str, int],
) -> Record:
    """Make a message's document, without what it quotes below its text; `without` counts earlier losses."""
    quoted = 0
    if not FORWARD.match(subject):  # the forwarded message may be nowhere else
        body, quoted = without_quote(body)
    body, signed = without_signature(body)
    body, footer = without_footer(body)
    body, links = without_tracking(body)
    body, pictures = PICTURE.subn("", body)
    counts = {
        "quoted lines": quoted,
        "links": links,
        "lines of the signature": signed,
        "lines of the footer": footer,
        "pictures": pictures,
        **without,
    }
    if left_out := {kind: count for kind, count in counts.items() if count}:
        metadata["left_out"] = left_out
    return Record(body, subject, name, line, metadata)


def _messages(messages: list[Message], digest: str, line: int, left_out: int) -> Iterator[Record]:
    """Make a document of each message of a digest; the first counts the lines around them."""
    for message in messages:
        metadata: dict[str, object] = {
            key: value for key, header in HEADERS.items() if (value := message.headers.get(header.lower()))
        }
        name = message.headers.get("message-id", "").strip("<>")
        text = SIGNATURE.sub("", message.text)
        subject = message.headers.get("subject", digest)
        counts = {"lines of the digest": left_out}
        yield _record(text, subject, name, line, metadata | {"digest": digest}, counts)
        left_out = 0


def _decode_headers(letter: EmailMessage) -> None:
    """Decode headers that are neither ASCII nor UTF-8 in the encoding of the message's text."""
    charsets = (part.get_content_charset() for part in letter.walk())
    charset = next(filter(None, charsets), "")
    for name, value in list(letter.raw_items()):
        if name.lower() in DECODED and LONE.search(str(value)):
            try:
                text, _ = decode_declared(str(value).encode("utf-8", "surrogateescape"), charset)
                letter.replace_header(name, " ".join(text.split()))
            except (Reject, ValueError, IndexError, AttributeError, LookupError):  # of broken headers
                continue


def _open(content: bytes) -> IO[bytes]:
    return BufferedReader(cast(RawIOBase, BytesIO(content)))
