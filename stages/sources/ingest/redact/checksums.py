"""The check digits of cards, bank accounts and national identity numbers."""

from collections.abc import Sequence

IBAN_LENGTHS = {
    **{"AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BI": 27},
    **{"BR": 29, "BY": 28, "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DJ": 27, "DK": 18, "DO": 28},
    **{"EE": 20, "EG": 29, "ES": 24, "FI": 18, "FK": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23},
    **{"GL": 18, "GR": 27, "GT": 28, "HN": 28, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26},
    **{"IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20, "LU": 20, "LV": 21},
    **{"LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MN": 20, "MR": 27, "MT": 31, "MU": 30, "NI": 28},
    **{"NL": 18, "NO": 15, "OM": 23, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22},
    **{"RU": 33, "SA": 24, "SC": 31, "SD": 18, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "SO": 23, "ST": 25},
    **{"SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20, "YE": 30},
}
# Leading digits of a card's number, and the lengths that numbers of its issuer have.
CARD_ISSUERS = (
    (("4",), (13, 16, 19)),
    (tuple(map(str, range(2200, 2205))), (16, 17, 18, 19)),
    (tuple(map(str, [*range(51, 56), *range(2221, 2721)])), (16,)),
    (("34", "37"), (15,)),
    (("6011", "644", "645", "646", "647", "648", "649", "65"), (16, 19)),
    (("300", "301", "302", "303", "304", "305", "36", "38", "39"), (14,)),
    (tuple(map(str, range(3528, 3590))), (16,)),
    (("62",), (16, 17, 18, 19)),
    (("50", "56", "57", "58", "63", "67"), (16, 18, 19)),
)
DNI_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"
ODD_VALUES = dict(
    zip(
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        [
            *(1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21),
            *(2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23),
        ],
        strict=True,
    )
)


def luhn(digits: str) -> bool:
    """Check a number by Luhn's formula (ISO/IEC 7812-1): cards and several national numbers."""
    doubled = [int(digit) * 2 for digit in digits[-2::-2]]
    return (sum(map(int, digits[-1::-2])) + sum(value - 9 * (value > 9) for value in doubled)) % 10 == 0


def card(digits: str) -> bool:
    """Check a card's number: its issuer, its length and its check digit."""
    issued = any(len(digits) in lengths and digits.startswith(leading) for leading, lengths in CARD_ISSUERS)
    return issued and luhn(digits)


def iban(compact: str) -> bool:
    """Check an international bank account number (ISO 13616): its country's length, mod 97."""
    if IBAN_LENGTHS.get(compact[:2]) != len(compact):
        return False
    return int("".join(str(int(sign, 36)) for sign in compact[4:] + compact[:4])) % 97 == 1


def _weighted(digits: str, weights: Sequence[int]) -> int:
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False))


def dni(value: str) -> bool:
    """Check Spain's DNI and NIE: a letter that the number determines."""
    number = value[:-1].translate(str.maketrans("XYZ", "012"))
    return DNI_LETTERS[int(number) % 23] == value[-1]


def nir(value: str) -> bool:
    """Check France's social security number: 13 digits, of which Corsica's two are letters, and mod 97."""
    body = value[:13].replace("2A", "19").replace("2B", "18")
    return 97 - int(body) % 97 == int(value[13:])


def codice_fiscale(value: str) -> bool:
    """Check Italy's tax code by its last letter."""
    odd = sum(ODD_VALUES[sign] for sign in value[:15:2])
    even = sum(int(sign) if sign.isdigit() else ord(sign) - 65 for sign in value[1:15:2])
    return chr(65 + (odd + even) % 26) == value[15]


def cpf(digits: str) -> bool:
    """Check Brazil's CPF: two digits mod 11."""
    for length in (9, 10):
        check = _weighted(digits[:length], range(length + 1, 1, -1)) * 10 % 11 % 10
        if check != int(digits[length]):
            return False
    return len(set(digits)) > 1


def rijksregister(digits: str) -> bool:
    """Check Belgium's national number: mod 97, with a 2 in front for those born after 1999."""
    return int(digits[9:]) in (97 - int(digits[:9]) % 97, 97 - int(f"2{digits[:9]}") % 97)


def ean13(digits: str) -> bool:
    """Check Switzerland's AHV number, which is an EAN-13."""
    return _weighted(digits, [1, 3] * 6 + [1]) % 10 == 0


def resident_identity(value: str) -> bool:
    """Check China's identity number (GB 11643, ISO 7064 mod 11-2)."""
    total = sum(int(digit) * pow(2, 17 - place, 11) for place, digit in enumerate(value[:17]))
    return "10X98765432"[total % 11] == value[17]


def hetu(value: str) -> bool:
    """Check Finland's personal identity code by its last sign."""
    return "0123456789ABCDEFHJKLMNPRSTUVWXY"[int(value[:6] + value[7:10]) % 31] == value[10]


def fodselsnummer(digits: str) -> bool:
    """Check Norway's birth number: two digits mod 11."""
    first = -_weighted(digits, (3, 7, 6, 1, 8, 9, 4, 5, 2)) % 11
    second = -_weighted(digits, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return f"{first}{second}" == digits[9:]


def snils(digits: str) -> bool:
    """Check Russia's SNILS."""
    return _weighted(digits, range(9, 0, -1)) % 101 % 100 == int(digits[9:])


def steuer_id(digits: str) -> bool:
    """Check Germany's tax number (ISO 7064 mod 11,10)."""
    product = 10
    for digit in digits[:10]:
        product = ((int(digit) + product) % 10 or 10) * 2 % 11
    return (11 - product) % 10 == int(digits[10])


def bsn(digits: str) -> bool:
    """Check the Netherlands' citizen number: mod 11."""
    return _weighted(digits, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0


def pesel(digits: str) -> bool:
    """Check Poland's PESEL."""
    return _weighted(digits, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10 == 0
