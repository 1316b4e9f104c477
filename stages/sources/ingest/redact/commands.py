"""Passwords among the arguments of commands, and in statements of databases."""

import re
from collections.abc import Iterator

from datagen.stages.sources.ingest.redact.prefilters import places, places_of
from datagen.stages.sources.ingest.redact.values import SAID, STAND_IN, is_given

LOGINS = {
    "login": re.compile(r"login\s+\S{1,60}\s+password\s+(\S{4,100})"),  # .netrc
    "sshpass": re.compile(r"sshpass -p ?[\"']?([^\s\"'$]{4,100})"),
    "mysql": re.compile(r"mysql\w{0,6}\s[^\n|;]{0,80}?(?<=\s)-p[\"']?([^\s\"'$-][^\s\"'$]{3,99})"),
    " -u": re.compile(r" -u[ =]?[\"']?[\w.@-]{1,60}:([^\s\"'$]{4,100})"),  # curl
    "ENV ": re.compile(r"ENV\s+\w*(?:PASS(?:WORD|WD)?|PWD|SECRET|TOKEN|KEY)\s+[\"']?([^\s\"'$]{4,100})"),
    "IDENTIFIED BY": re.compile(r"IDENTIFIED BY\s+(?:PASSWORD\s+)?[\"']([^\"'\n]{4,100})[\"']"),
    "identified by": re.compile(r"identified by\s+(?:password\s+)?[\"']([^\"'\n]{4,100})[\"']"),
    "redis-cli": re.compile(r"redis-cli\s[^\n|;]{0,80}?(?<=\s)-a\s?[\"']?([^\s\"'$-][^\s\"'$]{3,99})"),
    "password 7": re.compile(r"password 7 ([0-9A-F]{8,100})"),  # of routers
    "sqlplus": re.compile(r"sqlplus\s+(?:-\w+\s+)*[\"']?\w{1,30}/([^\s@\"'/$<]{4,60})@"),
    "jdbc:oracle:": re.compile(r"jdbc:oracle:\w+:\w{1,30}/([^\s@\"'/$<]{4,60})@"),
    "net user": re.compile(r"net user\s+\S{1,60}\s+([^\s/\"'*][^\s\"']{3,99})"),
    "htpasswd": re.compile(r"htpasswd\s+-\w*b\w*\s+\S{1,100}\s+\S{1,60}\s+([^\s\"'$]{4,100})"),
    "--user": re.compile(r"--user[ =][\"']?[\w.@-]{1,60}:([^\s\"'$]{4,100})"),
    "zip": re.compile(r"zip\s(?:-\w+\s){0,3}-P\s?[\"']?([^\s\"'$-][^\s\"'$]{3,99})"),
    "7z": re.compile(r"7za?\s\w\s[^\n|;]{0,80}?(?<=\s)-p[\"']?([^\s\"'$-][^\s\"'$]{3,99})"),
    "-U": re.compile(r"-U\s?[\"']?[\w.\\/-]{1,60}%([^\s\"'$%]{4,100})"),  # smbclient
    " /p:": re.compile(r" /p:[\"']?([^\s\"'$=]{4,100}(?![^\s\"']))"),  # xfreerdp
    "-D": re.compile(
        r"-D\s?[\"']?\w+=[\w=., -]{1,100}[\"']?[^\n|;]{0,60}?\s-w\s?[\"']?([^\s\"'$-][^\s\"'$]{3,99})"
    ),  # ldapsearch
}
# An option named for a password, and its value after a space or "=".
VALUE = (
    r"(?P<quote>[\"']?)(?:pass:)?(?P<value>[^\s\"'$<>\[\]{}()|%,;-][^\s\"'$|<>]{3,99})(?P=quote)(?=[\s`)]|\Z)"
)
OPTION = re.compile(rf"pass(?:word|wd|phrase|code|in|out)?(?:=|[ \t]+){VALUE}")
BEFORE_OPTION = re.compile(r"(?<![\w-])--?(?:[a-z]{1,12}-?){0,2}\Z")
LONGEST_OPTION = 30  # characters
# An option for the user; the next one in a single letter for a password.
USER = r" (?:-[uUl]|--user(?:name)?)(?:[ =]|(?<=[uUl]))[\"']?(?P<user>[A-Za-z][\w.@\\-]{0,60})(?![\w:])"
WITH_USER = re.compile(rf"{USER}[\"']?[^\n|;]{{0,60}}? -[pPw][ =]?{VALUE}")
HAS_USER = re.compile(USER)
NEAR = 100  # characters of the command before and after an option
ARGUMENT = re.compile(r"[A-Z][A-Z_\d]*|[a-z]{1,5}|\d{1,3}|[\w.-]*/[\w./-]*|\S+\.[a-z]{2,4}")  # FILE, a path
STATEMENT = re.compile(r"\b(?:user|role|grant|alter|login)\b", re.IGNORECASE)


def find_in_commands(text: str) -> Iterator[tuple[int, int, str]]:
    """Find passwords that are given to commands and databases."""
    for mark, at in places_of(LOGINS, text):
        given = LOGINS[mark].match(text, at)
        if given is None or STAND_IN.fullmatch(given[1]):
            continue
        if mark == "identified by" and not STATEMENT.search(text, max(0, at - NEAR), at):
            continue  # "those identified by "squash" commands"
        yield *given.span(1), given[1]
    for at in places("pass", text):
        option = OPTION.match(text, at)
        if option and BEFORE_OPTION.search(text, max(0, at - LONGEST_OPTION), at):
            line = text.rfind("\n", max(0, at - NEAR), at) + 1
            end = text.find("\n", at, option.end() + NEAR)
            end = end if end >= 0 else option.end() + NEAR
            has_user = bool(HAS_USER.search(text, line or max(0, at - NEAR), end))
            if _is_password(option, is_command=has_user):
                yield *option.span("value"), option["value"]
    for _, at in places_of((" -u", " -U", " -l", " --user"), text):
        given = WITH_USER.match(text, at)
        if given and not given["value"].isdecimal() and _is_password(given, is_command=True):
            yield *given.span("value"), given["value"]


def _is_password(option: re.Match[str], is_command: bool) -> bool:
    """Check the value of an option: a word is a password only in a command, not in a description of it."""
    value = option["value"]
    if any(other.fullmatch(value) for other in (STAND_IN, SAID, ARGUMENT)):
        return False
    return is_command or value.isdecimal() or is_given(value, True, bool(option["quote"]))
