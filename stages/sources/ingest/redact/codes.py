"""Secrets that are known by what names them: PINs, one-time codes, cookies and credentials of requests."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from datagen.stages.sources.ingest.redact.prefilters import places, places_of
from datagen.stages.sources.ingest.redact.values import is_random

ABBREVIATIONS = ("PIN", "PUK", "TAN", "OTP", "CVV", "CVC", "Pin", "pin", "otp", "cvv")
ABBREVIATION = rf"(?:{'|'.join(ABBREVIATIONS)})[12]?(?:[ -]?(?:[Cc]ode|[Nn]umber|[Nn]ummer|[Nn]o\.?))?"
# Between the name and the number: what it is for; a colon, a verb, the next cell.
FOR = r"(?:\s(?:for|of|to|für|von|pour|de|para)\s[^\n.:;|\d]{1,40}?|\s?\([^()\n\d]{1,30}\))?"
SIGN = r"\s?[:=：]|\s(?:is|ist|lautet|est|es)\b\s?:?|[ ]*\t\s*|[ ]*\|[ ]*"
GAP = rf"[\"']?{FOR}(?:\*\*)?(?:{SIGN})(?:\*\*)?\s?[\"'`]?"
UNIT = (
    r"(?:bits?|bytes?|[KMG]i?B|words?|rows?|pins?|users?|entries|times|rad|m?[VA]|Hz|EUR|USD|HUF|INR)\b|[€$%]"
)
DIGITS = rf"(?P<value>\d{{3}}[ -]\d{{3}}|\d{{3,8}})(?!\w|-\w|[.,:/]\d|\s?(?:\|\s?)?(?:{UNIT}))"
ABBREVIATED = re.compile(rf"(?:(?<![\w-])|(?<=\bm)){ABBREVIATION}{GAP}{DIGITS}")
CODES = ("code", "Code", "CODE", "password", "Password")
NAMED = re.compile(rf"(?:code|password)(?P<after> PIN| secret| d'accès)?{GAP}{DIGITS}", re.IGNORECASE)
KINDS = (
    r"(?:verification|security|access|entry|door|gate|unlock|confirmation|one-time|login|authentication)[ -]"
)
# What a code or password must be to be a number.
KIND = re.compile(rf"(?:\bpass|{KINDS}|sicherheits|zugangs|zutritts|tür|entsperr)\Z", re.IGNORECASE)
# A status, which programs call so too: "access code: 4001 (error)".
STATUS_KIND = re.compile(r"(?:access|security|entry|login|authentication)[ -]\Z", re.IGNORECASE)
STATUS = re.compile(
    r"\b(?:error|errno|status|return(?:s|ed)?|exit|denied|response|reason|HTTP)\b", re.IGNORECASE
)
NEAR_STATUS = 40  # characters before a number, and after it
# A number after its name, without a sign: "Enter PIN 4711".
ENTERED = re.compile(rf"(?:PIN|PUK|TAN|OTP)[12]?(?: code| number)?[\"'`]?\s{DIGITS}")
ENTER = re.compile(
    r"\b(?:enter|type|use|using|with|dial|input|key in|geben sie|gib|mit|avec|saisi\w+|compose[rz]?|con"
    r"|introdu\w+|marque)\s(?:[^\W\d]+\s){0,2}\Z",
    re.IGNORECASE,
)
# The numeric key of a wireless network, after its name or that of its key.
NETWORKS = ("WiFi", "Wifi", "wifi", "WIFI", "Wi-Fi", "wi-fi", "WI-FI", "WLAN", "Wlan", "wlan", "WPA", "SSID")
NETWORK_KEY = re.compile(
    r"[\s\S]{1,120}?(?:\bkey|schlüssel|\bpassword|\bpasswort|\bkennwort|\bpass(?:code|phrase)|\bcode|\bPSK)"
    rf"(?:{GAP}|\s)(?P<value>\d{{8,63}}|\d{{4}}(?:[ -]\d{{4}}){{1,5}})(?![\w-]|[.,:/]\d)",
    re.IGNORECASE,
)
# The number comes first: "482913 is your verification code".
YOURS = re.compile(
    rf" (?:is|as) your (?:[\w-]{{1,20}} ){{0,3}}?(?:{KINDS}(?:code|password)|OTP|PIN|passcode)\b",
    re.IGNORECASE,
)
FIRST = re.compile(r"(?<![\w.,:/])(?:[A-Z]-)?(?P<value>\d{3}[ -]\d{3}|\d{4,8})\Z")
# The postal code of India is called PIN, too.
PIN_OF_INDIA = re.compile(r"[1-8]\d{2}[ -]?\d{3}")
ADDRESS = re.compile(
    r"\b(?:India|Road|Street|Nagar|Dist(?:rict)?|Taluk|Post(?:al)?|Delhi|Mumbai|Karnataka|Kerala"
    r"|Pradesh|Tamil Nadu|Maharashtra|Gujarat|West Bengal|Bihar|Punjab|Rajasthan|City|State|Address)\b",
    re.IGNORECASE,
)
NEAR = 100  # characters of an address before a number, and after it
LONGEST_KIND = 20  # characters
# The value of a header or an argument, after the start of its name.
COOKIES = re.compile(
    r"ookie2?[\"']?\s?[:=]\s?[\"']?(?P<cookies>[^\s\"'=;]{1,100}=[^\n]{0,4000})", re.IGNORECASE
)
COOKIE = re.compile(r"[^\s\"'=;,]+=(?P<value>[^\s\"';,\\]+)")
HEADERS = {
    **dict.fromkeys(
        ("SESSID", "SESSIONID", "SessionId", "sessionid"),
        re.compile(r"\w{6,9}[:=]\s?(?P<value>[\w%.-]{16,200})"),
    ),
    **dict.fromkeys(
        ("uthorization", "UTHORIZATION"),
        re.compile(
            r"\w{12,40}[\"']?\s?[:=]\s?[\"']?(?:[A-Za-z][\w-]{1,30}\s+)?(?P<value>[\w.~+/:-]{16,2000}=*)"
        ),
    ),
}
# Words, addresses and variables in place of credentials, and the algorithm of a signature.
NO_CREDENTIAL = re.compile(
    r"https?:.*|[a-z]+(?:-[a-z0-9]+)+|[A-Z0-9]+(?:-[A-Z0-9]+)+|[A-Za-z_]\w{0,30}(?:\.[A-Za-z_]\w{0,30})+"
)


def find_codes(text: str) -> Iterator[tuple[int, int, str]]:
    """Find PINs, one-time codes, cookies and the credentials of requests."""
    yield from _numbers(text)
    for name in ("ookie", "OOKIE"):
        done = 0
        for at in places(name, text):
            if at >= done and (header := COOKIES.match(text, at)):
                done = header.end()
                for cookie in COOKIE.finditer(text, *header.span("cookies")):
                    if is_random(cookie["value"]) and not NO_CREDENTIAL.fullmatch(cookie["value"]):
                        yield *cookie.span("value"), cookie["value"]
    for name, at in places_of(HEADERS, text):
        match = HEADERS[name].match(text, at)
        if match and is_random(match["value"]) and not NO_CREDENTIAL.fullmatch(match["value"]):
            yield *match.span("value"), match["value"]


@lru_cache(maxsize=1)  # for the two functions that need them
def abbreviation_places(text: str) -> Sequence[tuple[str, int]]:
    """List the abbreviations that may name a PIN or a code, with their places."""
    return places_of(ABBREVIATIONS, text)


def _numbers(text: str) -> Iterator[tuple[int, int, str]]:
    for name, at in abbreviation_places(text):
        match = ABBREVIATED.match(text, at)
        if match is None and ENTER.search(text, max(0, at - LONGEST_KIND), at):
            match = ENTERED.match(text, at)
        if match is None or (len(match["value"]) < 4 and name[:2].upper() != "CV"):
            continue
        if not _is_postal(text, match):
            yield *match.span("value"), match["value"]
    for _, at in places_of(CODES, text):
        match = NAMED.match(text, at)
        if match is None or len(match["value"]) < 4:
            continue
        named = match["after"] or KIND.search(text, max(0, at - LONGEST_KIND), at)
        if named and not _is_status(text, at, match.end()):
            yield *match.span("value"), match["value"]
    done = 0
    for at in sorted(at for _, at in places_of(NETWORKS, text)):
        if at >= done and (match := NETWORK_KEY.match(text, at)):
            done = match.end()
            yield *match.span("value"), match["value"]
    for _, at in places_of((" is your ", " as your "), text):
        if YOURS.match(text, at) and (match := FIRST.search(text, max(0, at - LONGEST_KIND), at)):
            yield *match.span("value"), match["value"]


def _is_status(text: str, start: int, end: int) -> bool:
    """Check for the code of an error, whose name a program may share with a door."""
    if not STATUS_KIND.search(text, max(0, start - LONGEST_KIND), start):
        return False
    before = text[max(0, start - NEAR_STATUS) : start].rpartition("\n")[2]
    after = text[end : end + NEAR_STATUS].partition("\n")[0]
    return bool(STATUS.search(before) or STATUS.search(after))


def _is_postal(text: str, match: re.Match[str]) -> bool:
    """Check for a postal code of India in an address."""
    start, end = match.span()
    return bool(
        PIN_OF_INDIA.fullmatch(match["value"])
        and (ADDRESS.search(text, max(0, start - NEAR), start) or ADDRESS.search(text, end, end + NEAR))
    )
