"""Decide whether a value is a secret: a placeholder, a word of documentation, or random."""

import math
import re
from collections import Counter

from datagen.stages.sources.ingest.redact.reserved import SECRETS as PUBLISHED

# Placeholders for secrets in documentation.
STAND_IN = re.compile(
    rf"{PUBLISHED}|"
    r"[<$%{\[*.].*|.*[>}\]]|x+|\*+|\.+|(?:(?:your|my|the|new|old|some|user|db|test|example|sample|changeme"
    r"|change|me|please|pw|replace|secret|password|passwd|pass|pwd|token|api|key|access|here|username|none|null|true"
    r"|false|string|text|value|hidden|redacted|required|optional|default|empty|foo|bar|baz"
    r"|p4ssw0rd|secr3t|anoncvs)[-_ ]?)+\d{0,3}",
    re.IGNORECASE,
)
NO_SECRET = re.compile(r"[a-z]+(?:[-_.][a-z0-9]+)*|\d{1,5}|[\w./-]+/[\w./-]*|https?:.*|[\w.]+\(.*")
QUOTED_WORDS = re.compile(r"[a-z]+(?:[-_ ][a-z]+)*|(?:/[\w.-]+){2,}")  # or a path: PWD="/home/ada"
ALGORITHM = re.compile(
    r"(?:sha|md|aes|des|3des|rsa|ecdsa|ed|hmac|pbkdf|bcrypt|scrypt|argon|blake|chacha|ntlm|kerberos|tls|ssl|ssh|wpa|p?eap|"
    r"iso|utf|rfc|unicode)[-_]?v?\d[\w.]{0,6}(?:[-_][a-z0-9]{1,9}){0,3}",
    re.IGNORECASE,
)
# What a line about a password says in one word.
SAID = re.compile(
    r"(?:any|some|no)thing|whatever|(?:in)?correct|(?:in)?valid|wrong|missing|expired|(?:un)?changed|unknown|protected"
    r"|passphrase|password|plain(?:text)?|hash(?:ed)?|encrypted|masked|enabled?|disabled?|never|always|prompt|interactive"
    r"|keyring|inherit(?:ed)?|internal|external|random|generated|automatic|varchar\d*|number|integer|boolean|object|bytes",
    re.IGNORECASE,
)
MIN_TOKEN, MIN_BITS = 16, 3.0  # characters, and bits per character, of a value assigned to a token's name


def is_given(value: str, is_password: bool, is_quoted: bool = False, is_phrase: bool = False) -> bool:
    """Check whether a value assigned to a name such as ``password`` is a secret."""
    if STAND_IN.fullmatch(value) or ALGORITHM.fullmatch(value):
        return False
    if not is_password:
        return is_random(value)
    if is_quoted and is_phrase and " " in value:
        return len(value.split()) >= 3
    if is_quoted and " " not in value:
        return len(value) >= 6 and not QUOTED_WORDS.fullmatch(value)
    if " " in value or NO_SECRET.fullmatch(value):
        return False
    has_digit, has_letter = re.search(r"\d", value), re.search(r"[^\W\d_]", value)
    has_sign = re.search(r"[^\w.,:;-]", value)
    return bool(has_letter and (has_digit or has_sign))


def is_random(value: str) -> bool:
    """Check whether a value is long and looks random: many different letters and digits."""
    if len(value) < MIN_TOKEN or not (re.search(r"\d", value) and re.search(r"[A-Za-z]", value)):
        return False
    if re.fullmatch(r"[a-z]+(?:[-_.][a-z]+)+[-_.]?\d{0,4}", value) or STAND_IN.fullmatch(value):
        return False
    counts = Counter(value)
    bits = -sum(count / len(value) * math.log2(count / len(value)) for count in counts.values())
    return bits >= MIN_BITS
