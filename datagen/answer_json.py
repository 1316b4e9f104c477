"""Where models put the JSON that they are asked for, when nothing holds them to JSON alone."""

import json
import re
from collections.abc import Iterator

FENCE = re.compile(r"```[ \t]*[\w+-]*[ \t]*\r?\n?(.*?)```", re.DOTALL)


def json_parts(text: str) -> Iterator[str]:
    """
    Find what of a text may be its JSON: all of it, the one code fence that holds JSON, or its one object.

    Each is valid JSON; whether it is what was asked for is the reader's to say. Where there are several, none
    is taken, since nothing says which is the answer.
    """
    whole = text.strip()
    if _valid(whole):
        yield whole
    fenced = [block for block in (found.strip() for found in FENCE.findall(text)) if _valid(block)]
    if len(fenced) == 1:
        yield fenced[0]
    if not fenced and (only := _only_object(whole)):
        yield only


def _valid(text: str) -> bool:
    if text[:1] not in ("{", "["):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _only_object(text: str) -> str:
    """Find the object that begins at the first brace, if no brace opens after it; else the empty text."""
    start = text.find("{")
    try:
        _, end = json.JSONDecoder().raw_decode(text, start) if start >= 0 else ({}, 0)
    except (ValueError, RecursionError):
        return ""
    return "" if "{" in text[end:] else text[max(start, 0) : end]
