"""
Secrets: keys with known prefixes, private keys, passwords in URLs, and values assigned to ``password``.

Only the secret is replaced, so ``postgres://app:[SECRET_1]@db`` is still recognisable as a URL. Placeholders
such as ``<password>``, ``$TOKEN`` and ``secret``, and published examples (`reserved`), are not replaced.
"""

import math
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import takewhile

from datagen.stages.sources.ingest.redact.prefilters import lowered, places_of
from datagen.stages.sources.ingest.redact.reserved import SECRETS as PUBLISHED
from datagen.stages.sources.ingest.redact.reserved import is_reserved_domain

# A text in the key -> pattern of the whole key. The text is searched first, because that is fast.
KEYS = {
    "AKIA": r"AKIA[A-Z0-9]{16}",
    "ASIA": r"ASIA[A-Z0-9]{16}",
    **{f"gh{kind}_": rf"gh{kind}_[A-Za-z0-9]{{36,255}}" for kind in "pousr"},
    "github_pat_": r"github_pat_\w{22,255}",
    "gl": r"gl(?:pat|rt|ptt|dt|cbt|ft|imt|agent|soat|oas)-[\w-]{20,}",
    "xox": r"xox[abeoprs](?:\.xox[bp])?-[\w-]{10,}",
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
    **{f"hv{kind}.": rf"hv{kind}\.[\w-]{{24,}}" for kind in "sb"},
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
    "TT3xFf": r"AT[AC]TT3xFf[\w=-]{20,}",
    "EAA": r"EAA[A-Za-z0-9]{80,}",
    "LTAI": r"LTAI[A-Za-z0-9]{16,24}",
    "AKID": r"AKID[A-Za-z0-9]{32,}",
    "dp.": r"dp\.(?:pt|st|ct|sa)\.[\w.]{40,}",
    "$production$": r"access_token\$production\$[a-z0-9]{12,}\$[0-9a-f]{32}",
    "pat-": r"pat-[a-z]{2}\d-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "HRKU-": r"HRKU-[\w-]{36,}",
    "access-": r"access-(?:production|sandbox|development)-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "pul-": r"pul-[0-9a-f]{40}",
    "amzn.mws.": r"amzn\.mws\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "v1.0-": r"v1\.0-[0-9a-f]{24}-[0-9a-f]{146}",  # Cloudflare
    "eyJrIjoi": r"eyJrIjoi[\w+/=-]{40,}",
    "Private-Lines:": r"Private-Lines: \d+(?:\s+[\w+/=]{20,})+",  # PuTTY
}
PREFIXED = {mark: re.compile(rf"(?<![\w-]){key}(?![\w])") for mark, key in KEYS.items()}
PREFIXED |= {mark: re.compile(KEYS[mark]) for mark in ("AccountKey=", "SharedAccessKey=")}
MIN_KEY = 15  # characters of the shortest key, xoxb-[\w-]{10}; a shorter word needs no search
SPACED = frozenset(("Private-Lines:",))  # keys with blanks

# A prefix that is in no list, and a long random value: tfp_..., vercel_blob_rw_..., xkeysib-...
PREFIX = re.compile(r"(?<![\w./+=-])[A-Za-z][A-Za-z0-9]{1,11}(?:[_-][A-Za-z0-9]{1,12}){0,2}[_-]\Z")
LONGEST_PREFIX = 32  # characters
ANY_KEY = re.compile(r"[\w-]{2,32}?[_-][A-Za-z0-9]{24,}(?:[_-][A-Za-z0-9]{6,})*(?![\w./+])")
HASHES = re.compile(r"sha|md\d|blake|uuid|hash|crc|commit|rev|digest|image|build|id[_-]", re.IGNORECASE)
# A bot's token: its id in base64, a time, a signature.
BOT = re.compile(r"(?<![\w.])[MNO][A-Za-z0-9]{22,27}\.[\w-]{6}\.[\w-]{27,40}(?![\w.])")
RUN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z0-9]{22,}")  # looked for first, which is faster

PEM_BEGIN = re.compile(r"-{4,5} ?BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)? ?-{4,5}")
PEM_END = re.compile(r"-{4,5} ?END (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)? ?-{4,5}")
PEM_BODY = re.compile(r"(?:[A-Za-z0-9+/=\s]|\\n|^[A-Z][\w-]+: .*$)*", re.MULTILINE)  # of one cut short
URL = re.compile(r"://([^\s/@:'\"<>]*):([^\s@/'\"<>]+)@(?=([\w.-]+)|\[)")
BEARER = re.compile(r"(?:Bearer|Basic|Token)\s+([\w.~+/-]{16,}=*)")

# A name that ends in one of these, in any language, is assigned a secret, unlike "password_encryption".
PASSWORD = (
    r"pass(?:word|wd|code)|(?<=_)pass(?![a-z])"
    r"|pwd|kennwort|passwort|mot de passe|contrase[nñ]a|senha|wachtwoord|lösenord|passord"
    r"|clave|(?<![a-z])pw|adgangskode|salasana|hasło|heslo|jelszó|parolă|lozinka|şifre|пароль|парола|κωδικός|סיסמה|パスワード"
    r"|密码|密碼|비밀번호|(?<![a-z])psk(?![a-z])|(?:wi-?fi|wlan)[ _-]?(?:key|schlüssel|code)"
    r"|(?<![a-z_.-])pass(?=[ \t]?[:=](?![=:]))"
)
TOKEN = (
    r"secret(?:[_ -]?access)?(?:[_ -]?key)?|token|api[_ -]?key|access[_ -]?key|private[_ -]?key"
    r"|auth[_ -]?key|encryption[_ -]?key|credentials?"
)
# The starts of such names, in lower case. Only where one occurs is the slower pattern tried.
NAMES = (
    *("pass", "pw", "kennwort", "mot de", "contrase", "senha", "clave", "secret", "token", "api", "access"),
    *("private", "auth", "encrypt", "cred", "wachtw", "lösen", "adgangs", "salas", "hasł", "hesl", "jelsz"),
    *("parolă", "lozin", "şifre", "парол", "κωδικ", "סיסמה", "パスワ", "密码", "密碼", "비밀번호", "psk"),
    *("wifi", "wi-fi", "wlan"),
)  # fmt: skip
# What is written between a name and its value.
EMPHASIS = r"(?:\*{1,3}|__?)?"
BETWEEN = "|".join(
    (
        r"\s{0,3}:\s{0,3}[A-Za-z&][\w.<>\[\]|?]{0,30}\s{0,3}=\s{0,3}(?=[\"'`])",  # a type
        r"\s{0,3}:\s{0,3}(?:!{1,2}\w+[ \t]+|[>|][-+]?[ \t]*\n\s{1,20})",  # a tag or a block of YAML
        r",?\s{1,20}[\"']?value[\"']?\s{0,3}[:=]\s{0,3}",  # name: DB_PASSWORD, value: ...
        rf"{EMPHASIS}\s{{0,3}}(?:=>|:=|[=:：](?!=)){EMPHASIS}\s{{0,3}}",
        r">(?=[^<\s]+</)",
        r"\s+(?:(?:for|of|to|für|von|pour|de|para)\s[^\n.:;]{1,40}?\s)?(?:is|ist|lautet|est|es)\s*:?\s+",
        r"\s+(?:(?:for|of|to|für|von|pour|de|para)\s[^\n.:;()]{1,40}|\([^\n():]{1,40}\))\s?:\s+",
        r"は[「『]",
        r"\s+(?=[\"'`])",
        r"\s{0,3}[–—]\s{0,3}",
        rf"{EMPHASIS}[ \t]{{0,40}}\|[ \t]{{0,40}}",  # the next cell of a table
        rf"(?P<apart>{EMPHASIS}(?:[ ]{{0,9}}\t[ \t]{{0,40}}|[ ]{{1,40}}(?:[-–][ ]+)?))",  # in columns
        r"(?P<argument>\((?=[\"'])|,\s{0,3}(?=[\"']))",
    )
)
GIVEN = re.compile(
    rf"(?:(?P<password>{PASSWORD})|(?P<phrase>pass ?phrase)|{TOKEN})[\u200b\u2060]?[\"'`]?\]?(?:{BETWEEN})"
    r"(?:(?P<quote>[\"'`]|\*{2,3}|__)(?P<quoted>[^\s\"'`](?:[^\"'`\n]{2,198}[^\s\"'`]))(?P=quote)|(?P<bare>(?:(?!&\w+=)[^\s\"'`,;<>(){}\[\]「」『』]){6,200}))",
    re.IGNORECASE,
)
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
STRONG = re.compile(r"(?=.*\d)(?=.*[A-Za-z])(?=.*[!@#$%^&+?~])\S{7,}")
NOT_GIVEN = re.compile(r"\d{1,5}\Z|/|https?:|[\w./-]*/[\w./-]*\Z")  # to an environment variable
# A line of configuration that assigns one word to a password, between lines for the user or the server. The
# same line on its own may be documentation or an argument of a function.
BEFORE_NAME = re.compile(r"[ \t]*(?:-[ \t]+|export[ \t]+|\{[ \t]*)?[\"']?[\w.-]*")
AFTER_VALUE = re.compile(r"[ \t]*[;}]?[ \t]*(?:[#;].*)?")
AFTER_QUOTE = re.compile(r"[ \t]*[,;}]{0,2}[ \t]*(?:[#;].*)?")
LOGIN = re.compile(
    r"[ \t]*(?:-[ \t]+|export[ \t]+|\{[ \t]*)?[\"']?[\w.-]*(?:user(?:[_ -]?name)?|usr|uid|login|account"
    r"|usuario|benutzer(?:name)?|utilisateur|host(?:[_ -]?name)?|server|port"
    r"|database|db(?:[_-]?name)?|e-?mail)[\"']?[ \t]*[:=][ \t]*\S",
    re.IGNORECASE,
)
# What a line about a password says in one word.
SAID = re.compile(
    r"(?:any|some|no)thing|whatever|(?:in)?correct|(?:in)?valid|wrong|missing|expired|(?:un)?changed|unknown|protected"
    r"|passphrase|password|plain(?:text)?|hash(?:ed)?|encrypted|masked|enabled?|disabled?|never|always|prompt|interactive"
    r"|keyring|inherit(?:ed)?|internal|external|random|generated|automatic|varchar\d*|number|integer|boolean|object|bytes",
    re.IGNORECASE,
)
# A variable or a type of code.
CODE = re.compile(r"\w*(?i:passw\w*|pwd)|[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+|(?:[A-Z][a-z]+){2,}")
WORD = re.compile(r"[A-Za-z]{6,}(?:-[a-z]+)*")
LABEL = re.compile(rf"(?:{PASSWORD})\w*", re.IGNORECASE)  # the word itself, in some language
QUERY = re.compile(r"[?&][\w.-]{0,40}\Z")
CONNECTION = re.compile(
    r"(?:^|[\s,;\"'])(?:user(?:name)?|uid|user id|host|server|data source|dbname|database)=[^\s=]",
    re.IGNORECASE,
)
NEAR, LINES_NEAR = 400, 4  # characters and lines before and after
LONGEST_LINE = 100  # characters before the name, and after the value
MIN_IN_URL = 4  # characters of a password for an example's host: https://abc:xyz@example.com
MIN_TOKEN, MIN_BITS = 16, 3.0  # characters, and bits per character, of a value assigned to a token's name


def find_secrets(text: str) -> Iterator[tuple[int, int, str]]:
    """Find secrets; the spans may overlap."""
    # Keys have no blanks, so only the long words are searched for the marks.
    long = " ".join([word for word in text.split() if len(word) >= MIN_KEY])
    marks = [mark for mark in PREFIXED if mark in (text if mark in SPACED else long)] if long else []
    for mark in marks:
        for match in PREFIXED[mark].finditer(text):
            if (mark != "sk-" or is_random(match[0][3:])) and not STAND_IN.fullmatch(match[0]):
                yield *match.span(), match[0]
    yield from _private_keys(text)
    if RUN.search(long):
        yield from _unknown_keys(text)
    if "://" in text:
        for match in URL.finditer(text):
            is_example = len(match[2]) < MIN_IN_URL and is_reserved_domain(match[3] or "")
            if not STAND_IN.fullmatch(match[2]) and not is_example:
                yield *match.span(2), match[2]
    for match in BEARER.finditer(text) if any(word in text for word in ("Bearer", "Basic", "Token")) else ():
        if is_random(match[1]):
            yield *match.span(1), match[1]
    yield from _given(text)


def _unknown_keys(text: str) -> Iterator[tuple[int, int, str]]:
    """Find keys by their form: a prefix and a long random value with letters and digits, but no hash."""
    for run in RUN.finditer(text):
        if (bot := BOT.match(text, run.start())) and is_random(bot[0]):
            yield *bot.span(), bot[0]
        prefix = PREFIX.search(text, max(0, run.start() - LONGEST_PREFIX), run.start())
        match = ANY_KEY.match(text, prefix.start()) if prefix else None
        if match is None or HASHES.match(match[0]) or not is_random(run[0]):
            continue
        if len(re.findall(r"\d+", run[0])) < 2:
            continue  # a long identifier, such as ripemd160WithRSAEncryption
        is_mixed = re.search(r"[a-z]", run[0]) and re.search(r"[A-Z]", run[0])
        if len(run[0]) < (24 if is_mixed and "_" in match[0] else 32):
            continue
        if is_mixed or "_" in match[0] or len(run[0]) >= 60:
            yield *match.span(), match[0]


@lru_cache(maxsize=1)  # for the two functions that need them
def name_places(text: str) -> Sequence[int]:
    """List the places where a name of `PASSWORD` or `TOKEN` may begin, in order."""
    return tuple(sorted({start for _, start in places_of(NAMES, lowered(text))}))


def _given(text: str) -> Iterator[tuple[int, int, str]]:
    """Find secrets that are assigned to a name."""
    for start in name_places(text):
        match = GIVEN.match(text, start)
        if match is None:
            continue
        part = "quoted" if match["quote"] else "bare"
        value = match[part] if match["quote"] else match[part].rstrip(".:?|") or match[part]
        is_phrase = bool(match["phrase"])
        if match["apart"] is not None and not _is_apart(text, match, value):
            continue
        if (match["password"] or "").isupper() and text[match.end("password")] == "=":  # DB_PASSWORD=letmein
            is_call = text[match.end() : match.end() + 1] == "("
            if not is_call and not STAND_IN.fullmatch(value) and not NOT_GIVEN.match(value):
                yield match.start(part), match.start(part) + len(value), value
            continue
        if is_given(value, is_phrase or bool(match["password"]), _is_quoted(match), is_phrase):
            begin = match.start(part)
            yield begin, begin + len(value), value
        elif match["password"] and (
            _is_configuration(text, start, match, part) or _is_assignment(text, start, match, part)
        ):
            yield *match.span(part), match[part]


def _is_apart(text: str, match: re.Match[str], value: str) -> bool:
    """
    Check a value that only space separates from its name.

    After a tab or several spaces it is the next column of a layout; after one space it must look like a
    password, with a digit and a sign, and end the line.
    """
    if "\t" in match["apart"]:
        return True
    ends_line = (
        text[match.end() : match.end() + 1] in ("", "\n") or text[match.end() : match.end() + 2] == ".\n"
    )
    return bool(ends_line and STRONG.fullmatch(value))


def _is_quoted(match: re.Match[str]) -> bool:
    """Check for quotes, in which a word is a value; not in emphasis, or among the arguments of a function."""
    return bool(match["quote"]) and match["quote"] in "\"'`" and not match["argument"]


def _is_configuration(text: str, start: int, match: re.Match[str], part: str) -> bool:
    """Check for a line that only assigns a word to a password, next to one for the user or the server."""
    value = match[part]
    if STAND_IN.fullmatch(value) or SAID.fullmatch(value) or NOT_GIVEN.match(value) or len(value) < 6:
        return False
    if not match["quote"] and CODE.fullmatch(value):
        return False
    if " " in value or "\n" in text[match.end("password") : match.start(part)]:
        return False
    begin = text.rfind("\n", max(0, start - LONGEST_LINE), start) + 1
    if (not begin and start > LONGEST_LINE) or not BEFORE_NAME.fullmatch(text, begin, start):
        return False
    end = text.find("\n", match.end(), match.end() + LONGEST_LINE)
    if end < 0:
        end = len(text)
    if end - match.end() > LONGEST_LINE:
        return False
    after = AFTER_QUOTE if match["quote"] else AFTER_VALUE
    if not after.fullmatch(text, match.end(), end):
        return False
    above = text[max(0, begin - NEAR) : max(0, begin - 1)].split("\n")[-LINES_NEAR:]
    below = text[end + 1 : end + NEAR].split("\n")[:LINES_NEAR]
    return any(LOGIN.match(line) for line in (*_until_blank(reversed(above)), *_until_blank(below)))


def _is_assignment(text: str, start: int, match: re.Match[str], part: str) -> bool:
    """
    Check for a word assigned with "=" and no space: a whole line of settings, a URL's query, or a connection.

    ``passwd=letmein``, ``?user=ada&password=letmein``, ``host=db1 user=ada password=letmein``. Code is
    indented, calls a function, or assigns a variable of several words.
    """
    value = match[part]
    if text[match.end("password") : match.start(part)].strip("\"'") != "=":
        return False
    if not WORD.fullmatch(value) or any(said.fullmatch(value) for said in (STAND_IN, SAID, CODE, LABEL)):
        return False
    begin = text.rfind("\n", max(0, start - LONGEST_LINE), start) + 1
    end = text.find("\n", match.end(), match.end() + LONGEST_LINE)
    after = text[match.end() : end if end >= 0 else match.end() + LONGEST_LINE]
    before = text[begin or max(0, start - LONGEST_LINE) : start]
    if QUERY.search(before):
        return not after or after[0] in "&;# \t\"'<>)]"
    if "(" in before or "(" in after or ")" in after:
        return False
    if CONNECTION.search(before) or CONNECTION.search(after):
        return not after or after[0] in ",; \t\"'"
    is_line = (
        bool(begin or start <= LONGEST_LINE)
        and BEFORE_NAME.fullmatch(before)
        and before[:1] not in (" ", "\t")
    )
    return bool(is_line and match["password"][:4].lower() == "pass" and AFTER_VALUE.fullmatch(after))


def _until_blank(lines: Iterable[str]) -> Iterator[str]:
    return takewhile(str.strip, lines)


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
