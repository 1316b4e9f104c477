"""Where models put the JSON that they are asked for, when nothing holds them to JSON alone."""

import json
import re
from collections.abc import Iterator

FENCE = re.compile(r"```[ \t]*[\w+-]*[ \t]*\r?\n?(.*?)```", re.DOTALL)


def json_parts(text: str) -> Iterator[str]:
    """
    Find what of a text may be its JSON: all of it, what stands in code fences, else its objects.

    Each is valid JSON; whether it is what was asked for is the reader's to say. Of several, the last is the
    answer: what comes before it is a draft.
    """
    whole = text.strip()
    candidates = [whole, *(found.strip() for found in reversed(FENCE.findall(text)))]
    for candidate in candidates:
        if candidate[:1] in ("{", "[") and _valid(candidate):
            yield candidate
    if found := _last_object(whole):
        yield found


def _valid(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _last_object(text: str) -> str:
    """Find the last object that stands in a text and in no other; the empty text where there is none."""
    decoder, found, at = json.JSONDecoder(), "", text.find("{")
    tries = 0
    while at >= 0 and tries < 64:  # a text full of braces is no answer
        tries += 1
        try:
            _, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            end = at + 1
        else:
            found = text[at:end]
        at = text.find("{", end)
    return found
