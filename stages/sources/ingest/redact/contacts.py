"""E-mail addresses, telephone numbers and IP addresses."""

import ipaddress
import re
from collections.abc import Iterator

from datagen.stages.sources.ingest.redact.prefilters import has_long_number, lowered, places
from datagen.stages.sources.ingest.redact.reserved import is_reserved_domain, is_reserved_phone

# An address is searched around each @: a pattern that begins with a word would be tried at every word.
# In scripts without spaces between words, only ASCII characters belong to an address.
LOCAL = re.compile(r"[\w.%+'’=-](?<![\u0e00-\u0eff\u1100-\u11ff\u3040-\u9fff\uac00-\ud7af])")
DOMAIN = re.compile(
    r"@((?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}(?:[a-zA-Z]{2,24}(?![a-zA-Z0-9_-])|xn--[a-z0-9-]{2,59}|[^\W\d_]{2,24}(?![\w-])))"
)
ASSIGNED = re.compile(r"[A-Za-z_]{1,20}=(?=.)")  # user=a@example.org
LONGEST_LOCAL, LONGEST_DOMAIN, LONGEST_URL = 64, 260, 160
FILES = frozenset(
    ("png", "jpg", "jpeg", "gif", "svg", "webp", "js", "ts", "css", "py", "rb", "html")
)  # icon@2x.png
SPELLED = re.compile(
    r"(?<![\w.])([\w.+-]{1,64})\s?[\[({<]\s?at\s?[\])}>]\s?([\w-]+(?:(?:\s?[\[({<]\s?(?:dot|punkt)\s?[\])}>]\s?|\.)[\w-]+)+)"
    r"|(?<![\w.])([\w.+-]{1,64}) at ([\w-]+(?: dot [\w-]+)+)",
    re.IGNORECASE,
)
ESCAPED = re.compile(
    r"(?<![\w.%+-])([\w.+-]{1,64})%40((?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24})(?![\w-])"
)  # in a URL
BRACKETED_AT = re.compile(r"[\[({<]\s?at\s?[\])}>]", re.IGNORECASE)

# A word that announces a number, with only a few characters and words between them. All languages are tried
# in every text: a number may be announced in another language than that of its document.
PHONE_WORD = re.compile(
    r"(?:\b(?:t[eé]l(?:[eéi](?:f|ph|m[oó]v)[\w-]{0,9})?|tlf|tfno|ph(?:one)?|fax|mob(?:il\w{0,6})?|sms|gsm"
    r"|whatsapp|handy(?:n(?:umme)?r)?|natel|rufnummer|m[oó]vil|celular|portable|cellulare|cell|puh(?:elin)?|hotline"
    r"|komórka|matkapuhelin|cep(?: tel\w*)?|contact (?:no|number|us)|kontakt)\b"
    r"|\b(?:тел|моб|τηλ|κιν)\w{0,7}|电话|電話|手机|手機|携帯|전화|휴대폰|연락처|טלפון|נייד"
    r"|هاتف|جوال|موبايل|تلفن|โทร|điện thoại|फ़ोन|मोबाइल|☎|📞|\bĐT\b|\bH/P\b)"
    r"[^\d\n]{0,20}\n?[^\d\n]{0,8}\Z"
    r"|\b(?:call|dial|text|ring|reach|bel|appelez|llame|ligue|ruf)(?: \w+){0,3}[ :.]{1,3}\(?\Z",
    re.IGNORECASE,
)
ANNOUNCING = re.compile(r"[^\W\d_]|☎|📞")  # looked for first: a table of numbers has none
BEFORE = 48  # characters before a number in which that word is searched
# Where a number begins; the prefix of international calls is + or 00. These patterns, and those of addresses
# and identifiers, consume the first character and then look behind it: if a pattern begins with an assertion,
# Python's engine cannot skip to the characters that may begin a match.
INTERNATIONAL = re.compile(
    r"[+0](?<![\w+].)(?:(?<=\+)|0(?=[1-9]))\(?\d(?:[\s().\u00a0/-]{0,3}\d){6,14}(?!\d)"
)
BEGINS = re.compile(r"[(\d](?<![\w.,/§+-].)(?=(?:(?<=\()\d|(?<=\d))(?:[ ().\u00a0/-]{0,3}\d){6})")
NUMBER = re.compile(r"(?:\(\d{1,5}\)|\d)(?:[ ().\u00a0/-]{0,3}\d){6,14}(?![\w]|-\d)")
# Numbers in a telephone's shape, and what precedes them: MA 02110-1301, Clause 252.227-7013, 2017-2022.
NO_PHONE = (
    (re.compile(r"\d{5}-\d{4}(?!\d)"), re.compile(r"\b[A-Z]{2},?[\s#*]{1,12}\Z")),
    (
        re.compile(r"\d{3}\.\d{3}-\d{4}"),
        re.compile(r"\b(?:clauses?|sections?|DFARS?|FAR)\s{1,12}\Z", re.IGNORECASE),
    ),
    (re.compile(r"(?:19|20)\d\d\s?[-/]\s?(?:19|20)\d\d(?!\d)"), re.compile(r"\s\Z")),
)
DECIMAL = re.compile(r"\+\d+\.\d+")
# Shapes that are unique to the numbers of a country, and the region for validation.
NATIONAL = (
    (re.compile(r"(?:1[ .-])?(?:\([2-9]\d\d\) ?|[2-9]\d\d[.-])[2-9]\d\d[.-]\d{4}(?![\w-]|\.\d)"), "US"),
    (re.compile(r"0\d(?:[ .]\d\d){4}(?![\w-]|[ .]\d)"), "FR"),
    (re.compile(r"\(?0\d{2,4}\)?[ -]\d{3,4} ?\d{3,4}(?![\w-]|[ .]\d)"), "GB"),
    (re.compile(r"\(?0\d{1,4}\)?-\d{1,4}-\d{4}(?![\w-])"), "JP"),
    (re.compile(r"\(?0\d{2,5}\)? ?[/-] ?\d{4,8}(?:-\d{1,4})?(?![\w-])"), "DE"),
    (re.compile(r"\(\d\d\) ?9?\d{4}-\d{4}(?![\w-])"), "BR"),
    (re.compile(r"1[3-9]\d-\d{4}-\d{4}(?![\w-])"), "CN"),
)
REGIONS = (
    *("US", "GB", "DE", "FR", "ES", "IT", "NL", "BE", "CH", "AT", "PT", "BR", "MX", "IN", "CN", "JP"),
    *("KR", "AU", "CA", "IE", "PL", "RU", "UA", "SE", "NO", "DK", "FI", "CZ", "TR", "ZA"),
    *("GR", "HU", "RO", "BG", "HR", "RS", "SI", "SK", "EE", "LV", "LT", "IL", "SA", "AE", "EG", "MA"),
    *("NG", "KE", "PK", "BD", "TH", "VN", "ID", "MY", "PH", "SG", "HK", "TW", "NZ", "AR", "CL", "CO", "PE"),
)

# An address and the length of its network's prefix. A full stop and a space after it: a section number.
IPV4 = re.compile(r"(\d(?<![\w.-].)\d{0,2}\.(?:\d{1,3}\.){2}\d{1,3})(?![\w-]|\.\d)(?:/(\d{1,3})(?!\d))?")
IPV6 = re.compile(
    r"([23](?<![\w:.].)[0-9a-fA-F]{3}:(?:[0-9a-fA-F]{0,4}:){1,6}[0-9a-fA-F]{1,4})(?![\w:])(?:/(\d{1,3})(?!\d))?"
)
NO_IP = re.compile(
    r"(?:\b(?:v|ver|version|release|build|firmware|sections?|sec|chapters?|clauses?|articles?|paragraphs?|no)\.?"
    r"|§)[\s:=v]{0,12}\Z|^#+ \Z|(?<!/)/\Z|ffff:\Z",  # Chrome/120.0.60.9
    re.IGNORECASE | re.MULTILINE,
)
# Four small numbers are rather a section or a version: of all addresses, one in 1,600 is so small.
SMALL, MAX_SECTION = 40, 100
IP_WORD = re.compile(
    r"(?:\b(?:ips?|ipv4|address(?:es)?|hosts?|server|dns|name ?servers?|resolver|clients?|from|ping|ssh"
    r"|telnet|gateway|route|peer|remote|login|logged|listen\w*|connect\w*|https?|source|dst|src|target|adresse|serveur"
    r"|dirección)\b"
    r"[^\n]{0,24}|//|@|\[)\Z",
    re.IGNORECASE,
)
PORT = re.compile(r":\d{1,5}\b|/(?:[89]|[12]\d|3[0-2])\b")
NEAR_IP = 48  # characters before an address
SECTION = re.compile(r"\.?[ \t\u00a0]+[^\W\d_]")  # after a section's number at the start of a line


def find_emails(text: str) -> Iterator[tuple[int, int, str]]:
    """
    Find e-mail addresses, also those with "[at]" and "[dot]".

    The user of an address such as ssh://git@host is none, and example.com has no users.
    """
    at = text.find("@")
    while at >= 0:
        local = _local_part(text, at)
        domain = DOMAIN.match(text, at, at + LONGEST_DOMAIN)
        if local < at and domain and _is_address(text, local, domain):
            yield local, domain.end(), text[local : domain.end()].casefold()
        at = text.find("@", at + 1)
    if "%40" in text:
        for match in ESCAPED.finditer(text):
            if not is_reserved_domain(match[2]):
                yield *match.span(), f"{match[1]}@{match[2]}".casefold()
    if " dot " in lowered(text) or BRACKETED_AT.search(text):
        for match in SPELLED.finditer(text):
            user, host = (match[1], match[2]) if match[1] else (match[3], match[4])
            host = re.sub(r"\s?[\[({<]?\s?\b(?:dot|punkt)\b\s?[\])}>]?\s?", ".", host, flags=re.IGNORECASE)
            if re.search(r"\.[a-z]{2,24}$", host, re.IGNORECASE) and not is_reserved_domain(host):
                yield *match.span(), f"{user}@{host}".casefold()


def _local_part(text: str, at: int) -> int:
    """Return where the local part of an address begins; the position of the @ if there is none."""
    start = at
    while start > max(0, at - LONGEST_LOCAL) and LOCAL.match(text, start - 1):
        start -= 1
    if name := ASSIGNED.match(text, start, at):
        start = name.end()
    while start < at and not text[start].isalnum() and text[start] != "_":
        start += 1
    return start if text[at - 1 : at] != "." else at


def _is_address(text: str, local: int, domain: re.Match[str]) -> bool:
    if domain[1].rpartition(".")[2].casefold() in FILES or is_reserved_domain(domain[1]):
        return False
    before, after = text[max(0, local - 3) : local], text[domain.end() : domain.end() + 2]
    in_url = before.endswith((":", "/")) and "//" in text[max(0, local - LONGEST_URL) : local].split()[-1]
    return not in_url and not re.match(r":[\w~/]", after)


def find_phones(text: str) -> Iterator[tuple[int, int, str]]:
    """Find telephone numbers: international ones, those after a word such as "phone", and national shapes."""
    if not has_long_number(text):
        return
    for match in INTERNATIONAL.finditer(text):
        if DECIMAL.fullmatch(match[0]):
            continue
        written = match[0] if match[0][0] == "+" else f"+{match[0][2:]}"
        is_grouped = match[0][0] == "+" and re.search(r"\d[\s().\u00a0/-]+\d", match[0])
        if number := _number(written, None, valid=not is_grouped):
            yield *match.span(), number
    for begin in BEGINS.finditer(text):
        at = begin.start()
        before = text[max(0, at - BEFORE) : at]
        if any(shape.match(text, at) and context.search(before) for shape, context in NO_PHONE):
            continue
        announced = NUMBER.match(text, at) if ANNOUNCING.search(before) else None
        if announced and not IPV4.fullmatch(announced[0]) and PHONE_WORD.search(before):
            if number := _announced(announced[0]):
                yield *announced.span(), number
            continue
        for shape, region in NATIONAL:
            national = shape.match(text, at)
            if national and (number := _number(national[0], region, valid=region != "US")):
                yield *national.span(), number
                break


def _number(written: str, region: str | None, valid: bool = True) -> str:
    """
    Return a number's international form; "" if it is not a number, or nobody's.

    Parameters
    ----------
    written
        The number as in the text.
    region
        Country whose national form it may have.
    valid
        Whether the number must be assigned; otherwise only its length is checked.
    """
    if is_reserved_phone(written):
        return ""
    import phonenumbers  # loaded when used, as recipes load all stages

    try:
        number = phonenumbers.parse(written, region)
    except phonenumbers.NumberParseException:
        return ""
    accepts = phonenumbers.is_valid_number if valid else phonenumbers.is_possible_number
    if not accepts(number):
        return ""
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def _announced(written: str) -> str:
    """Return the form of a number after a phone word: valid in a country, or as long as a US number."""
    valid = next((number for region in REGIONS if (number := _number(written, region))), "")
    return valid or _number(written, "US", valid=False)


def find_ips(text: str) -> Iterator[tuple[int, int, str]]:
    """Find public IP addresses; private and reserved ones, and those for documentation, are not personal."""
    for pattern, is_possible in ((IPV4, has_dotted_number), (IPV6, has_colons)):
        for match in pattern.finditer(text) if is_possible(text) else ():
            try:
                address = ipaddress.ip_address(match[1])
            except ValueError:
                continue
            before = text[max(0, match.start() - NEAR_IP) : match.start()]
            if NO_IP.search(before[-16:]) or _is_network(match):
                continue
            if pattern is IPV4 and _is_numbering(text, match, max(address.packed), before):
                continue
            if address.is_global and not address.is_multicast:
                yield *match.span(1), str(address)


def has_dotted_number(text: str) -> bool:
    """Check for a full stop between digits, which is looked for first, as it is faster."""
    return any(
        text[at - 1 : at].isdecimal() and text[at + 1 : at + 2].isdecimal() for at in places(".", text)
    )


def has_colons(text: str) -> bool:
    """Check for two colons, as in every address of version 6."""
    return text.count(":") >= 2


def _is_numbering(text: str, match: re.Match[str], largest: int, before: str) -> bool:
    """Check for the number of a section, or of a version: small numbers that nothing names an address."""
    if largest >= MAX_SECTION:
        return False
    if before.rpartition("\n")[2].strip() == "" and SECTION.match(text, match.end()):
        return True
    return largest < SMALL and not (IP_WORD.search(before) or PORT.match(text, match.end()))


def _is_network(match: re.Match[str]) -> bool:
    """Check whether an address is a network's: the bits after the prefix of the given length are zero."""
    if match[2] is None:
        return False
    try:
        interface = ipaddress.ip_interface(match[0])
    except ValueError:
        return False  # a longer prefix than an address has: part of a path
    return interface.network.num_addresses > 1 and interface.ip == interface.network.network_address
