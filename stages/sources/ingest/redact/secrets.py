"""
Secrets: keys with known prefixes, private keys, passwords in URLs, and values assigned to ``password``.

Only the secret is replaced, so ``postgres://app:[SECRET_1]@db`` is still recognisable as a URL. Placeholders
such as ``<password>``, ``$TOKEN`` and ``secret`` are not replaced.
"""

import math
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator

# A text in the key -> pattern of the whole key. The text is searched first, because that is fast.
KEYS = {
    "AKIA": r"AKIA[A-Z0-9]{16}",
    "ASIA": r"ASIA[A-Z0-9]{16}",
    **{f"gh{kind}_": rf"gh{kind}_[A-Za-z0-9]{{36,255}}" for kind in "pousr"},
    "github_pat_": r"github_pat_\w{22,255}",
    "glpat-": r"glpat-[\w-]{20,}",
    "glrt-": r"glrt-[\w-]{20,}",
    "xox": r"xox[abeoprs]-[\w-]{10,}",
    "xapp-": r"xapp-[\w-]{20,}",
    "hooks.slack.com": r"hooks\.slack\.com/services/[\w/]{20,}",
    "k_live_": r"[rps]k_live_\w{10,}",
    "k_test_": r"[rps]k_test_\w{10,}",
    "whsec_": r"whsec_[\w+/=]{20,}",
    "sk-": r"sk-[\w-]{20,}",
    "AIza": r"AIza[\w-]{35}",
    "GOCSPX-": r"GOCSPX-[\w-]{20,}",
    "ya29.": r"ya29\.[\w-]{20,}",
    "hf_": r"hf_[A-Za-z0-9]{30,}",
    "npm_": r"npm_[A-Za-z0-9]{36}",
    "pypi-": r"pypi-[\w-]{40,}",
    "SG.": r"SG\.[\w-]{16,}\.[\w-]{16,}",
    "key-": r"key-[0-9a-f]{32}",
    "SK": r"SK[0-9a-f]{32}",
    "sq0": r"sq0(?:atp|csp)-[\w-]{20,}",
    "shp": r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}",
    "_v1_": r"do[opr]_v1_[0-9a-f]{64}",
    "dapi": r"dapi[0-9a-f]{32}(?:-\d)?",
    "glsa_": r"glsa_\w{32,}",
    "hvs.": r"hv[sb]\.[\w-]{24,}",
    "lin_api_": r"lin_api_\w{30,}",
    "PMAK-": r"PMAK-[\w-]{30,}",
    "NRAK-": r"NRAK-[A-Z0-9]{20,}",
    "xai-": r"xai-\w{40,}",
    "gsk_": r"gsk_\w{40,}",
    "r8_": r"r8_\w{30,}",
    "AGE-SECRET-KEY-": r"AGE-SECRET-KEY-1[A-Z0-9]{50,}",
    "eyJ": r"eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}",
    "AccountKey=": r"(?<=AccountKey=)[\w+/]{40,}={0,2}",
    "SharedAccessKey=": r"(?<=SharedAccessKey=)[\w+/]{40,}={0,2}",
    ":AA": r"\d{8,10}:AA[\w-]{30,}",
}
PREFIXED = {mark: re.compile(rf"(?<![\w-]){key}(?![\w])") for mark, key in KEYS.items()}
PREFIXED |= {mark: re.compile(KEYS[mark]) for mark in ("AccountKey=", "SharedAccessKey=")}

PEM_BEGIN = re.compile(r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----")
PEM_END = re.compile(r"-----END (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----")
PEM_BODY = re.compile(r"(?:[A-Za-z0-9+/=\s]|\\n|^[A-Z][\w-]+: .*$)*", re.MULTILINE)  # of one cut short
URL = re.compile(r"://([^\s/@:'\"<>]*):([^\s@/'\"<>]+)@(?=[\w\[])")
BEARER = re.compile(r"(?:Bearer|Basic|Token)\s+([\w.~+/-]{16,}=*)")

# A name that ends in one of these is assigned a secret, unlike "password_encryption".
PASSWORD = r"pass(?:word|wd|code)|pwd|kennwort|passwort|mot de passe|contrase[nñ]a|senha"
TOKEN = (
    r"secret(?:[_ -]?access)?(?:[_ -]?key)?|token|api[_ -]?key|access[_ -]?key|private[_ -]?key"
    r"|auth[_ -]?key|encryption[_ -]?key|credentials?"
)
# The start of such a name, in lower case. Only where it matches is the slower pattern tried.
NAME = re.compile(
    r"pass|pwd|kennwort|mot de|contrase|senha|secret|token|api|access|private|auth|encrypt|cred"
)
GIVEN = re.compile(
    rf"(?:(?P<password>{PASSWORD})|(?P<phrase>pass ?phrase)|{TOKEN})[\"'`]?\]?"
    r"(?:\s{0,3}(?:=>|:=|[=:])\s{0,3}|>(?=[^<\s]+</)|\s+(?:is|ist|lautet)\s*:?\s+|\s+(?=[\"'`]))"
    r"(?:(?P<quote>[\"'`])(?P<quoted>[^\s\"'`](?:[^\"'`\n]{2,198}[^\s\"'`]))(?P=quote)|(?P<bare>[^\s\"'`,;<>(){}\[\]]{6,200}))",
    re.IGNORECASE,
)
# Placeholders for secrets in documentation.
STAND_IN = re.compile(
    r"[<$%{\[*.].*|.*[>}\]]|x+|\*+|\.+|(?:(?:your|my|the|new|old|some|user|db|test|example|sample|changeme"
    r"|change|me|replace|secret|password|passwd|pass|pwd|token|api|key|access|here|username|none|null|true"
    r"|false|string|text|value|hidden|redacted|required|optional|default|empty)[-_ ]?)+\d{0,3}",
    re.IGNORECASE,
)
NO_SECRET = re.compile(r"[a-z]+(?:[-_.][a-z0-9]+)*|\d{1,5}|[\w./-]+/[\w./-]*|https?:.*|[\w.]+\(.*")
MIN_TOKEN, MIN_BITS = 16, 3.0  # characters, and bits per character, of a value assigned to a token's name


def find_secrets(text: str) -> Iterator[tuple[int, int, str]]:
    """Find secrets; the spans may overlap."""
    for mark, key in PREFIXED.items():
        if mark in text:
            for match in key.finditer(text):
                if mark != "sk-" or _is_random(match[0][3:]):
                    yield *match.span(), match[0]
    yield from _private_keys(text)
    if "://" in text:
        for match in URL.finditer(text):
            if not STAND_IN.fullmatch(match[2]):
                yield *match.span(2), match[2]
    for match in BEARER.finditer(text) if any(word in text for word in ("Bearer", "Basic", "Token")) else ():
        if _is_random(match[1]):
            yield *match.span(1), match[1]
    yield from _given(text)


def _given(text: str) -> Iterator[tuple[int, int, str]]:
    """Find secrets that are assigned to a name."""
    for name in NAME.finditer(text.replace("İ", "I").lower()):  # the only letter that lower() makes longer
        match = GIVEN.match(text, name.start())
        if match is None:
            continue
        part = "quoted" if match["quote"] else "bare"
        value = match[part] if match["quote"] else match[part].rstrip(".:?") or match[part]
        is_phrase = bool(match["phrase"])
        if _is_given(value, is_phrase or bool(match["password"]), bool(match["quote"]), is_phrase):
            start = match.start(part)
            yield start, start + len(value), value


def _private_keys(text: str) -> Iterator[tuple[int, int, str]]:
    """Find private keys from their first line to their last; a truncated key ends with its body."""
    if "PRIVATE KEY" not in text:
        return
    ends = [match.span() for match in PEM_END.finditer(text)]
    begins = [match.span() for match in PEM_BEGIN.finditer(text)]
    for number, (begin, after) in enumerate(begins):
        following = begins[number + 1][0] if number + 1 < len(begins) else len(text)
        place = bisect_left(ends, (after,))
        if place < len(ends) and ends[place][0] < following:
            end = ends[place][1]
        else:
            body = PEM_BODY.match(text, after, following)
            end = after + len(body[0].rstrip()) if body else after
        yield begin, end, text[begin:end]


def _is_given(value: str, is_password: bool, is_quoted: bool, is_phrase: bool) -> bool:
    """Check whether a value assigned to a name such as ``password`` is a secret."""
    if STAND_IN.fullmatch(value):
        return False
    if not is_password:
        return _is_random(value)
    if is_quoted and is_phrase and " " in value:
        return len(value.split()) >= 3
    if is_quoted and " " not in value:
        return len(value) >= 6 and not re.fullmatch(r"[a-z]+(?:[-_ ][a-z]+)*", value)
    if " " in value or NO_SECRET.fullmatch(value):
        return False
    has_digit, has_letter = re.search(r"\d", value), re.search(r"[^\W\d_]", value)
    has_sign = re.search(r"[^\w.,:;-]", value)
    return bool(has_letter and (has_digit or has_sign))


def _is_random(value: str) -> bool:
    """Check whether a value is long and looks random: many different letters and digits."""
    if len(value) < MIN_TOKEN or not (re.search(r"\d", value) and re.search(r"[A-Za-z]", value)):
        return False
    if re.fullmatch(r"[a-z]+(?:[-_.][a-z]+)+[-_.]?\d{0,4}", value) or STAND_IN.fullmatch(value):
        return False
    counts = Counter(value)
    bits = -sum(count / len(value) * math.log2(count / len(value)) for count in counts.values())
    return bits >= MIN_BITS
