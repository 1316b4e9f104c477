"""Names and numbers that are published as examples and belong to nobody, so that they are not replaced."""

import re

# RFC 2606 and RFC 6761: example.com and its like, with all names below them, and four top-level domains.
DOMAIN = re.compile(
    r"(?:[\w-]{1,63}\.){0,8}(?:example(?:\.(?:com|net|org))?|test|invalid|localhost)\.?", re.IGNORECASE
)
# Telephone numbers for fiction: 555-0100 to 555-0199 with any area code (North American Numbering Plan
# Administration), and those of Ofcom in each area of the United Kingdom.
AREAS = "113|114|115|116|117|118|121|131|141|151|161"
DIGITS = re.compile(
    r"1?[2-9]\d{2}55501\d{2}"
    rf"|(?:440?|0)(?:(?:{AREAS})4960|1914980|207946(?=0)|2896496|2920180|1632960|7700900|8081570|9098790|3069990)\d{{3,4}}"
)
LOCAL = re.compile(r"555[-. ]01\d\d")
# Passwords and keys of well-known documentation: AWS's keys, Docker's and Oracle's databases, the default
# account of RabbitMQ, the login of RFC 7617, and a joke.
SECRETS = (
    r"(?-i:[A-Za-z0-9+/]*EXAMPLE(?:KEY)?)|my-secret-pw|tiger|guest|anonymous|hunter2"
    r"|(?-i:QWxhZGRpbjpvcGVu[A-Za-z0-9]*=*)"
)


def is_reserved_domain(name: str) -> bool:
    """Check for a domain in which nobody has an address."""
    return DOMAIN.fullmatch(name) is not None


def is_reserved_phone(written: str) -> bool:
    """Check for a telephone number for fiction, as it is written in a text."""
    return bool(LOCAL.fullmatch(written) or DIGITS.fullmatch(re.sub(r"\D", "", written)))
