"""Digests of mailing lists in plain text (RFC 1153), as Mailman, Majordomo and LISTSERV send them."""

import re
from dataclasses import dataclass

BEGIN = re.compile(r"^-{70}$", re.MULTILINE)  # after the list of contents
BETWEEN = re.compile(r"(?<=\n)\n-{30}\n(?=\n)")
HEADER = re.compile(r"([A-Z][\w-]{1,30}): ?(.*(?:\n[ \t]+\S.*)*)\n?")
FOOTER = re.compile(r"\s*(?:Subject: .*Digest Footer|End of .*Digest)", re.IGNORECASE)


@dataclass(frozen=True)
class Message:
    """A message of a digest: its headers by name in lower case, and its text."""

    headers: dict[str, str]
    text: str


def split_digest(text: str) -> tuple[list[Message], int]:
    """
    Divide a digest into its messages.

    Returns
    -------
    The messages, none if the text is no digest; and the number of lines of its instructions, contents and
    footer, which are left out.
    """
    start = BEGIN.search(text)
    if start is None:
        return [], 0
    messages: list[Message] = []
    left_out = _lines(text[: start.end()])
    for part in BETWEEN.split(text[start.end() :]):
        if FOOTER.match(part):
            left_out += _lines(part)
            continue
        message = _message(part.lstrip("\n"))
        if message is not None:
            messages.append(message)
        elif messages and part.strip():  # a line of a message that looks like the end of one
            last = messages[-1]
            messages[-1] = Message(last.headers, f"{last.text}\n\n{part.strip(chr(10))}")
        elif part.strip():
            return [], 0
    return messages, left_out


def _message(part: str) -> Message | None:
    headers: dict[str, str] = {}
    at = 0
    while match := HEADER.match(part, at):
        headers[match[1].lower()] = " ".join(match[2].split())
        at = match.end()
    if "from" not in headers or not {"date", "subject"} & headers.keys():
        return None
    return Message(headers, part[at:].strip("\n"))


def _lines(text: str) -> int:
    return sum(bool(line.strip()) for line in text.split("\n"))
