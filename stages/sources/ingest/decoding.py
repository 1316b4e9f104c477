"""Text from bytes: recognise the encoding, decode, and normalise."""

import codecs
import re
import unicodedata
from itertools import islice

from datagen.request import Reject

WIDE = ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")
WIDE_NAMES = ("utf-16", "utf-32", "utf16", "utf32", "ucs-", "iso-10646", "unicode")
WIDE_SAMPLE = 4096  # bytes from which they are recognised
SAMPLE = 50_000  # bytes on either side of the first non-UTF-8 byte, from which the encoding is guessed

BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32"}
BOMS |= {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}

ISO_2022 = re.compile(rb"\x1b[$(][@-Z(]")  # escapes that choose characters; those of terminals are \x1b[
MULTIBYTE = re.compile(rb"[\xc3-\xf4][\x80-\xbf]+")
UNPRINTABLE = re.compile(rb"[^\t\n\r\f -~]+")
PLAIN = 0.75  # least share of printable ASCII in text with stray NULs; in wide CJK text it is about a half
MIXED = 8  # non-ASCII characters after which a text counts as UTF-8, even if errors follow

# Neither text nor layout: control characters, and byte-order marks at any position. A form feed ends a line,
# like Unicode's line and paragraph separators.
CONTROL = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff]")
NO_TEXT = ("Cc", "Cn", "Co", "Cs")  # categories of characters
LAYOUT = frozenset("\t\n\r\f\ufeff")
LINE_ENDS = "\x0b\x0c\x85\u2028\u2029"

# Bytes that mean the same in all Windows code pages: quotes, dashes, an ellipsis, a bullet, signs.
WINDOWS_SIGNS = re.compile(
    rb"[\x82\x84-\x87\x89\x8b\x91-\x97\x99\x9b\xa0\xa6\xa7\xa9\xab-\xae\xb0\xb1\xb5-\xb7\xbb]"
)


# Text of Windows, with its quotes and dashes, is often declared as this one, in which they are no characters.
LATIN_1 = re.compile(r"iso[-_]?8859[-_]1|latin[-_]?1|l1", re.IGNORECASE)
WINDOWS = re.compile(rb"[\x80-\x9f]")
SEVEN_BIT = ("utf-7", "hz-gb-2312", "hz")  # encodings that consist of ASCII


def normalise(text: str) -> str:
    r"""
    Normalise a text: NFC, line ends \n, no control characters, no white space at the ends of lines.

    Nothing else is changed, because passages and evidence are quoted from it.
    """
    text = CONTROL.sub(_plain, text.replace("\r\n", "\n").replace("\r", "\n"))
    lines = [line.rstrip() for line in unicodedata.normalize("NFC", text).split("\n")]
    return "\n".join(lines).strip("\n")


def _plain(control: re.Match[str]) -> str:
    sign = control[0]
    return "\n" if sign in LINE_ENDS else "\ufffd" if "\ud800" <= sign <= "\udfff" else ""


def decode(data: bytes, stated: str = "") -> tuple[str, str]:
    """
    Decode a text: by its byte-order mark, as UTF-8, in the stated encoding, or in the likeliest one.

    chardet is used rather than charset-normalizer: it recognised 337 of 337 texts in seven legacy encodings;
    charset-normalizer recognised 296 and took most Spanish ones for Central European. For English texts with
    a few non-ASCII letters the encoding is not guessed, because there is too little evidence.

    Parameters
    ----------
    data
        The text's bytes.
    stated
        The stated encoding; "" if none is stated.

    Returns
    -------
    text, encoding
        The encoding is "utf-8", or that of the mark, the stated one, or the guessed one.

    Raises
    ------
    Reject
        If the bytes are not text in any known encoding.
    """
    for mark, encoding in BOMS.items():
        if data.startswith(mark):
            return data.decode(encoding, "replace"), encoding.removesuffix("-sig")
    at = 0
    if not stated and (encoding := wide(data)):
        return data.decode(encoding, "replace"), encoding
    # Encodings that consist of ASCII, such as ISO 2022 with its escapes.
    escaped = stated.lower() in SEVEN_BIT or (stated and b"\x1b" in data) or ISO_2022.search(data)
    if b"\0" not in data and not escaped:
        try:
            return data.decode("utf-8"), "utf-8"
        except UnicodeDecodeError as error:
            at = error.start
            if not stated and sum(1 for _ in islice(MULTIBYTE.finditer(data, 0, at), MIXED)) == MIXED:
                detail = f"UTF-8 up to byte {at:,}, then not: damaged, or two encodings in one file"
                raise Reject("mixed encodings", detail) from error
    encoding = stated or _likely_encoding(data[max(0, at - SAMPLE) : at + SAMPLE])
    try:
        return data.decode(encoding), encoding.lower()
    except (ValueError, LookupError) as error:  # some codecs raise errors of their own
        origin = "encoding:" if stated else "likely"
        raise Reject("not utf-8 nor any known encoding", f"{origin} {encoding}, but {error}") from error


def decode_declared(data: bytes, declared: str, stated: str = "") -> tuple[str, str]:
    """
    Decode a document that declares its encoding, which may be wrong, unknown, or that of a former copy.

    Parameters
    ----------
    data
        The document's bytes.
    declared
        The encoding that it declares; "" if none.
    stated
        The encoding stated in the recipe, which takes precedence; "" if none.

    Returns
    -------
    The text and its encoding, as of `decode`.

    Raises
    ------
    Reject
        If the bytes are in no known encoding, or not in the stated one.
    """
    # UTF-16 and UTF-32 need no declaration; programs write it into text that they then save in another one.
    if stated or not declared or declared.lower().startswith(WIDE_NAMES):
        return decode(data, stated)
    if LATIN_1.fullmatch(declared) and WINDOWS.search(data):
        declared = "windows-1252"
    try:
        return decode(data, declared)
    except Reject:
        return decode(data)


def wide(data: bytes) -> str:
    """
    Recognise UTF-16 and UTF-32 without a byte-order mark by their first bytes; "" if it is neither.

    Unlike text in other encodings they contain NULs, and they decode to text in one byte order only.
    """
    sample = data[:WIDE_SAMPLE]
    bare = sample.replace(b"\0", b"")
    printable = len(UNPRINTABLE.sub(b"", bare))
    most = 1.9 if printable == len(bare) else 1.1 if printable >= PLAIN * len(bare) else 1.0
    if len(sample) <= most * len(bare):
        return ""  # no NUL, or a few in plain text
    likely: dict[str, int] = {}
    for encoding in WIDE:
        try:
            text = codecs.getincrementaldecoder(encoding)().decode(sample)
        except UnicodeDecodeError:
            continue
        ascii_signs = sum(sign < "\x80" for sign in text)
        if ascii_signs and not any(unicodedata.category(sign) in NO_TEXT for sign in set(text) - LAYOUT):
            likely[encoding] = ascii_signs
    return max(likely, key=lambda encoding: likely[encoding], default="")


def _likely_encoding(data: bytes) -> str:
    import chardet  # loaded when used, as recipes load all stages

    likely = chardet.detect(data)
    if likely["encoding"] is None:
        raise Reject("not utf-8 nor any known encoding", f"it begins with {data[:16]!r}")
    if likely["language"] != "en":
        return str(likely["encoding"])
    if unknown := re.search(rb"[\x80-\xff]", WINDOWS_SIGNS.sub(b"", data)):
        quoted = data[max(0, (at := data.find(unknown[0])) - 10) : at + 10]
        raise Reject(
            "unknown encoding",
            f"not UTF-8, and too few non-ASCII letters to recognise the encoding, as in {quoted!r}. "
            "Name it with encoding: in the recipe",
        )
    return "windows-1252"


def unusual(encoding: str) -> dict[str, str]:
    """Return the metadata of a text that was not UTF-8: the encoding used."""
    return {} if encoding == "utf-8" else {"encoding": encoding}
