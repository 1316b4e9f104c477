"""
Secrets: keys with known prefixes, private keys, passwords in URLs, and values assigned to ``password``.

Only the secret is replaced, so ``postgres://app:[SECRET_1]@db`` is still recognisable as a URL. Placeholders
such as ``<password>``, ``$TOKEN`` and ``secret``, and published examples (`reserved`), are not replaced.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator

from datagen.stages.sources.ingest.redact.assigned import find_assigned
from datagen.stages.sources.ingest.redact.keys import MIN_KEY, RUN, known_keys, unknown_keys
from datagen.stages.sources.ingest.redact.reserved import is_reserved_domain
from datagen.stages.sources.ingest.redact.values import STAND_IN, is_random

PEM_BEGIN = re.compile(r"-{4,5} ?BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)? ?-{4,5}")
PEM_END = re.compile(r"-{4,5} ?END (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)? ?-{4,5}")
PEM_BODY = re.compile(r"(?:[A-Za-z0-9+/=\s]|\\n|^[A-Z][\w-]+: .*$)*", re.MULTILINE)  # of one cut short
URL = re.compile(r"://([^\s/@:'\"<>]*):([^\s@/'\"<>]+)@(?=([\w.-]+)|\[)")
BEARER = re.compile(r"(?:Bearer|Basic|Token)\s+([\w.~+/-]{16,}=*)")
MIN_IN_URL = 4  # characters of a password for an example's host: https://abc:xyz@example.com


def find_secrets(text: str) -> Iterator[tuple[int, int, str]]:
    """Find secrets; the spans may overlap."""
    # Keys have no blanks, so only the long words are searched for the marks.
    long = " ".join([word for word in text.split() if len(word) >= MIN_KEY])
    if long:
        yield from known_keys(text, long)
    yield from _private_keys(text)
    if RUN.search(long):
        yield from unknown_keys(text)
    if "://" in text:
        for match in URL.finditer(text):
            is_example = len(match[2]) < MIN_IN_URL and is_reserved_domain(match[3] or "")
            if not STAND_IN.fullmatch(match[2]) and not is_example:
                yield *match.span(2), match[2]
    for match in BEARER.finditer(text) if any(word in text for word in ("Bearer", "Basic", "Token")) else ():
        if is_random(match[1]):
            yield *match.span(1), match[1]
    yield from find_assigned(text)


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
