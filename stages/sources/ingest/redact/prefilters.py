"""What several detectors look for first, once per text: most texts have little that needs a slower search."""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

# Five digits as in any number of a phone, a card or an identity, with what may separate them; or four digits
# before a letter, as in an Indian tax number.
LONG_NUMBER = re.compile(r"\d(?:\d{3}[A-Z]|(?:[\s().\u00a0\u202f/A-Z+-]{0,3}\d){4})")


@lru_cache(maxsize=1)
def has_long_number(text: str) -> bool:
    """Check for a number with as many digits as a telephone, card or identity number."""
    return LONG_NUMBER.search(text) is not None


@lru_cache(maxsize=1)
def lowered(text: str) -> str:
    """Return a text in lower case, with its characters at the same places."""
    return text.replace("İ", "I").lower()  # the only letter that lower() makes longer


def places(name: str, text: str) -> Iterator[int]:
    """Find the places of a name in a text."""
    at = text.find(name)
    while at >= 0:
        yield at
        at = text.find(name, at + 1)


def places_of(names: Iterable[str], text: str) -> Sequence[tuple[str, int]]:
    """List the names that occur in a text with their places, name by name."""
    return [(name, at) for name in names if name in text for at in places(name, text)]
