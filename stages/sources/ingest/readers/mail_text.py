"""Remove from a message's text what is not its own: quotations, signatures, footers and tracking links."""

import re

from datagen.stages.sources.ingest.readers.mail_parts import RULE

# Before a copy of the message that is answered, as Outlook and web mail write it.
ORIGINAL = re.compile(r"-{2,} ?[\w ’']{4,30} ?-{2,}|_{10,}|")
# Written by mail programs in the language of their user, not of the message.
SENDER = re.compile(
    r"\*?(?:From|Von|De|Da|Van|Från|Fra|Od|Lähettäjä|Gönderen|От|发件人|寄件者|差出人|보낸 사람)\*? ?[:：]"
)
HEADER = re.compile(r"\*?[^\W\d_][\w -]{0,18}\*? ?[:：]")
MAX_INTRODUCTION = 3  # lines such as "On Monday, A wrote:"
LINK = re.compile(r"[ \t]?<((?:https?://|mailto:)[^<>\s]*)>|(?<![\w<])https?://[^\s<>]{20,}")
# A link that identifies the reader of a newsletter.
TRACKING = re.compile(
    r"[\w%~=+-]{40,}|[?&](?:utm_\w+|mkt_tok|trk|token|upn|sig)=|[?&]\w+=(?=[a-z_]*\d)\w{20,}", re.IGNORECASE
)
PICTURE_LINK = re.compile(r"\.(?:gif|jpe?g|png|svg|webp)(?:\?|\Z)", re.IGNORECASE)
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
# The instructions of a list's server, directly below the text.
INSTRUCTIONS = re.compile(
    r"\n[ \t]*To (?:be removed|unsubscribe)\b[^\n]*(?:\n[^\n]+){0,5}\s*\Z", re.IGNORECASE
)
MAX_LEAVE, MAX_FOOTER = 400, 3  # characters of such a paragraph; paragraphs from it to the end


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
    Remove links that track the reader, show a picture or repeat the address before them; a rule at the end.

    Returns
    -------
    The text, and the number of links that were removed. Other links are kept.
    """
    removed = 0

    def kept(match: re.Match[str]) -> str:
        nonlocal removed
        address = (match[1] or "").removeprefix("mailto:")
        before = text[max(0, match.start() - len(address) - 1) : match.start()]
        is_picture = match[1] and PICTURE_LINK.search(match[1])
        if not is_picture and not TRACKING.search(match[0]) and not (address and address in before):
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
    if not removed and (below := INSTRUCTIONS.search(text)) and HOW.search(below[0]):
        return text[: below.start()].rstrip(), below[0].strip().count("\n") + 1
    if not removed:
        return text, 0
    return "\n\n".join(paragraphs[:first]).rstrip(), sum(part.count("\n") + 1 for part in removed)


def _is_header(lines: list[str]) -> bool:
    """Check whether lines are the sender, date and recipients of a message, as mail programs copy them."""
    return len(lines) > 2 and bool(SENDER.match(lines[0])) and all(HEADER.match(line) for line in lines[1:3])
