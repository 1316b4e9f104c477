"""
Mask secrets and strip control characters from text before it is shown or stored.

A URL in a recipe may contain a password, an option an API key, and a server's message terminal codes or
the key it received. All such text passes through here before it reaches a manifest, a log, a terminal or a
stored completion.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from urllib.parse import unquote, urlsplit, urlunsplit

MASK = "***"
SECRET = (
    r"(?:api[-_]?key|key|token|secret|passw(?:or)?d|pwd|auth|authorization|credential|sig|signature|cookie)"
)
SECRET_NAME = re.compile(rf"(?:.*[-_.])?{SECRET}", re.IGNORECASE)
IN_URL = re.compile(r"(?<=://)[^/\s?#\"'<>]*@")
IN_QUERY = re.compile(rf"([?&;#](?:[^=&;?\s#\"']*[-_.])?{SECRET}=)[^&\s#\"'<>]+", re.IGNORECASE)
BEARER = re.compile(r"\b(Bearer|Basic)(\s+)[\w.~+/=-]{6,}", re.IGNORECASE)
HEADER = re.compile(
    r"\b((?:x-)?api[-_]?key|access[-_]?token|authorization)(['\"]?\s*[:=]\s*['\"]?)"
    r"(?=[\w.~+/-]*\d)[\w.~+/-]{8,}",  # with a digit, because "api_key: required" is a message
    re.IGNORECASE,
)
# Keys of OpenAI, Anthropic and others, Hugging Face, AWS, GitHub, GitLab, Slack, Google.
KEYS = re.compile(
    r"\b(?:sk-[\w-]{16,}|hf_[A-Za-z0-9]{20,}|AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{20,}"
    r"|glpat-[\w-]{16,}|xox[abprs]-[\w-]{10,}|AIza[\w-]{30,})"
)
SETTING = re.compile(
    rf"((?:^|[.=\s{{,])['\"]?(?:[\w-]*[-_])?{SECRET}['\"]?\s*[:=]\s*)[^\s,}}]+", re.IGNORECASE
)
UNSEEN = ("Cc", "Cf", "Zl", "Zp", "Cs", "Co")  # Unicode categories of invisible and control characters
TERMINAL = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # control sequences: colours, cursor
    r"|\x1b[\]PX^_][^\x1b\x07\x9c]*+(?:\x1b\\|\x07|\x9c)"  # strings: window titles, links, the clipboard
    r"|\x9b[0-?]*[ -/]*[@-~]"
    r"|\x1b[ -/]*[0-~]"
)


def printable(text: str, length: int = 500) -> str:
    """
    Strip escape sequences, control characters and direction marks.

    Collapses white space and truncates the text to `length` characters.
    """
    text = TERMINAL.sub("", text[: 10 * length])
    visible = (" " if unicodedata.category(c) in UNSEEN else c for c in text)
    line = " ".join("".join(visible).split())
    return line if len(line) <= length else f"{line[: length - 1]}…"


def shown(text: str) -> str:
    """Make a multi-line message safe for a terminal: no escape sequences, no secrets from URLs."""
    visible = (
        c if c in "\n\t" or unicodedata.category(c) not in UNSEEN else " " for c in TERMINAL.sub("", text)
    )
    return mask_secrets("".join(visible))


def mask_secrets(text: str, secrets: Iterable[str] = ()) -> str:
    """Mask user, password and keys in URLs and headers, keys of known forms, and the given secrets."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, MASK)
    text = IN_URL.sub(f"{MASK}@", text)
    text = BEARER.sub(rf"\1\2{MASK}", IN_QUERY.sub(rf"\1{MASK}", text))
    return KEYS.sub(MASK, HEADER.sub(rf"\1\2{MASK}", text))


def mask_argument(argument: str) -> str:
    """Mask the secrets in an argument of the command line, such as ``--set`` of an ``api_key``."""
    return mask_secrets(SETTING.sub(rf"\1{MASK}", argument))


def mask_settings(value: object) -> object:
    """Mask secrets in nested settings: every string under a name such as ``api_key``, and in URLs."""
    if isinstance(value, Mapping):
        return {
            name: MASK
            if isinstance(part, str) and part and SECRET_NAME.fullmatch(str(name))
            else mask_settings(part)
            for name, part in value.items()
        }
    if isinstance(value, list | tuple):
        return [mask_settings(part) for part in value]
    return mask_secrets(value) if isinstance(value, str) else value


def split_credentials(url: str) -> tuple[str, tuple[str, str] | None]:
    """
    Split a URL into the URL without credentials, and user and password if it has them.

    Raises
    ------
    ValueError
        If it is not a valid URL.
    """
    parts = urlsplit(url)
    _ = parts.port  # raises if the port is not a number
    user, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, None
    name, _, password = user.partition(":")
    return urlunsplit(parts._replace(netloc=host)), (unquote(name), unquote(password))
