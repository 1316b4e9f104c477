"""Secrets that are assigned to a name such as ``password``, in text, settings, URLs and tables."""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import takewhile

from datagen.stages.sources.ingest.redact.prefilters import lowered, places_of
from datagen.stages.sources.ingest.redact.values import SAID, STAND_IN, is_given

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


@lru_cache(maxsize=1)  # for the two functions that need them
def name_places(text: str) -> Sequence[int]:
    """List the places where a name of `PASSWORD` or `TOKEN` may begin, in order."""
    return tuple(sorted({start for _, start in places_of(NAMES, lowered(text))}))


def find_assigned(text: str) -> Iterator[tuple[int, int, str]]:
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
