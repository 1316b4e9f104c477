"""
The text and the attachments of a message, in whatever parts it is.

The headers of parts may be wrong: about their encoding, their boundary, or what they are.
"""

import binascii
import quopri
import re
from collections.abc import Iterator
from email import message_from_bytes
from email.message import EmailMessage

from datagen.request import Reject
from datagen.stages.sources.ingest.decoding import decode, decode_declared
from datagen.stages.sources.ingest.formats import by_name
from datagen.stages.sources.ingest.readers.digest import split_digest
from datagen.stages.sources.ingest.readers.webpage import read_webpage

SIGNATURE = re.compile(r"^-- ?$.*\Z", re.MULTILINE | re.DOTALL)
RULE = re.compile(r"[ \t]*[_=*~#-]{5,}[ \t]*")
# Kinds of text that are no part of a letter.
NO_TEXT = frozenset(
    ("calendar", "css", "directory", "rfc822-headers", "rtf", "vcard", "x-amp-html", "x-vcard")
)
ENRICHED = ("enriched", "richtext")
FOLDED = re.compile(r"\n+")
MARKUP = re.compile(r"<param>[^<]{0,200}</param>|</?[a-z][a-z0-9-]{0,59}>|<<", re.IGNORECASE | re.DOTALL)
WRITTEN = {"<<": "<", "<lt>": "<", "<nl>": "\n", "<np>": "\n\n", "</paragraph>": "\n\n"}
PLAIN = ("", "7bit", "8bit")  # encodings of parts that are text as it is
BOUNDARY = re.compile(r"^--(\S{1,70})[ \t]*\r?\n(?=Content-)", re.MULTILINE)
TAG = re.compile(r"<(?:!doctype|/?[a-z][a-z0-9]{0,15}(?:\s[^<>]*)?/?)>", re.IGNORECASE)
BASE64 = re.compile(rb"[A-Za-z0-9+/]+={0,2}")
MIN_BASE64 = 60  # characters that are decoded although no header says so
MIN_LINE = 40  # characters of a line without spaces that counts as base64, however long
CONTROL = re.compile(rb"[\0-\x08\x0e-\x1f]")  # not in text
PAGE = re.compile(r"\s*(?:<!doctype html|<html)\b", re.IGNORECASE)
MAX_NOTE, NOTE_RATIO = 300, 4  # characters of a plain part that only says "see the page", which is longer
# Quoted-printable: a character of several bytes in UTF-8, or a byte and the end of a line that goes on.
QUOTED = re.compile(rb"=[C-F][0-9A-F](?:=[89AB][0-9A-F])+")
QUOTED_BYTE, QUOTED_END = re.compile(rb"=[0-9A-F]{2}"), re.compile(rb"=\r?\n")
UNQUOTED = re.compile(rb"=(?![0-9A-F]{2}|[ \t]*\r?\n|\Z)")


def repair_boundaries(letter: EmailMessage) -> None:
    """Separate parts whose boundary is not the stated one; read them as one text if there is none."""
    for part in list(letter.walk()):
        if part.get_content_maintype() != "multipart" or part.is_multipart():
            continue
        source = str(part.get_payload())
        if mark := BOUNDARY.search(source):
            head = f'Content-Type: {part.get_content_type()}; boundary="{mark[1]}"\n\n'
            data = (head + source).encode("utf-8", "surrogateescape")
            inner = message_from_bytes(data, policy=letter.policy)
            if inner.is_multipart():
                part.set_payload(inner.get_payload())
                continue
        del part["Content-Type"]
        part["Content-Type"] = "text/plain"


def body_of(letter: EmailMessage, encoding: str) -> tuple[str, int]:
    """
    Read a message's text, without its signatures: its parts in order, such as those below a picture.

    Parameters
    ----------
    letter
        The message.
    encoding
        That of texts whose declared encoding is wrong; "" if unknown.

    Returns
    -------
    The text, and the number of lines of a mailing list's footer, which is such a part, too.
    """
    texts: list[str] = []
    footer = 0
    for is_page, text in _texts(letter, letter, encoding):
        if texts and RULE.fullmatch(text.strip().partition("\n")[0]):
            footer += text.strip().count("\n") + 1
        elif texts and is_page and _characters(texts[-1]) in _characters(text):
            texts[-1] = _chosen(texts[-1], text)  # alternatives that are not declared as such
        elif text.strip():
            texts.append(text.strip("\n"))
    return "\n\n".join(texts), footer


def attachments(letter: EmailMessage) -> Iterator[EmailMessage]:
    """Find the parts of a message that are no text of it, and the messages of a digest."""
    return (part for part in _leaves(letter) if not _is_text(part, letter))


def _leaves(part: EmailMessage) -> Iterator[EmailMessage]:
    if part.get_content_maintype() != "multipart":
        yield part
        return
    for inner in part.iter_parts():
        if isinstance(inner, EmailMessage):
            yield from _leaves(inner)


def _is_text(part: EmailMessage, letter: EmailMessage) -> bool:
    """Check for a part that is read with the message, not as a file of its own."""
    if part.is_attachment() or by_name(part.get_filename() or ""):
        return False
    if part.get_content_maintype() == "text":
        return part.get_content_subtype() not in NO_TEXT
    # The only part, wrongly declared.
    return part is letter and part.get_content_maintype() == "application" and _is_utf8(_payload(part))


def _texts(part: EmailMessage, letter: EmailMessage, encoding: str) -> Iterator[tuple[bool, str]]:
    """Read the texts of a part of a letter, in order, and whether each is a page."""
    if part.get_content_maintype() != "multipart":
        if _is_text(part, letter):
            yield part.get_content_subtype() == "html", _text(part, encoding)
        return
    inner = [each for each in part.iter_parts() if isinstance(each, EmailMessage)]
    if part.get_content_subtype() != "alternative":
        for each in inner:
            yield from _texts(each, letter, encoding)
        return
    versions = sorted(inner, key=lambda each: each.get_content_type() != "text/plain")  # plain ones first
    chosen = ""
    for version in versions:
        if len(chosen) <= MAX_NOTE:
            chosen = _chosen(chosen, "\n\n".join(text for _, text in _texts(version, letter, encoding)))
    yield False, chosen


def _chosen(text: str, page: str) -> str:
    """Choose the page if the plain text is blank, or a note that only says so."""
    return page if len(text) <= MAX_NOTE and len(page) > NOTE_RATIO * len(text.strip()) else text


def _characters(text: str) -> str:
    return "".join(filter(str.isalnum, text))


def content_of(attachment: EmailMessage) -> bytes:
    """Return an attachment's bytes; of an attached message, its source."""
    inner = attachment.get_payload()
    if attachment.get_content_type() == "message/rfc822" and isinstance(inner, list) and inner:
        try:
            return bytes(inner[0])  # type: ignore[arg-type]
        except (ValueError, LookupError, AttributeError, TypeError):  # raised by the writer on broken headers
            return b""
    content = attachment.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def _text(part: EmailMessage, encoding: str) -> str:
    data = _payload(part)
    try:
        text, _ = decode_declared(data, part.get_content_charset("") or "")
    except Reject:
        if not encoding:
            raise
        text, _ = decode(data, encoding)
    is_page = part.get_content_subtype() == "html" and TAG.search(text)
    if is_page or PAGE.match(text):
        return read_webpage(text, whole=True)[0]
    text = text.replace("\r\n", "\n")
    if part.get_content_subtype() in ENRICHED:
        text = _plain(text)
    return text if split_digest(text)[0] else SIGNATURE.sub("", text)  # each message of a digest has its own


def _plain(text: str) -> str:
    """Write enriched text (RFC 1896, and RFC 1341's older form) as plain text."""
    text = FOLDED.sub(lambda breaks: breaks[0][1:] or " ", text)
    return MARKUP.sub(lambda mark: WRITTEN.get(mark[0].lower(), ""), text)


def _payload(part: EmailMessage) -> bytes:
    """Decode the bytes of a text; its header may state an encoding for plain text, or not state it."""
    try:
        source = part.get_payload()
    except ValueError:  # the charset is one of Python's codecs that decode no text, such as "idna"
        part.del_param("charset")
        source = part.get_payload()
    data = part.get_payload(decode=True)
    if not isinstance(source, str) or not isinstance(data, bytes):
        return b""
    encoding = header_of(part, "Content-Transfer-Encoding").lower()
    stored = source.encode("utf-8", "surrogateescape")
    lines = stored.split()
    if encoding == "base64" and not _is_base64(source):
        return stored
    if encoding == "quoted-printable":
        is_quoted = 2 * len(UNQUOTED.findall(stored)) <= stored.count(b"=")
        return data if is_quoted else stored
    if encoding in PLAIN and (
        QUOTED.search(stored) or (QUOTED_END.search(stored) and QUOTED_BYTE.search(stored))
    ):
        return quopri.decodestring(stored)
    if encoding in PLAIN and len(source) >= MIN_BASE64 and all(map(BASE64.fullmatch, lines)):
        try:
            decoded = binascii.a2b_base64(b"".join(lines))
            decoded.decode("utf-8")
        except ValueError:
            return data
        return data if CONTROL.search(decoded) else decoded
    return data


def _is_utf8(data: bytes) -> bool:
    try:
        return bool(data.decode("utf-8")) and not CONTROL.search(data)
    except UnicodeDecodeError:
        return False


def _is_base64(source: str) -> bool:
    """Check the first line: base64 has no spaces, and writes three bytes as four characters."""
    first = next((line.strip() for line in source.split("\n") if line.strip()), "")
    if not BASE64.fullmatch(first.encode("utf-8", "replace")):
        return not first
    return len(first) % 4 == 0 or len(first) >= MIN_LINE


def header_of(letter: EmailMessage, name: str) -> str:
    """Return a header on one line; "" if it is absent or broken."""
    try:
        return " ".join(str(letter[name] or "").split())
    except Exception:  # the parser raises any exception on a broken header
        return ""
