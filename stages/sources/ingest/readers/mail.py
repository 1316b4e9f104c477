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
    RULE,
    SIGNATURE,
    attachments,
    body_of,
    content_of,
    header_of,
    repair_boundaries,
)
from datagen.stages.sources.ingest.record import File, Record

# Before a copy of the message that is answered, as Outlook and web mail write it.
ORIGINAL = re.compile(r"-{2,} ?[\w ’']{4,30} ?-{2,}|_{10,}|")
# Written by mail programs in the language of their user, not of the message.
SENDER = re.compile(
    r"\*?(?:From|Von|De|Da|Van|Från|Fra|Od|Lähettäjä|Gönderen|От|发件人|寄件者|差出人|보낸 사람)\*? ?[:：]"
)
HEADER = re.compile(r"\*?[^\W\d_][\w -]{0,18}\*? ?[:：]")
FORWARD = re.compile(r"(?:re: ?|aw: ?)*(?:fwd?|wg|tr|rv|enc|i|pd|doorst|转发|転送) ?[:：]", re.IGNORECASE)
MAX_INTRODUCTION = 3  # lines such as "On Monday, A wrote:"
HEADERS = {"from": "From", "to": "To", "date": "Date"}
DECODED = ("subject", "from", "to")
LONE = re.compile("[\udc80-\udcff]")  # a byte that is not UTF-8
LONGEST_HEADER = 4_000  # characters of a header that are parsed, which takes superlinear time
LINK = re.compile(r"[ \t]?<((?:https?://|mailto:)[^<>\s]*)>|(?<![\w<])https?://[^\s<>]{20,}")
# A link that identifies the reader of a newsletter.
TRACKING = re.compile(r"[\w%~=+-]{40,}|[?&](?:utm_\w+|mkt_tok|trk|token|upn|sig)=")
REPORTS = ("delivery-status", "disposition-notification")
MAILER = re.compile(r"mailer-daemon(?:@|\Z)", re.IGNORECASE)
SPACE = re.compile(r"\n(?:[ \t]*\n){2,}")  # several blank lines
# What mail programs write into the plain version in place of a picture.
PICTURE = re.compile(
    r"^[ \t>]*\[(?:(?:inline )?image|bild|cid)\b[^\]\n]{0,200}\][ \t]*\n?", re.MULTILINE | re.IGNORECASE
)
# A paragraph at the end about leaving a list.
LEAVE = re.compile(
    r"unsubscrib|opt[ -]out|manage your (?:subscription|preferences|notifications)|e-?mail preferences"
    r"|turn off (?:these )?notifications|(?:newsletter|liste?) abbestellen|abmelden|désabonner|désinscrire"
    r"|darse de baja|cancelar la suscripción|annulla(?:re)? l'iscrizione|uitschrijven|отписаться|退订"
    r"|配信停止",
    re.IGNORECASE,
)
# How: in a message about unsubscribing from events in a program, nothing of this is said.
HOW = re.compile(r"://|www\.|@|\b(?:click|here|reply|hier|ici|aquí|qui|здесь)\b", re.IGNORECASE)
# What a signature below a line of hyphens has two of at least.
CONTACTS = (
    re.compile(r"\w@\w|\bmailto:|\be-?mail\b", re.IGNORECASE),
    re.compile(r"https?://|\bwww\.", re.IGNORECASE),
    re.compile(r"\b(?:tel(?:ephone|efon)?|ph(?:one)?|fax|mobile?|cell|voice)\b", re.IGNORECASE),
)
MAX_SIGNATURE, MAX_SIGNED = 8, 80  # lines, and characters of a line
MAX_LEAVE, MAX_FOOTER = 400, 3  # characters of such a paragraph; paragraphs from it to the end
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


def without_quote(text: str) -> tuple[str, int]:
    """
    Remove the message that a text answers, quoted below the answer: it is a document of its own.

    Returns
    -------
    The text, and the number of lines that were removed. Quotations between the lines of an answer are kept.
    """
    lines = text.rstrip().split("\n")
    end = next(
        (
            at
            for at, line in enumerate(lines)
            if ORIGINAL.fullmatch(line.strip()) and _is_header(lines[at + 1 : at + 5])
        ),
        len(lines),
    )
    while end and (not lines[end - 1].strip() or lines[end - 1].startswith(">")):
        end -= 1
    removed = [line for line in lines[end:] if line.strip()]
    if not removed or not end:
        return text, 0
    if lines[end - 1].rstrip().endswith(":"):
        start = end
        while start and lines[start - 1].strip() and end - start < MAX_INTRODUCTION:
            start -= 1
        removed, end = lines[start:end] + removed, start
    kept = "\n".join(lines[:end]).rstrip()
    return (kept, len(removed)) if kept else (text, 0)


def without_tracking(text: str) -> tuple[str, int]:
    """
    Remove links that track the reader or repeat the address before them, and a rule at the end.

    Returns
    -------
    The text, and the number of links that were removed. Other links are kept.
    """
    removed = 0

    def kept(match: re.Match[str]) -> str:
        nonlocal removed
        address = (match[1] or "").removeprefix("mailto:")
        before = text[max(0, match.start() - len(address) - 1) : match.start()]
        if not TRACKING.search(match[0]) and not (address and address in before):
            return match[0]
        removed += 1
        return ""

    lines = LINK.sub(kept, text).rstrip().split("\n")
    while lines and (not lines[-1].strip() or RULE.fullmatch(lines[-1])):
        lines.pop()
    return SPACE.sub("\n\n", "\n".join(lines)), removed


def without_signature(text: str) -> tuple[str, int]:
    """
    Remove a signature that stands below a line of hyphens or the like, instead of "-- ".

    Returns
    -------
    The text, and the number of lines that were removed: the last few ones, without a blank line between
    them, if they have two ways to reach the sender.
    """
    lines = text.rstrip().split("\n")
    end = len(lines)
    while end and RULE.fullmatch(lines[end - 1]):
        end -= 1
    start = end
    while start and end - start <= MAX_SIGNATURE and not RULE.fullmatch(lines[start - 1]):
        if not lines[start - 1].strip() or len(lines[start - 1]) > MAX_SIGNED:
            return text, 0
        start -= 1
    signature = "\n".join(lines[start:end])
    is_below = 0 < end - start <= MAX_SIGNATURE and any(map(str.strip, lines[: start - 1])) and start
    if not is_below or sum(bool(contact.search(signature)) for contact in CONTACTS) < 2:
        return text, 0
    return "\n".join(lines[: start - 1]).rstrip(), len(lines) - start + 1


def without_footer(text: str) -> tuple[str, int]:
    """
    Remove what a newsletter says at its end about leaving its list.

    Returns
    -------
    The text, and the number of lines that were removed.
    """
    paragraphs = re.split(r"\n[ \t]*\n", text.rstrip())
    first = next(
        (
            at
            for at in range(max(1, len(paragraphs) - MAX_FOOTER), len(paragraphs))
            if len(paragraphs[at]) <= MAX_LEAVE
            and LEAVE.search(paragraphs[at])
            and HOW.search(paragraphs[at])
        ),
        len(paragraphs),
    )
    removed = paragraphs[first:]
    if not removed:
        return text, 0
    return "\n\n".join(paragraphs[:first]).rstrip(), sum(part.count("\n") + 1 for part in removed)


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


def _is_header(lines: list[str]) -> bool:
    """Check whether lines are the sender, date and recipients of a message, as mail programs copy them."""
    return len(lines) > 2 and bool(SENDER.match(lines[0])) and all(HEADER.match(line) for line in lines[1:3])


def _open(content: bytes) -> IO[bytes]:
    return BufferedReader(cast(RawIOBase, BytesIO(content)))
