"""
Numbers that identify a person or an account: bank accounts, cards, national identity numbers, passports.

A number is replaced if its check digits are correct, if its shape is unique, or if a word before it names its
kind; so section numbers of statutes and part numbers are not replaced.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from datagen.stages.sources.ingest.redact import checksums
from datagen.stages.sources.ingest.redact.prefilters import has_long_number

IBAN = re.compile(r"(?<![A-Za-z0-9])(?:[A-Z]{2}|[a-z]{2})\d{2}(?:[ \u00a0\u202f./-]?[A-Za-z0-9]){11,30}")
IBAN_DIGITS = re.compile(r"\d\d(?<=[A-Za-z]{2}..)")  # looked for first, which is faster
# Patterns begin with a character rather than an assertion for speed, as those of `contacts`.
# A list has commas around a number (7001,4242424242424242,12/27); a decimal has one or two digits beside one.
CARD = re.compile(
    r"\d(?<![\w./-].)(?<!\b\d,.)(?:[ \u00a0\u202f-]?\d){12,18}(?![\w/-]|\.\d|,\d{1,2}(?![\d/,]))"
)
# Groups as they are printed on cards; a run of other groups is a table of numbers.
CARD_GROUPS = {(4, 4, 4, 4), (4, 6, 5), (4, 6, 4), (4, 4, 4, 2), (4, 4, 4, 4, 3), (4, 4, 5), (6, 13)}
SEPARATORS = re.compile(r"[ \u00a0\u202f.,/+-]")
LETTER = re.compile(r"[^\W\d_]")  # looked for first: a table of numbers has none
NEARBY = 40  # characters before a number in which a word may name its kind


@dataclass(frozen=True)
class NationalId:
    """
    A kind of national identity number.

    Parameters
    ----------
    shape
        Pattern of the number, without its surroundings.
    check
        Checks whether the number without separators is valid.
    word
        Pattern of a word that must precede it; "" if shape and check suffice.
    """

    shape: str
    check: Callable[[str], bool] = lambda value: True
    word: str = ""


DAY, MONTH = "(?:0[1-9]|[12]\\d|3[01])", "(?:0[1-9]|1[0-2])"
SOCIAL_SECURITY = r"\bssn\b|social security|\bsoc\. sec"
# Names of national numbers, in the languages of their countries; all are tried in every text.
ID_WORD = (
    r"(?:(?:national |personal )?id(?:entity|entification)? (?:no\.?|number)|taxpayer id(?:entification)?"
    r"|tax id(?:entification)?(?: number)?|rodn[eé] č[ií]slo|\br\. ?č\.|\boib|\bnif|c[eé]dula|\bcui[lt]"
    r"|\br\.?u\.?[tn]\b|\bd\.?n\.?i\b|\b(?:rsa|sa) id|\bsvnr|sozialversicherungsn(?:umme)?r|contribuinte"
    r"|\bpps(?: ?no\.?)?|kimlik(?: no)?|\bcnp|\b(?:егн|инн|рнокпп)|isikukood|asmens kodas|personas kods"
    r"|\b(?:αμκα|αφμ)|emšo|jmbg|adóazonosító(?: jel)?|\btaj(?: szám)?|ת\.? ?ז\.?|תעודת זהות|رقم الهوية"
    r"|주민등록번호|身分證字號|身份证号码?|\bnric|\bhkid|kennitala|cpr-?n(?:umme)?r\.?|fødselsnummer"
    r"|numéro fiscal)"
)
NUMBER_WORD = (
    r"(?:[.: ]{0,2}(?:n[ro]?|num(?:ber|mer)?|núm(?:ero)?)\.?[ªº]?(?![^\W_]))?"  # "RUT No. 1", "NIF n.º 2"
)

NATIONAL_IDS = (
    # United States: social security and individual taxpayer numbers.
    NationalId(r"(?!000|666)(?:[0-8]\d\d|9\d\d(?=-[5-9]\d))-(?!00)\d\d-(?!0000)\d{4}"),
    NationalId(r"(?!000|666)\d{3}[ .]?(?!00)\d\d[ .]?(?!0000)\d{4}", word=SOCIAL_SECURITY),
    # United Kingdom: National Insurance, NHS.
    NationalId(
        r"(?:QQ|(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]) ?\d\d ?\d\d ?\d\d ?[A-D]"
    ),
    NationalId(r"\d{3}[ -]?\d{3}[ -]?\d{4}", word=r"\bnhs\b"),
    # Spain, France, Italy, Belgium, Switzerland, Brazil.
    NationalId(r"(?:\d{8}|[XYZ]\d{7})-?[A-Z]", checksums.dni),
    NationalId(r"[12] ?\d\d ?(?:0[1-9]|1[0-2]|[2-9]\d) ?(?:\d\d|2[AB]) ?\d{3} ?\d{3} ?\d\d", checksums.nir),
    NationalId(r"[A-Z]{6}\d\d[A-EHLMPRST]\d\d[A-Z]\d{3}[A-Z]", checksums.codice_fiscale),
    NationalId(rf"\d\d\.?{MONTH}\.?{DAY}-?\d{{3}}\.?\d\d", checksums.rijksregister),
    NationalId(r"756\.?\d{4}\.?\d{4}\.?\d\d", checksums.ean13),
    NationalId(r"\d{3}\.\d{3}\.\d{3}-\d\d", checksums.cpf),
    NationalId(r"\d{3}\.?\d{3}\.?\d{3}-?\d\d", checksums.cpf, word=r"\bcpf\b"),
    # The north and east of Europe.
    NationalId(rf"{DAY}{MONTH}\d\d[-+ABCDEFUVWXY]\d{{3}}[0-9A-Y]", checksums.hetu),
    NationalId(rf"{DAY}{MONTH}\d\d ?\d{{5}}", checksums.fodselsnummer),
    NationalId(rf"(?:19|20)?\d\d{MONTH}{DAY}[-+]\d{{4}}", lambda value: checksums.luhn(value[-10:])),
    NationalId(
        rf"(?:19|20)?\d\d{MONTH}{DAY}-?\d{{4}}",
        lambda value: checksums.luhn(value[-10:]),
        word=r"person(?:n(?:umme)?r|nummer)|\bpnr",
    ),
    NationalId(rf"{DAY}{MONTH}\d\d-?\d{{4}}", word=r"\bcpr\b|personnummer"),
    NationalId(rf"\d\d(?:[02]\d|[13][0-2]){DAY}\d{{5}}", checksums.pesel, word=r"\bpesel\b"),
    NationalId(r"\d{3}-\d{3}-\d{3}[ -]\d\d", checksums.snils),
    NationalId(r"[1-9]\d ?\d{3} ?\d{3} ?\d{3}", checksums.steuer_id, word=r"steuer|\bidnr|\btin\b"),
    NationalId(r"\d{9}", checksums.bsn, word=r"\bbsn\b|burgerservice|sofinummer"),
    # Asia and the Americas.
    NationalId(rf"[1-9]\d{{5}}(?:19|20)\d\d{MONTH}{DAY}\d{{3}}[0-9X]", checksums.resident_identity),
    NationalId(rf"\d\d{MONTH}{DAY}-[1-8]\d{{6}}"),
    NationalId(r"[2-9]\d{3}[ -]?\d{4}[ -]?\d{4}", word=r"aadhaa?r|\buid(?:ai)?\b"),
    NationalId(r"[A-Z]{3}P[A-Z]\d{4}[A-Z]"),
    NationalId(rf"[A-Z][AEIOUX][A-Z]{{2}}\d\d{MONTH}{DAY}[HM][A-Z]{{5}}[A-Z0-9]\d"),
    NationalId(r"\d{3}[ -]?\d{3}[ -]?\d{3}", checksums.luhn, word=r"\bsin\b|social insurance"),
    NationalId(r"\d{3}[ -]?\d{3}[ -]?\d{2,3}", word=r"\btfn\b|tax file n"),
    NationalId(r"\d{4}[ -]?\d{4}[ -]?\d{4}", word=r"my ?number|個人番号|マイナンバー"),
    # Any country: numbers named by a preceding word.
    NationalId(
        r"(?=[A-Z]{0,3}\d)[A-Z0-9]{6,9}",
        word=r"passports?(?: ?(?:no|nr|number|num|#|id))?\W{0,4}(?:is\W+)?$"
        r"|(?:reisepass|passnummer|passeport|pasaporte|passaport[eo]|paspoort|paszport\w?|паспорт|护照|護照|パスポート|여권)"
        r"[\w.° ]{0,12}\W{0,3}$",
    ),
    NationalId(
        r"(?=[A-Z]*\d)[A-Z0-9][A-Z0-9-]{5,17}(?<=\d|[A-Z])",
        word=r"(?:driv\w+'?s? licen[cs]e|driving licen[cs]e|national id(?:entity)?(?: card)?|id card"
        r"|personalausweis\w*|\bdl(?= ?#))[\w. ]{0,8}(?:no|nr|number|num|#|:)\W{0,4}$",
    ),
    NationalId(
        r"[A-Z]?\d(?:[ ./-]?\d){5,13}(?:-?[A-Z0-9]{1,2})?", word=rf"{ID_WORD}{NUMBER_WORD}[^\w\n]{{0,4}}\Z"
    ),
)
# Where a number of any kind may begin: five digits, or the four of an Indian tax number.
START = re.compile(
    r"[A-Z\d](?<![\w.-].)"
    r"(?=(?:(?<=[A-Z])[A-Z]{0,5} ?\d|(?<=\d))(?:[ .A-Z+-]{0,2}\d){4}|(?<=[A-Z])[A-Z]{4}\d{4}[A-Z])"
)
SHAPES = tuple(
    (re.compile(rf"(?:{kind.shape})(?![\w-]|\.\d)"), re.compile(kind.word, re.IGNORECASE), kind)
    for kind in NATIONAL_IDS
)


def find_ibans(text: str) -> Iterator[tuple[int, int, str]]:
    """Find bank account numbers."""
    for match in IBAN.finditer(text) if IBAN_DIGITS.search(text) else ():
        length = checksums.IBAN_LENGTHS.get(match[0][:2].upper(), 0)
        end = _end_of(text, match.start(), length)
        compact = SEPARATORS.sub("", text[match.start() : end]).upper()
        if length and checksums.iban(compact) and not text[end : end + 1].isalnum():
            yield match.start(), end, compact


def _end_of(text: str, start: int, count: int) -> int:
    """Return the end of `count` letters and digits; spaces and hyphens between them do not count."""
    end = start
    while count and end < len(text):
        count -= text[end].isalnum()
        end += 1
    return end


def find_cards(text: str) -> Iterator[tuple[int, int, str]]:
    """Find the numbers of payment cards."""
    for match in CARD.finditer(text) if has_long_number(text) else ():
        groups = SEPARATORS.split(match[0])
        digits = "".join(groups)
        if (len(groups) == 1 or tuple(map(len, groups)) in CARD_GROUPS) and checksums.card(digits):
            yield *match.span(), digits


def find_national_ids(text: str) -> Iterator[tuple[int, int, str]]:
    """Find national identity, tax, passport and driving licence numbers."""
    for start in START.finditer(text) if has_long_number(text) else ():
        at = start.start()
        before = text[max(0, at - NEARBY) : at]
        announced = LETTER.search(before)
        for shape, word, kind in SHAPES:
            if kind.word and not announced:
                continue
            match = shape.match(text, at)
            if match and word.search(before) and kind.check(_to_check(kind, match[0])):
                yield *match.span(), SEPARATORS.sub("", match[0])
                break


def _to_check(kind: NationalId, number: str) -> str:
    keeps_sign = kind.check is checksums.hetu  # its sign encodes the century
    return number if keeps_sign else SEPARATORS.sub("", number)
