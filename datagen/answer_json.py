"""Extract JSON from completions that were not decoded under a schema."""

import json
import re
from collections.abc import Iterator

FENCE = re.compile(r"```[ \t]*+[\w+-]*+[ \t]*+\r?\n?(.*?)```", re.DOTALL)  # possessive: linear in blanks


def json_parts(text: str) -> Iterator[str]:
    """
    Yield the candidates for a text's JSON: the whole text, its only JSON code fence, or its only object.

    Each candidate is valid JSON; the caller checks it against the schema. If there are several fences or
    objects, none is yielded, because it is ambiguous which one is the answer.
    """
    stripped = text.strip()
    if _valid(stripped):
        yield stripped
    fenced = [block for block in (match.strip() for match in FENCE.findall(text)) if _valid(block)]
    if len(fenced) == 1:
        yield fenced[0]
    if not fenced and (json_object := _only_object(stripped)):
        yield json_object


def _valid(text: str) -> bool:
    if text[:1] not in ("{", "["):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _only_object(text: str) -> str:
    """Return the object that begins at the first brace, or "" if another brace opens after it."""
    start = text.find("{")
    try:
        _, end = json.JSONDecoder().raw_decode(text, start) if start >= 0 else ({}, 0)
    except (ValueError, RecursionError):
        return ""
    return "" if "{" in text[end:] else text[max(start, 0) : end]
